"""Anomaly detection: which rows of a table are not like the others.

Truth is not needed. Where somebody has looked at rows, a label says ``anomaly`` or ``normal``; the
score of ``anomaly`` is the share of training rows that are less odd, or a probability where labels
have taught one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from volano.core.errors import ConfigError, DataError
from volano.core.nouns import Answer
from volano.tasks.labelled import Labelled
from volano.tasks.ranking import AVERAGE_PRECISION, ROC_AUC
from volano.tasks.scoring import CLASSIFICATION_METRICS, Floats, LabelOutcomes, Metric, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["ANOMALY", "NORMAL", "AnomalyDetection"]

ANOMALY, NORMAL = "anomaly", "normal"
_ANOMALIES = frozenset(
    ("anomaly", "anomalous", "outlier", "fraud", "attack", "abnormal", "bad", "1", "1.0", "true",
     "yes", "异常", "是", "欺诈")
)  # fmt: skip
_NORMALS = frozenset(
    ("normal", "inlier", "ok", "benign", "legit", "good", "0", "0.0", "false", "no", "正常", "否")
)


def _alarm_parts(outcomes: LabelOutcomes) -> Floats:
    """Per example: found, called an anomaly."""
    is_said = outcomes.decided_NC[:, 0]
    return np.stack([is_said & outcomes.truth_NC[:, 0], is_said], axis=1).astype(np.float64)


def _found_parts(outcomes: LabelOutcomes) -> Floats:
    """Per example: found, there to be found."""
    is_true = outcomes.truth_NC[:, 0]
    return np.stack([outcomes.decided_NC[:, 0] & is_true, is_true], axis=1).astype(np.float64)


def _share(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


PRECISION = Metric("precision_at_budget", _alarm_parts, _share)
RECALL = Metric("recall_at_budget", _found_parts, _share)


@dataclass(frozen=True)
class AnomalyDetection(Labelled):
    """Which rows are not like the others."""

    name: str = "anomaly-detection"
    input: Literal["text", "columns"] = "columns"
    needs_target: bool = False
    learners: tuple[str, ...] = ("tails", "forest", "odd", "labelled", "autoencoder")
    scored_by: ClassVar[Mapping[str, Metric]] = {
        metric.name: metric
        for metric in (
            ROC_AUC,
            AVERAGE_PRECISION,
            PRECISION,
            RECALL,
            CLASSIFICATION_METRICS["accuracy"],
            CLASSIFICATION_METRICS["log_loss"],
            CLASSIFICATION_METRICS["calibration_error"],
        )
    }
    default_metric: str = ROC_AUC.name

    def __post_init__(self) -> None:
        if self.labels.separator or self.labels.unknown or self.labels.costs:
            raise ConfigError(
                "an anomaly has neither several labels, nor an unknown one, nor costs",
                where="labels",
                fix="leave them out; labels.alerts says how many rows to call so",
            )

    def read_target(self, cell: object, names: Sequence[str] = ()) -> tuple[str, ...] | None:
        """``anomaly`` or ``normal``; None where nobody has looked.

        >>> AnomalyDetection().read_target("fraud"), AnomalyDetection().read_target("")
        (('anomaly',), None)

        Raises:
            DataError: the cell may mean either.
        """
        found = None if self._leaves_open(cell) else super().read_target(cell, names)
        if found is None:
            return None
        said = found[0]
        if self.labels.normal:
            return (NORMAL if said == self.labels.normal else ANOMALY,)
        plain = said.casefold()
        if plain in _ANOMALIES:
            return (ANOMALY,)
        if plain in _NORMALS:
            return (NORMAL,)
        raise DataError(
            "{cell!r} says neither anomaly nor normal",
            fix="name the label of what is as it should be: labels: {{normal: LABEL}}",
            cell=said[:80],
        )

    def guess(self, targets: Iterable[Sequence[str]]) -> Answer:
        """The commoner of the two, with its frequency; normal where nobody has looked."""
        counts = Counter(labels[0] for labels in targets)
        total = counts.total()
        odd = counts[ANOMALY] / total if total else 0.0
        label = ANOMALY if odd > 0.5 else NORMAL
        return Answer((label,), max(odd, 1.0 - odd), False, {ANOMALY: odd, NORMAL: 1.0 - odd})

    def outcomes(self, truth: Sequence[Sequence[str]], answers: Sequence[Answer]) -> LabelOutcomes:
        """Truth and answers as arrays, anomalies first."""
        said = np.array([answer.labels == (ANOMALY,) for answer in answers], bool)
        true = np.array([tuple(labels) == (ANOMALY,) for labels in truth], bool)
        scores = np.array([answer.scores.get(ANOMALY, 0.0) for answer in answers], np.float64)
        return LabelOutcomes(
            (ANOMALY, NORMAL),
            np.stack([true, ~true], axis=1),
            np.stack([said, ~said], axis=1),
            np.stack([scores, 1.0 - scores], axis=1),
            False,
        )

    def output(self, answer: Answer) -> dict[str, object]:
        """As of any label, and ``score``: that of ``anomaly``, whatever the answer."""
        return {**super().output(answer), "score": answer.scores.get(ANOMALY, 0.0)}
