"""Intervals of very many examples, from a sample of their units.

A draw costs time by examples and by sums, and an order (ROC AUC) has hundreds of sums. The error of
a figure shrinks with the square root of the units, so a sample tells what all of them would have
(the m out of n bootstrap, Bickel, Götze and van Zwet 1997). Figures themselves are of all examples.

Shape suffixes: N examples, M of them, K sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from volano.core.nouns import Estimate
from volano.tasks.resampling import estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.tasks.outcomes import Outcomes
    from volano.tasks.resampling import Draws
    from volano.tasks.scoring import Metric

__all__ = ["Thinned", "interval_of", "num_sums"]

_CELLS = 20_000_000  # examples times sums that are drawn from
_DRAWING = 100  # drawing an example takes as long as adding so many sums


class Thinned(NamedTuple):
    """The examples that are drawn from.

    Attributes:
        row_M: their places; all of them where they are not too many.
        draws: how to draw these again.
        shrink: how much smaller the error of all examples is than that of these.
    """

    row_M: NDArray[np.int64]
    draws: Draws
    shrink: float

    @classmethod
    def of(cls, draws: Draws, sums: int) -> Self:
        """Of examples that add to so many sums each; whole units are taken."""
        num, units = draws.unit_N.size, draws.num_units
        most = _CELLS // (sums + _DRAWING)
        if num <= most:
            return cls(np.arange(num), draws, 1.0)
        kept = max(2, int(units * most / num))
        chosen = np.random.default_rng([draws.seed, 7]).permutation(units)[:kept]
        is_kept_U = np.zeros(units, np.bool_)
        is_kept_U[chosen] = True
        row_M = np.flatnonzero(is_kept_U[draws.unit_N])
        return cls(row_M, draws.at(row_M), float(np.sqrt(kept / units)))


def num_sums(metric: Metric, outcomes: Outcomes) -> int:
    """How many sums a metric has of such outcomes."""
    return int(metric.parts(outcomes.at(slice(0, 1))).shape[1])


def interval_of(metric: Metric, outcomes: Outcomes, draws: Draws) -> Estimate:
    """A metric on all examples, with its 95 % interval."""
    value = metric.of(outcomes)
    thinned = Thinned.of(draws, num_sums(metric, outcomes))
    part = outcomes if thinned.shrink == 1.0 else outcomes.at(thinned.row_M)
    found = estimate(metric.parts(part), metric.combine, thinned.draws, value)
    if thinned.shrink == 1.0:
        low, high = found.low, found.high
    else:
        low, high = (value + (end - value) * thinned.shrink for end in (found.low, found.high))
    if metric.exact is not None:  # an order is a share: its draws were moved, and may pass the ends
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(value, low, high)
