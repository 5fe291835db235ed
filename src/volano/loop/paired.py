"""A paired comparison: both models on the same units, drawn again together.

The interval is that of the difference, so what is hard for both models cancels out. Bootstrap
intervals are too narrow for few units or few differences (Cameron, Gelbach and Miller 2008,
"Bootstrap-Based Improvements for Inference with Clustered Errors"). So both models' answers are
also swapped unit by unit (approximate randomisation, Noreen 1989), which is exact for any metric;
where a swap by chance does as well too often, the interval is widened to reach zero.

What is no sum over examples (ROC AUC) is drawn in bins: the gain is the exact one, and draws are
moved by what the bins are off; the chance of luck compares bins with bins. Of very many examples
some are drawn from (``volano.evals.thinning``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from volano.core.nouns import Estimate
from volano.evals.thinning import Thinned, num_sums
from volano.tasks.resampling import interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.tasks.outcomes import Outcomes
    from volano.tasks.resampling import Draws
    from volano.tasks.scoring import Floats, Metric

__all__ = ["Comparison", "compare", "labels_needed"]

_SAME = 1e-12


@dataclass(frozen=True)
class Comparison:
    """How much better the candidate is; a gain is positive when better, whatever the metric.

    Attributes:
        candidate: the candidate's figure.
        champion: the champion's figure.
        gain: of the candidate over the champion, with its interval.
        floor: low end of the gain at the level that a promotion needs.
        error: standard error of the gain.
        luck: the chance of so much gain if each unit's answers were swapped by a coin.
        num_examples: examples compared.
        num_units: units drawn.
    """

    candidate: float
    champion: float
    gain: Estimate
    floor: float
    error: float
    luck: float
    num_examples: int
    num_units: int

    @property
    def is_better(self) -> bool:
        """Whether the gain is real."""
        return self.floor > 0

    @property
    def is_worse(self) -> bool:
        """Whether the loss is real."""
        return self.gain.high < 0


def compare(
    metric: Metric,
    candidate: Outcomes,
    champion: Outcomes,
    draws: Draws,
    *,
    level: float = 0.95,
    tail: float | None = None,
) -> Comparison:
    """Compare two models on the same examples.

    Args:
        metric: what is compared.
        candidate: outcomes of the candidate.
        champion: outcomes of the champion, on the same examples and labels.
        draws: units, number of draws and seed.
        level: of the interval.
        tail: chance of luck that a promotion may have; half of what ``level`` leaves out if None.
    """
    sign = 1.0 if metric.better == "higher" else -1.0
    thinned = Thinned.of(draws, 2 * num_sums(metric, candidate))
    both = [
        one if thinned.shrink == 1.0 else one.at(thinned.row_M) for one in (candidate, champion)
    ]
    sums_UK = thinned.draws.by_unit(np.concatenate([metric.parts(one) for one in both], axis=1))

    def gains(sums: Floats) -> Floats:
        first, second = np.split(sums, 2, axis=-1)
        return sign * (metric.combine(first) - metric.combine(second))

    ours, theirs = metric.of(candidate), metric.of(champion)
    summed = float(gains(sums_UK.sum(axis=0)))
    values_B, gain = gains(thinned.draws.sums_of_units(sums_UK)), summed
    if metric.exact is not None or thinned.shrink < 1.0:
        gain = sign * (ours - theirs)
        values_B = gain + (values_B - summed) * thinned.shrink
    values_B = values_B[np.isfinite(values_B)]
    error = float(values_B.std()) if values_B.size else math.inf
    # What bins are off is no luck: where nothing was left out, binned gains are compared.
    found = summed if thinned.shrink == 1.0 else gain / thinned.shrink
    luck = _luck(gains, sums_UK, found, thinned.draws)
    low, high = interval(values_B, draws.num_units, level)
    half = (1 - level) / 2
    low = min(low, gain, 0.0 if luck > half else low)
    high = max(high, gain, 0.0 if 1 - luck > half else high)
    floor = low
    if tail is not None and tail < half:
        # The last few of the draws say little about a tail this thin: the normal must agree.
        thin = interval(values_B, draws.num_units, 1 - 2 * tail)[0]
        normal = gain + float(special.ndtri(tail)) * error
        floor = min(low, thin, normal, 0.0 if luck > tail else low)
    return Comparison(
        candidate=ours,
        champion=theirs,
        gain=Estimate(gain, low, high),
        floor=floor,
        error=error,
        luck=luck,
        num_examples=len(candidate),
        num_units=draws.num_units,
    )


def _luck(gains: Callable[[Floats], Floats], sums_UK: Floats, gain: float, draws: Draws) -> float:
    """Chance of a gain as large when each unit's answers are swapped by a coin (ties half)."""
    ours_UK, theirs_UK = np.split(sums_UK, 2, axis=1)
    is_different_U = (ours_UK != theirs_UK).any(axis=1)
    change_UK = (theirs_UK - ours_UK)[is_different_U]
    moved_BK = draws.halves(change_UK)
    swapped_BK = np.concatenate([ours_UK.sum(0) + moved_BK, theirs_UK.sum(0) - moved_BK], axis=1)
    values_B = gains(swapped_BK)
    larger, same = values_B > gain + _SAME, np.abs(values_B - gain) <= _SAME
    return float(larger.mean() + same.mean() / 2)


def labels_needed(
    error: float, num_examples: int, margin: float, *, level: float = 0.95, power: float = 0.8
) -> int:
    """How many more examples would show a gain of ``margin`` to be above zero.

    The error of a paired gain shrinks with the square root of the examples, so n examples with
    standard error ``error`` tell what any other number would have.

    Args:
        error: standard error of the paired gain now.
        num_examples: examples now.
        margin: the gain to detect.
        level: of the two-sided interval that must lie above zero.
        power: how often it must.

    >>> labels_needed(0.02, 500, 0.01)
    15198
    """
    reach = float(special.ndtri(1 - (1 - level) / 2) + special.ndtri(power))
    total = num_examples * (reach * error / margin) ** 2
    return max(0, math.ceil(total) - num_examples)
