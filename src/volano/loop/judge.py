"""The judge: PROMOTE, HOLD or REJECT, from a paired comparison on the same frozen examples.

REJECT: a limit is broken, a slice is clearly worse, or the whole is. PROMOTE: the interval of the
gain lies above zero and the gain is worth its margin. HOLD: everything between, with the number of
labels that would tell. Without a champion, the candidate must beat guessing. Of a task without
truth nothing is proven: there the checks decide alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.errors import DataError, StoreError
from volano.core.nouns import Decision, Verdict
from volano.core.seeds import derive_seed
from volano.loop import reasons
from volano.loop.gate import GateConfig, History, fairness_limits, gate_metric
from volano.loop.label_changes import compare_labels, unlearned
from volano.loop.limits import check_fairness, check_limits
from volano.loop.paired import Comparison, compare, labels_needed
from volano.loop.reasons import Reason, few, figure, percent
from volano.loop.scored import Scored, commonest, guessing, scored_pair
from volano.loop.slice_tests import SliceResult, compare_slices, nearly_all
from volano.tasks.resampling import Draws

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Answer
    from volano.loop.limits import Fairness
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Metric
    from volano.tasks.task import Task

__all__ = ["GateConfig", "History", "Scored", "commonest", "judge", "labels_needed", "scored_pair"]

_POWER = 0.8
_SLICES_SAID = 3
_EXACT = 1e-12  # 0.92 - 0.91 is a gain of 0.01


@dataclass(frozen=True)
class _Bench:
    """What every rule below looks at.

    Attributes:
        config: the gate.
        metric: what decides.
        draws: how the examples are drawn again.
        history: earlier verdicts on them.
        size: what guessing is off, where the metric is the error of a number; it is measured in
            units of the target, and a margin is a share of it. None where it has no such units.
    """

    config: GateConfig
    metric: Metric
    draws: Draws
    history: History
    size: float | None = None

    @property
    def margin(self) -> float:
        """The smallest gain worth having, in units of the metric."""
        return self.config.margin * (1.0 if self.size is None else self.size)

    def written(self, value: float, *, is_signed: bool = False) -> str:
        """A figure of the metric, or a difference of two."""
        return figure(value, self.size, is_signed=is_signed)

    def compare(self, candidate: Outcomes, champion: Outcomes) -> Comparison:
        return compare(
            self.metric,
            candidate,
            champion,
            self.draws,
            level=self.config.level,
            tail=self.history.tail(self.config),
        )

    def compare_rows(
        self, candidate: Scored, champion: Scored, rows_N: NDArray[np.bool_]
    ) -> Comparison:
        """The same on some of the examples."""
        units = np.unique(self.draws.unit_N[rows_N], return_inverse=True)[1].astype(np.int64)
        draws = Draws(units, self.draws.num, self.draws.seed)
        part = replace(self, draws=draws)
        return part.compare(candidate.outcomes.at(rows_N), champion.outcomes.at(rows_N))


@dataclass(frozen=True)
class _Ruling:
    """What the comparison alone says."""

    decision: Decision
    because: tuple[Reason, ...]
    comparison: Comparison | None
    needed: int | None = None
    checks: dict[str, Any] = field(default_factory=dict)


def judge(
    config: GateConfig,
    task: Task,
    candidate: Scored,
    champion: Scored | None,
    history: History = History(),  # noqa: B008  frozen
    *,
    seed: int = 0,
) -> Verdict:
    """Say whether the candidate takes over, and why.

    Args:
        config: the gate.
        task: names the metric.
        candidate: results of the new model.
        champion: the serving model on the same examples (``scored_pair``); None for the first.
        history: earlier verdicts on these examples.
        seed: of the draws.

    Raises:
        ConfigError: a limit on fairness is not about such answers.
        DataError: there is nothing to judge on.
        StoreError: the two were scored on different examples.
    """
    metric, gaps = gate_metric(config, task), fairness_limits(config, task)
    limits, broken = check_limits(config, candidate)
    if not candidate.ids:
        if task.needs_target:
            raise DataError(
                "there are no test examples to judge on", fix="label more rows, or give a test file"
            )
        decision, said = _unproven(limits, broken, gaps)
        return _verdict(decision, said, candidate, champion, {"limits": limits, "proven": False})
    if champion is not None:
        _refuse_strangers(candidate, champion)
    draws = Draws(candidate.unit_N, config.resamples, derive_seed(seed, "judge"))
    bench = _Bench(config, metric, draws, history, _size(task, metric, candidate))
    ruling = _ruling(bench, candidate, champion)
    fairness = check_fairness(gaps, candidate, champion, draws)
    decision = _decision(ruling, broken, fairness)
    said = (
        *broken, *fairness.broken, *ruling.because, *fairness.doubtful, *fairness.notes,
        *_too_few(bench, ruling), *_reuse(bench, ruling),
    )  # fmt: skip
    checks = {
        **_figures(bench, ruling),
        **ruling.checks,
        "limits": limits,
        **({"fairness": list(fairness.checks)} if gaps else {}),
    }
    verdict = _verdict(decision, said, candidate, champion, checks)
    return replace(
        verdict,
        metric=metric.name,
        effect=ruling.comparison.gain if ruling.comparison else None,
        labels_needed=ruling.needed if decision == "HOLD" else None,
    )


def _decision(ruling: _Ruling, broken: Sequence[Reason], fairness: Fairness) -> Decision:
    """A limit is stronger than any gain; where it is not shown to hold, the candidate waits."""
    if broken or fairness.broken:
        return "REJECT"
    return "HOLD" if fairness.doubtful and ruling.decision == "PROMOTE" else ruling.decision


def _verdict(
    decision: Decision,
    said: Sequence[Reason],
    candidate: Scored,
    champion: Scored | None,
    checks: Mapping[str, Any],
) -> Verdict:
    return Verdict(
        decision,
        tuple(map(str, said)),
        candidate=candidate.name,
        champion=champion.name if champion else "",
        checks={
            **checks,
            "learner": {"name": candidate.learner, "is_baseline": candidate.is_baseline},
            "reasons": [reason.to_dict() for reason in said],
        },
    )


def _unproven(
    limits: Mapping[str, Mapping[str, Any]], broken: Sequence[Reason], gaps: Mapping[str, float]
) -> tuple[Decision, tuple[Reason, ...]]:
    """Without truth: the checks alone; nothing that was not checked is promoted."""
    if broken:
        return "REJECT", tuple(broken)
    if gaps:
        limit = ", ".join(f"{limit:g}" for limit in gaps.values())
        return "HOLD", (Reason(reasons.UNMEASURED, {"figure": "fairness", "limit": limit}),)
    if not limits:
        return "HOLD", (Reason(reasons.UNCHECKED, {}),)
    return "PROMOTE", (Reason(reasons.UNPROVEN, {"checks": ", ".join(limits)}),)


def _size(task: Task, metric: Metric, candidate: Scored) -> float | None:
    """What guessing is off, of metrics in units of a number."""
    if task.answers != "number" or metric.better == "higher" or candidate.guess is None:
        return None
    return metric.of(guessing(candidate.guess, candidate.outcomes))


def _ruling(bench: _Bench, candidate: Scored, champion: Scored | None) -> _Ruling:
    if not math.isfinite(bench.metric.of(candidate.outcomes)):
        values = {"metric": bench.metric.name, "num": str(len(candidate.ids))}
        return _Ruling("HOLD", (Reason(reasons.NO_VALUE, values),), None)
    if champion is None:
        return _against_guess(bench, candidate)
    return _against_champion(bench, candidate, champion)


def _refuse_strangers(candidate: Scored, champion: Scored) -> None:
    same_labels = candidate.outcomes.labels == champion.outcomes.labels
    if candidate.ids != champion.ids or not same_labels:
        raise StoreError(
            "candidate and champion were not scored on the same examples and labels",
            where=champion.name,
            fix="score the champion again on today's test set: volano turn",
        )


def _against_champion(bench: _Bench, candidate: Scored, champion: Scored) -> _Ruling:
    ours, theirs = candidate.outcomes, champion.outcomes
    found = bench.compare(ours, theirs)
    slices = compare_slices(bench.config, candidate, champion, bench.draws.seed)
    worse = [result for result in slices if result.is_worse]
    notes, shared = compare_labels(candidate, champion, bench.compare_rows)
    checks = {
        "slices": [result.to_dict() for result in slices],
        "slices_left_out": nearly_all(bench.config, candidate),
        "labels": shared,
    }
    needed: int | None = None
    decision: Decision = "HOLD"
    if worse or found.is_worse:
        decision, because = "REJECT", _losses(bench, found, worse, len(slices))
    elif found.gain.value == 0 and _never_differ(bench.metric, ours, theirs):
        because = [_no_difference(bench, found, ours, theirs)]
    elif not found.is_better:
        because, needed = _undecided(bench, found)
    elif found.gain.value < bench.margin - _EXACT:
        because = [_said(reasons.UNDER_MARGIN, bench, found)]
    else:
        decision, because = "PROMOTE", [_said(reasons.GAIN, bench, found)]
    return _Ruling(decision, (*because, *notes), found, needed, checks)


def _losses(
    bench: _Bench, found: Comparison, worse: Sequence[SliceResult], looked: int
) -> list[Reason]:
    whole = reasons.WORSE if found.is_worse else reasons.GAIN
    slices = [_slice_reason(result, looked) for result in worse[:_SLICES_SAID]]
    if len(worse) > _SLICES_SAID:
        more = str(len(worse) - _SLICES_SAID)
        slices.append(Reason(reasons.MORE_SLICES, {"count": more}))
    return [*slices, _said(whole, bench, found)]


def _slice_reason(result: SliceResult, looked: int) -> Reason:
    values = {
        "field": result.field,
        "value": repr(result.value),
        "candidate": f"{result.candidate:.3f}",
        "champion": f"{result.champion:.3f}",
        "num": str(result.num_examples),
        "p": f"{result.p_corrected:.2g}",
        "looked": str(looked),
    }
    return Reason(reasons.SLICE, values)


def _never_differ(metric: Metric, ours: Outcomes, theirs: Outcomes) -> bool:
    return np.array_equal(metric.parts(ours), metric.parts(theirs))


def _no_difference(bench: _Bench, found: Comparison, ours: Outcomes, theirs: Outcomes) -> Reason:
    count = int(ours.differs_N(theirs).sum())
    if count == 0:
        return Reason(reasons.ALIKE, {"num": str(found.num_examples)})
    return _said(reasons.SAME_FIGURE, bench, found, count=str(count))


def _undecided(bench: _Bench, found: Comparison) -> tuple[list[Reason], int | None]:
    config, margin = bench.config, bench.margin
    because = [_said(reasons.UNDECIDED, bench, found)]
    if found.gain.low > 0 and found.floor <= 0:
        because.append(_must_be_surer(bench, found))
    if margin == 0:
        return [*because, Reason(reasons.NO_MARGIN, {})], None
    if found.gain.high < margin:
        return [*because, _said(reasons.BEST_CASE, bench, found)], None
    level = 1 - 2 * bench.history.tail(config)
    more = labels_needed(found.error, found.num_examples, margin, level=level, power=_POWER)
    text = reasons.NEEDED if more else reasons.ENOUGH
    return [*because, _said(text, bench, found, more=str(_round(more)))], more


def _round(count: int) -> int:
    """Two figures: the number is known to a few tenths of itself."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def _must_be_surer(bench: _Bench, found: Comparison) -> Reason:
    values = {
        "verdicts": str(bench.history.looks),
        "level": percent(1 - 2 * bench.history.tail(bench.config)),
        "floor": bench.written(found.floor, is_signed=True),
        "budget": str(bench.config.reuse_budget),
    }
    return Reason(reasons.MUST_BE_SURER, values)


def _against_guess(bench: _Bench, candidate: Scored) -> _Ruling:
    if candidate.guess is None:
        raise ValueError("the first model is compared with guessing: Scored.guess is missing")
    found = bench.compare(candidate.outcomes, guessing(candidate.guess, candidate.outcomes))
    is_better = found.is_better
    text = reasons.FIRST if is_better else reasons.GUESS
    decision: Decision = "PROMOTE" if is_better else "REJECT"
    because = _said(text, bench, found, label=_told(candidate.guess))
    guess: dict[str, Any] = {"labels": list(candidate.guess.labels)}
    if candidate.guess.value is not None:
        guess = {"value": candidate.guess.value}
    checks = {"guess": {**guess, bench.metric.name: found.champion}}
    return _Ruling(decision, (because, *unlearned(candidate)), found, checks=checks)


def _told(guess: Answer) -> str:
    """The guess as a sentence quotes it."""
    return few(guess.labels) if guess.value is None else figure(guess.value, guess.value)


def _too_few(bench: _Bench, ruling: _Ruling) -> list[Reason]:
    """Said where not even a candidate that is right on all of them could be told from luck.

    Swapped by coins, the best of n units comes up once in 2^n, and half of that counts.
    """
    tail = bench.history.tail(bench.config)
    least = math.ceil(-math.log2(tail)) - 1
    units = ruling.comparison.num_units if ruling.comparison else least
    if units >= least:
        return []
    values = {"num": str(units), "least": str(least), "level": percent(1 - 2 * tail)}
    return [Reason(reasons.TOO_FEW, values)]


def _reuse(bench: _Bench, ruling: _Ruling) -> list[Reason]:
    """How worn the test set is, said once its budget is used up."""
    if bench.history.looks < bench.config.reuse_budget:
        return []
    values = {
        "num": str(bench.draws.unit_N.size),
        "verdicts": str(bench.history.looks),
        "luck": percent(bench.history.luck(bench.config)),
    }
    return [Reason(reasons.REUSED, values)]


def _said(text: str, bench: _Bench, found: Comparison, **more: str) -> Reason:
    values = {
        "metric": bench.metric.name,
        "candidate": bench.written(found.candidate),
        "champion": bench.written(found.champion),
        "gain": bench.written(found.gain.value, is_signed=True),
        "low": bench.written(found.gain.low, is_signed=True),
        "high": bench.written(found.gain.high, is_signed=True),
        "level": percent(bench.config.level),
        "num": str(found.num_examples),
        "margin": f"{bench.margin:g}" if bench.size is None else bench.written(bench.margin),
        "power": percent(_POWER),
    }
    return Reason(text, values | more)


def _figures(bench: _Bench, ruling: _Ruling) -> dict[str, Any]:
    history, config, found = bench.history, bench.config, ruling.comparison
    figures: dict[str, Any] = {}
    if found is not None:
        figures = {
            bench.metric.name: {"candidate": found.candidate, "champion": found.champion},
            "standard_error": found.error,
            "luck": found.luck,
        }
    return {
        **figures,
        "level": config.level,
        "margin": bench.margin,
        "num_examples": bench.draws.unit_N.size,
        "num_units": bench.draws.num_units,
        "reuse": {
            "verdicts": history.looks,
            "budget": config.reuse_budget,
            "tail": history.tail(config),
            "luck": history.luck(config),
        },
    }
