"""Choose among trained models by what held-out rows show; the cheaper where nothing is proven."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.nouns import Estimate
from volano.core.seeds import derive_seed
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.resampling import Draws, interval
from volano.tasks.scoring import LabelOutcomes
from volano.train.held_out import Marked, read_held_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Model
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Metric

__all__ = ["Choice", "choose", "why_stop"]

_DRAWS = 1000
_MOST_CELLS = 20_000_000  # sums of one model that are held at once: 160 MB
_TELLS = "finetune"  # what it gains says what encoders can gain here


@dataclass(frozen=True)
class Choice:
    """What was chosen among which.

    Attributes:
        candidate: hash of the model that was chosen.
        baseline: hash of the cheapest learner's model.
        figures: each learner's figure on the rows that none had seen.
        gains: of a dearer learner over the best cheaper one.
        why: all this in a sentence.
    """

    candidate: str
    baseline: str
    figures: dict[str, float]
    gains: dict[str, Estimate]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def choose(
    natives: Sequence[Model],
    metric: Metric,
    named: str = "auto",
    left: Mapping[str, str] = MappingProxyType({}),
    start: str = "",
) -> Choice:
    """The best of ``natives`` (cheapest first) on rows that no answering model had seen.

    A dearer model must beat the best cheaper one with an interval that excludes zero, on the rows
    that neither had seen. A learner that the project names is taken as it is. ``left`` says of
    learners that were planned and not tried why they were not. ``start`` is taken
    where held-out rows prove no other better, or there is no truth at all; empty is the cheapest.
    """
    marked = {native.learner: read_held_out(native.folder) for native in natives}
    common_N = reduce(np.intersect1d, [found.row_N for found in marked.values()])
    by_name = {native.learner: native for native in natives}
    baseline = natives[0].learner
    first = start if start in by_name else baseline
    held = {name: found.at(common_N).outcomes for name, found in marked.items()}
    figures = {name: metric.of(found) for name, found in held.items()} if len(common_N) else {}
    if start and not (figures and all(map(math.isfinite, figures.values()))):
        best = first if named == "auto" else named
        why = f"no held-out truth tells learners apart. Chosen, unproven: {best}."
        return Choice(by_name[best].hash, by_name[baseline].hash, {}, {}, why)
    best, gains = _climb(marked, metric, first)
    reasons = [f"{first} {figures[first]:.3f}"]
    for name, (gain, is_taken) in gains.items():
        told = f"{name} {figures[name]:.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        reasons.append(told + (", taken" if is_taken else ""))
    why = f"held-out {metric.name}: " + "; ".join(reasons) + f". Chosen: {best}."
    why += "".join(f" Not tried: {name}, {because}." for name, because in left.items())
    if named != "auto":
        best, why = named, f"train.learner is {named}"
    told_gains = {name: gain for name, (gain, _) in gains.items()}
    return Choice(by_name[best].hash, by_name[baseline].hash, figures, told_gains, why)


def why_stop(natives: Sequence[Model], metric: Metric, held_H: NDArray[np.int64]) -> str:
    """Why no learner dearer than ``natives`` (cheapest first) is tried; empty where one is.

    Where even a faultless model could not be proven better, training one is wasted. And where
    fine-tuning is not proven better than all that is cheaper, dearer ways to use the same encoder
    are not tried. What a frozen encoder gains tells nothing of what it gains once it is trained.

    Args:
        natives: what was trained.
        metric: the project's.
        held_H: places of the rows that encoders are held out on; empty where that is all rows.
    """
    marked = {native.learner: read_held_out(native.folder) for native in natives}
    best, gains = _climb(marked, metric)
    if _TELLS in marked and list(marked).index(best) < list(marked).index(_TELLS):
        gain = gains[_TELLS][0]
        return f"as {_TELLS} is not proven better than {best} ({gain.low:+.3f} to {gain.high:+.3f})"
    held_out = marked[best].at(held_H if len(held_H) else marked[best].row_N)
    perfect = replace(held_out, outcomes=_faultless(held_out.outcomes))
    if _gain(held_out, perfect, metric).low > 0:
        return ""
    return (
        f"as even a faultless one could not be proven better than {best} on "
        f"{len(held_out.outcomes)} held-out rows"
    )


def _faultless(found: Outcomes) -> Outcomes:
    """What a model would answer that knew the truth."""
    if isinstance(found, NumberOutcomes):
        return replace(found, value_N=found.truth_N, low_N=found.truth_N, high_N=found.truth_N)
    assert isinstance(found, LabelOutcomes)
    truth = found.truth_NC
    return replace(found, decided_NC=truth, scores_NC=truth.astype(np.float64))


def _climb(
    marked: Mapping[str, Marked], metric: Metric, start: str = ""
) -> tuple[str, dict[str, tuple[Estimate, bool]]]:
    """The best, and each dearer one's gain over the best before it and whether it is taken."""
    best = start or next(iter(marked))
    dearer = [name for name in marked if name != best]
    gains: dict[str, tuple[Estimate, bool]] = {}
    for name in dearer:
        gain = _gain(marked[best], marked[name], metric)
        gains[name] = gain, gain.low > 0
        if gain.low > 0:
            best = name
    return best, gains


def _gain(cheaper: Marked, dearer: Marked, metric: Metric) -> Estimate:
    cheaper, dearer = cheaper.at(dearer.row_N), dearer.at(cheaper.row_N)
    sign = 1.0 if metric.better == "higher" else -1.0
    value = sign * (metric.of(dearer.outcomes) - metric.of(cheaper.outcomes))
    cheaper, dearer = _drawable(cheaper, metric), _drawable(dearer, metric)
    units = np.unique(cheaper.unit_N, return_inverse=True)[1]
    draws = Draws(units, _DRAWS, derive_seed(0, "choose"))
    parts = [metric.parts(found.outcomes) for found in (dearer, cheaper)]
    # Side by side, so that both are drawn alike.
    sums = np.split(draws.sums(np.concatenate(parts, axis=1)), 2, axis=1)
    better, worse = (metric.combine(found) for found in sums)
    # Sums only come close to some figures: the draws are moved by as much as they are off.
    middle = [metric.combine(part.sum(axis=0)) for part in parts]
    off = value - sign * float(middle[0] - middle[1])
    low, high = interval(sign * (better - worse) + off, draws.num_units)
    return Estimate(value, low, high)


def _drawable(marked: Marked, metric: Metric) -> Marked:
    """As many rows, spread evenly, as can be drawn a thousand times within some hundred MB."""
    num = len(marked.row_N)
    if num == 0:
        return marked
    most = _MOST_CELLS // max(1, metric.parts(marked.outcomes.at(slice(0, 1))).shape[1])
    if num <= most:
        return marked
    kept = np.unique(np.linspace(0, num - 1, most).astype(np.int64))
    return Marked(marked.outcomes.at(kept), marked.unit_N[kept], marked.row_N[kept])
