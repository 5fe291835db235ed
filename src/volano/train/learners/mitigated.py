"""A learner of tables with mitigation of unfairness, and what that costs beside the same without.

``thresholds`` trains nothing: its shifts are fitted on the rows that the plain model had not seen.
``reweight`` trains again, with other weights. Either calibrates on rows as they are, unweighted.

Shape suffixes: N rows, H rows held out, M rows asked for, C labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from volano.core.errors import ConfigError
from volano.core.seeds import derive_seed
from volano.models.bundle import read_arrays, read_spec
from volano.models.calibration import Calibration
from volano.models.predictor import Predictor
from volano.models.rows import ArrowRows
from volano.models.shifted import NOBODY, Group, ShiftedEngine, groups_of
from volano.tasks.group_rates import positive_label
from volano.tasks.scoring import LabelOutcomes
from volano.train.folds import assign_folds
from volano.train.held_out import Marked, read_held_out
from volano.train.learner import Fitted, HeldOut
from volano.train.learners.ensemble import part_files
from volano.train.mitigation import (
    balanced_weights,
    crossed_shifts,
    even_shifts,
    group_gaps,
    only_large,
)
from volano.train.tables.lesson import rows_at
from volano.train.targets import count_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.core.events import Events
    from volano.core.nouns import Model
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Learner, Lesson
    from volano.train.mitigation import Mitigation

__all__ = ["Mitigated"]

_PARTS = 5  # of the held-out rows: each is answered by shifts that were fitted on the others
_TRACE = 1e-12
_People = tuple[list[Group], NDArray[np.int64]]  # groups, and the place of each row's


@dataclass(frozen=True)
class Mitigated:
    """A learner, and what is done so that groups fare alike.

    Attributes:
        learner: that is mitigated.
        mitigation: what is done for whom.
        plain: its model without mitigation, of the same rows.
        people: the columns that say the group, of training rows and then validation rows.
        task: whose metrics show what it costs.
    """

    learner: Learner
    mitigation: Mitigation
    plain: Model
    people: pa.Table
    task: Task

    @property
    def name(self) -> str:
        """The learner's."""
        return self.learner.name

    @property
    def input(self) -> Literal["text", "columns"]:
        """The learner's."""
        return self.learner.input

    @property
    def parts(self) -> tuple[str, ...]:
        """The learner's."""
        return self.learner.parts

    @property
    def reads(self) -> frozenset[str]:
        """The learner's, and the mitigation."""
        return self.learner.reads | {"mitigation"}

    @property
    def needs_base(self) -> bool:
        """The learner's."""
        return self.learner.needs_base

    def fits(self, task: Task) -> bool:
        """Whether the learner can do this task."""
        return self.learner.fits(task)

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Mitigate, and tell of the same held-out rows how they fare without and with it.

        Raises:
            ConfigError: groups are too small; or of thresholds, there are not two labels.
        """
        assert len(self.people) == len(lesson.rows)
        people = groups_of(ArrowRows(self.people), self.mitigation.fields)
        before = read_held_out(self.plain.folder)
        counts = count_labels(lesson.rows.targets)
        positive = positive_label(before.outcomes, self.mitigation.positive, counts)
        if self.mitigation.method == "thresholds":
            cut = _Cut.of(self.plain, positive, lesson)
            fitted, told = self._with_thresholds(lesson, config, before, cut, people)
        else:
            fitted, told = self._with_weights(lesson, config, people[1], log)
        row_H = fitted.held_out.row_H
        after = Marked(fitted.held_out.outcomes, lesson.rows.unit_N[row_H], row_H)
        told = {**told, **self._cost(before, after, people[1], positive)}
        log.note(_in_words(self.name, self.mitigation, told))
        return replace(fitted, told={**fitted.told, "mitigation": told})

    def _with_weights(
        self, lesson: Lesson, config: TrainConfig, group_N: NDArray[np.int64], log: Events
    ) -> tuple[Fitted, dict[str, Any]]:
        rows = lesson.rows
        kept_N, num_small = only_large(group_N, self.mitigation.minimum, self.mitigation)
        weight_N = balanced_weights(rows.weight_N, rows.class_N, kept_N)
        parts = np.split(weight_N, [len(lesson.train)])
        weighed = replace(
            lesson,
            train=replace(lesson.train, weight_N=parts[0]),
            valid=replace(lesson.valid, weight_N=parts[1]),
        )
        log.note(f"{self.name} is trained a second time, with weights")
        told = {"weights": [float(weight_N.min()), float(weight_N.max())]}
        return self.learner.fit(weighed, config, log), {**told, "small_groups": num_small}

    def _with_thresholds(
        self, lesson: Lesson, config: TrainConfig, before: Marked, cut: _Cut, people: _People
    ) -> tuple[Fitted, dict[str, Any]]:
        assert config.seed != "auto"
        groups, group_N = people
        found, own_H = before.of_labels, group_N[before.row_N]
        truth_H = found.truth_NC[:, cut.label]
        counts_H = truth_H | (self.mitigation.constraint == "selection_rate")
        counted_H = np.where(counts_H, own_H, NOBODY)
        kept_H, num_small = only_large(counted_H, self.mitigation.minimum, self.mitigation)
        large = np.unique(kept_H[kept_H != NOBODY])
        # Rows that the rate is no share of are answered by the shift of their group all the same.
        group_H = np.where(np.isin(own_H, large), own_H, NOBODY)
        about = cut.logits(found.scores_NC), group_H, counts_H, cut.logit
        seed = derive_seed(config.seed, "shifts")
        fold_H = assign_folds(2 * group_H + truth_H, before.unit_N, _PARTS, seed)
        held_out = HeldOut(before.row_N, cut.moved(found, crossed_shifts(*about, fold_H)))
        shift_G = even_shifts(*about)
        shifts = {groups[group]: float(shift_G[group]) for group in large}
        told = {"shifts": [[" · ".join(group), shift] for group, shift in sorted(shifts.items())]}
        fitted = self._shifted(lesson, cut, shifts, held_out)
        return fitted, {**told, "small_groups": num_small}

    def _shifted(
        self, lesson: Lesson, cut: _Cut, shifts: Mapping[Group, float], held_out: HeldOut
    ) -> Fitted:
        """The plain bundle within one that moves its values."""
        inner = Predictor.load(self.plain.folder)
        scale = cut.calibration.temperature  # from calibrated log-odds to the engine's values
        fields, rows = self.mitigation.fields, lesson.rows
        scaled = {group: shift * scale for group, shift in shifts.items()}
        engine = ShiftedEngine(inner.engine, fields, scaled, cut.label)

        def reference(places: Sequence[int]) -> LabelOutcomes:
            asked = rows_at(rows, places)
            found, group_M = groups_of(asked, fields)
            shift_G = np.array([*(shifts.get(group, 0.0) for group in found), 0.0])
            truth_MC = rows.truth_NC[np.asarray(places, np.int64)]
            return cut.outcomes(truth_MC, cut.logits(inner.scores(asked)) + shift_G[group_M])

        spec = replace(inner.spec, engine="shifted", settings=engine.settings())
        return Fitted(
            spec,
            replace(cut.calibration, curve=None).arrays(),
            held_out,
            reference,
            dict(self.plain.card["training"]),
            part_files([self.plain.folder]),
            self.plain.card.get("features", ()),
        )

    def _cost(
        self, before: Marked, after: Marked, group_N: NDArray[np.int64], positive: str
    ) -> dict[str, Any]:
        """What it was told to do, and the figures on rows that neither model had seen."""
        row_H = np.intersect1d(before.row_N, after.row_N)
        group_H, mitigation = group_N[row_H], self.mitigation

        def told(marked: Marked) -> dict[str, Any]:
            found = marked.at(row_H).outcomes
            values = {name: metric.of(found) for name, metric in self.task.metrics.items()}
            metrics = {name: value for name, value in values.items() if math.isfinite(value)}
            gaps = group_gaps(found, group_H, positive, mitigation.minimum)
            return {"metrics": metrics, "gaps": gaps}

        is_moved = mitigation.method == "thresholds"
        return {
            "method": mitigation.method,
            "constraint": mitigation.constraint if is_moved else "",
            "fields": list(mitigation.fields),
            "positive": positive,
            "minimum": mitigation.minimum,
            "rows": len(row_H),
            "without": told(before),
            "with": told(after),
        }


@dataclass(frozen=True)
class _Cut:
    """From which log-odds of which of two labels on that label is answered.

    Attributes:
        labels: both.
        label: place of the positive one.
        logit: the log-odds; 0 where both mistakes cost alike.
        calibration: of the plain model.
    """

    labels: tuple[str, ...]
    label: int
    logit: float
    calibration: Calibration

    @classmethod
    def of(cls, plain: Model, positive: str, lesson: Lesson) -> _Cut:
        """Of a model of two labels.

        Raises:
            ConfigError: it has others, or costs by which one of the two is never answered.
        """
        spec, unknown = read_spec(plain.folder), lesson.rows.unknown
        if len(spec.labels) != 2 or unknown in spec.labels:
            raise ConfigError(
                "thresholds are moved between two known labels, and the training rows have "
                "{labels}",
                where="train.mitigation.method",
                fix="train.mitigation.method: reweight",
                labels=", ".join(map(repr, spec.labels)),
            )
        calibration = Calibration.load(spec.calibration, read_arrays(plain.folder))
        label = spec.labels.index(positive)
        return cls(spec.labels, label, _cheapest_from(calibration, label), calibration)

    def logits(self, scores_MC: Floats) -> Floats:
        """Log-odds of the positive label."""
        log_MC = np.log(np.maximum(scores_MC, _TRACE))
        logits: Floats = log_MC[:, self.label] - log_MC[:, 1 - self.label]
        return logits

    def moved(self, found: LabelOutcomes, shift_H: Floats) -> LabelOutcomes:
        """Held-out answers after each row's shift."""
        return self.outcomes(found.truth_NC, self.logits(found.scores_NC) + shift_H)

    def outcomes(self, truth_MC: NDArray[np.bool_], logit_M: Floats) -> LabelOutcomes:
        """What is answered by these log-odds."""
        from scipy.special import expit

        sign_C = np.where(np.arange(2) == self.label, 1.0, -1.0)
        scores_MC: Floats = expit(logit_M[:, None] * sign_C)
        decided_MC = self.calibration.decide(scores_MC)
        return LabelOutcomes(self.labels, truth_MC, decided_MC, scores_MC, False)


def _cheapest_from(calibration: Calibration, label: int) -> float:
    """Log-odds from which on answering the label costs less, as it is expected."""
    if calibration.cost_CC is None:
        return 0.0
    cost, other = calibration.cost_CC, 1 - label
    false_alarm = float(cost[other, label] - cost[other, other])
    miss = float(cost[label, other] - cost[label, label])
    if min(false_alarm, miss) <= 0:
        raise ConfigError(
            "by these costs one label is never answered, so no threshold can be moved",
            where="labels.costs",
            fix="let either mistake cost more than the right answer",
        )
    return math.log(false_alarm / miss)


def _in_words(name: str, mitigation: Mitigation, told: Mapping[str, Any]) -> str:
    """What it did to the gaps, for whoever watches."""
    gaps = [told[side]["gaps"] for side in ("without", "with")]
    moved = ", ".join(f"{figure} {gaps[0][figure]:.3f} to {gaps[1][figure]:.3f}"
                      for figure in gaps[0] if figure in gaps[1])  # fmt: skip
    small = told["small_groups"]
    left = f"; {small} groups of fewer than {mitigation.minimum} rows are left out" if small else ""
    by = ", ".join(mitigation.fields)
    return f"{mitigation.method} of {name} by {by}: gaps on held-out rows, {moved}{left}"
