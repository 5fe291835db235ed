"""Choose among trained models by what held-out rows show; the cheaper where nothing is proven."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.seeds import derive_seed
from volano.tasks.resampling import Draws, interval
from volano.train.held_out import read_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.nouns import Model
    from volano.tasks.scoring import LabelOutcomes, Metric

__all__ = ["Choice", "choose"]

_DRAWS = 1000


@dataclass(frozen=True)
class Choice:
    """The hashes of candidate and baseline, each learner's held-out figure, and why."""

    candidate: str
    baseline: str
    figures: dict[str, float]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def choose(natives: Sequence[Model], metric: Metric, named: str = "auto") -> Choice:
    """The best of ``natives`` (cheapest first) on rows that no answering model had seen.

    A dearer model must beat the best cheaper one with an interval that excludes zero; both answer
    the same rows. A learner that the project names is taken as it is.
    """
    outcomes = {native.learner: read_held_out(native.folder) for native in natives}
    figures = {name: metric.of(found) for name, found in outcomes.items()}
    by_name = {native.learner: native for native in natives}
    baseline = natives[0]
    if named != "auto":
        return Choice(by_name[named].hash, baseline.hash, figures, f"train.learner is {named}")
    best, reasons = baseline.learner, [f"{baseline.learner} {figures[baseline.learner]:.3f}"]
    for native in natives[1:]:
        low, high = _gain(outcomes[best], outcomes[native.learner], metric)
        told = f"{native.learner} {figures[native.learner]:.3f} ({low:+.3f} to {high:+.3f})"
        if low > 0:
            best = native.learner
            told += ", taken"
        reasons.append(told)
    why = f"held-out {metric.name}: " + "; ".join(reasons) + f". Chosen: {best}."
    return Choice(by_name[best].hash, baseline.hash, figures, why)


def _gain(cheaper: LabelOutcomes, dearer: LabelOutcomes, metric: Metric) -> tuple[float, float]:
    draws = Draws(np.arange(len(cheaper.truth_NC)), _DRAWS, derive_seed(0, "choose"))
    sums = [metric.combine(draws.sums(metric.parts(found))) for found in (dearer, cheaper)]
    gain = sums[0] - sums[1] if metric.better == "higher" else sums[1] - sums[0]
    return interval(gain, draws.num_units)
