"""Choose among trained models by what held-out rows show; the cheaper where nothing is proven."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.nouns import Estimate
from volano.core.seeds import derive_seed
from volano.tasks.resampling import Draws, interval
from volano.train.held_out import read_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.nouns import Model
    from volano.tasks.scoring import Metric
    from volano.train.held_out import Marked

__all__ = ["Choice", "choose"]

_DRAWS = 1000


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


def choose(natives: Sequence[Model], metric: Metric, named: str = "auto") -> Choice:
    """The best of ``natives`` (cheapest first) on rows that no answering model had seen.

    A dearer model must beat the best cheaper one with an interval that excludes zero, on the rows
    that neither had seen. A learner that the project names is taken as it is.
    """
    marked = {native.learner: read_held_out(native.folder) for native in natives}
    common_N = reduce(np.intersect1d, [found.row_N for found in marked.values()])
    figures = {name: metric.of(found.at(common_N).outcomes) for name, found in marked.items()}
    by_name = {native.learner: native for native in natives}
    baseline = natives[0]
    gains: dict[str, Estimate] = {}
    best, reasons = baseline.learner, [f"{baseline.learner} {figures[baseline.learner]:.3f}"]
    for native in natives[1:]:
        name = native.learner
        gain = gains[name] = _gain(marked[best], marked[name], metric)
        told = f"{name} {figures[name]:.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        if gain.low > 0:
            best = name
            told += ", taken"
        reasons.append(told)
    why = f"held-out {metric.name}: " + "; ".join(reasons) + f". Chosen: {best}."
    if named != "auto":
        best, why = named, f"train.learner is {named}"
    return Choice(by_name[best].hash, baseline.hash, figures, gains, why)


def _gain(cheaper: Marked, dearer: Marked, metric: Metric) -> Estimate:
    cheaper, dearer = cheaper.at(dearer.row_N), dearer.at(cheaper.row_N)
    units = np.unique(cheaper.unit_N, return_inverse=True)[1]
    draws = Draws(units, _DRAWS, derive_seed(0, "choose"))
    parts = [metric.parts(found.outcomes) for found in (dearer, cheaper)]
    # Side by side, so that both are drawn alike.
    sums = np.split(draws.sums(np.concatenate(parts, axis=1)), 2, axis=1)
    better, worse = (metric.combine(found) for found in sums)
    sign = 1.0 if metric.better == "higher" else -1.0
    value = sign * (metric.of(dearer.outcomes) - metric.of(cheaper.outcomes))
    return Estimate(value, *interval(sign * (better - worse), draws.num_units))
