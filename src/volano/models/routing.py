"""Which answers need no person: those from a confidence on at which answers are right often enough.

Selective prediction (Geifman and El-Yaniv 2017, arXiv:1705.08500). The bundle carries a curve of
how right held-out answers were from each confidence on; a target of the project makes a threshold
of it, so another target needs no other model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LEVEL",
    "Curve",
    "Found",
    "Target",
    "explained",
    "sureness",
]

Floats = NDArray[np.float64]
Target = float | Literal["off"]

LEVEL = 0.95  # how sure it is that precision keeps the target
_POINTS = 256
_FEWEST = 64  # a sequence of tests does not begin below so many answers
_MOST_STARTS = 8
_ARRAY = "calibration.curve"


def sureness(scores_NC: Floats, decided_NC: NDArray[np.bool_], *, is_multiple: bool) -> Floats:
    """How sure each answer is as a whole, shape (N,).

    One label: its probability; where costs decide, that need not be the greatest. Several: the
    probability that all of them and no other are right, were labels independent; only its order
    matters.
    """
    if not is_multiple:
        answered: Floats = np.where(decided_NC, scores_NC, 0.0).max(axis=1)
        return answered
    whole: Floats = np.where(decided_NC, scores_NC, 1.0 - scores_NC).prod(axis=1)
    return whole


@dataclass(frozen=True)
class Found:
    """Where answers are given alone, and what held-out answers showed there.

    Attributes:
        threshold: an answer this sure or surer is given alone.
        share: of all answers; those that say "none of these" are never given alone.
        num: held-out answers from there on.
        precision: share of these that were right.
        low: what precision is at least, at the level of the test.
        high: what it is at most.
    """

    threshold: float
    share: float
    num: int
    precision: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """As JSON can carry it."""
        return dict(vars(self))


@dataclass(frozen=True)
class Curve:
    """Answers from each threshold on; K thresholds, the highest first.

    Attributes:
        threshold_K: from here on.
        num_K: answers that are as sure or surer.
        right_K: how many of these were right.
        effective_K: as how many independent answers they count; rows of one person err together.
        total: all answers, also those that no threshold lets through.
    """

    threshold_K: Floats
    num_K: Floats
    right_K: Floats
    effective_K: Floats
    total: int

    @classmethod
    def of(
        cls,
        sure_N: Floats,
        right_N: NDArray[np.bool_],
        unit_N: NDArray[np.int64],
        may_N: NDArray[np.bool_] | None = None,
        points: int = _POINTS,
    ) -> Self:
        """From answers: how sure, whether right, of which unit, and whether it may go alone.

        Of more than ``points`` thresholds as many are kept, spread evenly over the answers.
        """
        kept = np.arange(sure_N.size) if may_N is None else np.flatnonzero(may_N)
        order = kept[np.argsort(-sure_N[kept], kind="stable")]
        sure, right, unit = sure_N[order], right_N[order], unit_N[order]
        # Answers that are equally sure go together: no threshold parts them.
        ends = np.flatnonzero(np.append(sure[:-1] > sure[1:], True)[: sure.size])
        wanted = np.linspace(0, sure.size - 1, min(points, sure.size))
        at = ends[np.unique(np.searchsorted(ends, wanted))] if ends.size else ends
        num = np.arange(1, sure.size + 1, dtype=np.float64)
        sums = np.cumsum(right), *_unit_sums(right, unit)
        right_K, *of_units = (part[at].astype(np.float64) for part in sums)
        effective_K = _effective(num[at], right_K, *of_units)
        return cls(sure[at], num[at], right_K, effective_K, int(sure_N.size))

    def find(self, target: float) -> Found | None:
        """The lowest threshold from which precision is shown to be at least ``target``.

        Fixed-sequence testing (Learn then Test, Angelopoulos et al. 2021, arXiv:2110.01052): from
        the surest half, quarter, eighth and so on, thresholds are lowered as long as the test holds
        (Clopper and Pearson 1934, on effective numbers as in Korn and Graubard 1998). Starts share
        the 5 %, so that the chance that precision is below the target is at most that.
        """
        starts = self._starts()
        if not starts:
            return None
        risk = (1.0 - LEVEL) / len(starts)
        holds_K = _low(self.right_K, self.num_K, self.effective_K, risk) >= target
        ends = np.append(np.flatnonzero(~holds_K), holds_K.size)
        lowest = [int(ends[np.searchsorted(ends, s)]) - 1 for s in starts if holds_K[s]]
        return self._at(max(lowest), risk) if lowest else None

    def nearest(self) -> Found | None:
        """Where a sequence begins from which most is shown; None without any answer."""
        starts = self._starts()
        found = [self._at(start, (1.0 - LEVEL) / len(starts)) for start in starts]
        return max(found, key=lambda at: at.low, default=None)

    def above(self, threshold: float) -> Found | None:
        """What these answers show from a threshold on; None where none is as sure."""
        place = int(np.searchsorted(-self.threshold_K, -threshold, side="right")) - 1
        return self._at(place, (1.0 - LEVEL) / 2) if place >= 0 else None

    def surest(self, share: float) -> Found | None:
        """What the surest answers show, ``share`` of all; None where fewer may be given alone."""
        place = int(np.searchsorted(self.num_K, share * self.total - 1e-6))
        return self._at(place, (1.0 - LEVEL) / 2) if place < self.num_K.size else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        columns = ("threshold", "num", "right", "effective")
        return {
            **{name: getattr(self, f"{name}_K").tolist() for name in columns},
            "total": self.total,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` gave."""
        threshold, num, right, effective = (
            np.array(found[name], dtype=np.float64)
            for name in ("threshold", "num", "right", "effective")
        )
        return cls(threshold, num, right, effective, found["total"])

    def _starts(self) -> list[int]:
        """Where sequences begin; they depend on no truth, and on no target."""
        if not self.num_K.size:
            return []
        whole = self.num_K[-1]
        halvings = max(0, min(_MOST_STARTS - 1, int(math.log2(max(whole / _FEWEST, 1.0)))))
        wanted = whole / 2.0 ** np.arange(halvings + 1)
        return sorted({int(place) for place in np.searchsorted(self.num_K, wanted)})

    def _at(self, place: int, risk: float) -> Found:
        num, right, effective = (
            float(part[place]) for part in (self.num_K, self.right_K, self.effective_K)
        )
        low = float(_low(right, num, effective, risk))
        # What is wrong at most is the same question with right and wrong exchanged.
        high = 1.0 - float(_low(num - right, num, effective, risk))
        threshold = float(self.threshold_K[place])
        return Found(threshold, num / self.total, int(num), right / num, low, high)

    def arrays(self) -> dict[str, Floats]:
        """The part that goes into the weights; a volano that knows no curve passes it over."""
        columns = [self.threshold_K, self.num_K, self.right_K, self.effective_K]
        share_K = self.num_K / max(self.total, 1)
        return {_ARRAY: np.column_stack([*columns, share_K])}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self | None:
        """Read back what ``arrays`` gave; None where the bundle was made before there was one.

        Raises:
            ValueError: it has another shape.
        """
        if _ARRAY not in arrays:
            return None
        table = np.asarray(arrays[_ARRAY], dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != 5:
            raise ValueError(f"a curve of shape {table.shape}")
        threshold, num, right, effective, share = table.T
        total = round(num[-1] / share[-1]) if num.size else 0
        return cls(threshold, num, right, effective, total)


def _low(right: Any, num: Any, effective: Any, risk: float) -> Floats:
    """One-sided lower bounds of right / num."""
    from scipy.special import betaincinv

    hits = np.asarray(right / num * effective, dtype=np.float64)
    missed = np.asarray(effective, dtype=np.float64) - hits
    low: Floats = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), missed + 1, risk), 0.0)
    return low


def _unit_sums(
    right_N: NDArray[np.bool_], unit_N: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Over the first n answers, for every n: sums over units of size², size x right and right²."""
    by_unit = np.argsort(unit_N, kind="stable")
    grouped, hits = unit_N[by_unit], right_N[by_unit].astype(np.int64)
    is_first = np.append(True, grouped[1:] != grouped[:-1])[: grouped.size]
    start = np.maximum.accumulate(np.where(is_first, np.arange(grouped.size), 0))
    before = np.cumsum(hits) - hits
    size, right = np.empty_like(hits), np.empty_like(hits)  # of its unit, before each answer
    size[by_unit] = np.arange(grouped.size) - start
    right[by_unit] = before - before[start]
    hit = right_N.astype(np.int64)
    steps = 2 * size + 1, right + hit * (size + 1), hit * (2 * right + 1)
    first, second, third = (np.cumsum(step) for step in steps)
    return first, second, third


def _effective(
    num: Floats, right: Floats, size_sq: Floats, size_right: Floats, right_sq: Floats
) -> Floats:
    """As how many independent answers ``num`` answers count.

    What a plain sample of the same variance would have, units being drawn; where all are right
    variance says nothing, and one unit counts as one of average size (Kish 1965).
    """
    precision = right / num
    spread = right_sq - 2 * precision * size_right + precision**2 * size_sq
    least = num**2 / size_sq
    plain = precision * (1 - precision) * num**2
    found = np.where(plain > 0, num, least)
    found = np.divide(plain, spread, out=found, where=(spread > 1e-9) & (plain > 0))
    clipped: Floats = np.clip(found, least, num)
    return clipped


def explained(curve: Curve | None, target: float) -> str:
    """In a sentence: from where on answers go out alone and why, or how far it is."""
    found, nearest = (curve.find(target), curve.nearest()) if curve is not None else (None, None)
    if found is not None:
        return (
            f"of the {found.num:,} held-out answers as sure as this {found.precision:.1%} were "
            f"right, at least {found.low:.1%}; they are {found.share:.1%} of all"
        )
    if nearest is None:
        return "the model came without held-out answers, all goes to people; volano turn makes one"
    return (
        f"no confidence is shown to keep {target:g}, all goes to people; the nearest: of the "
        f"{nearest.num:,} surest {nearest.precision:.1%} were right, at least {nearest.low:.1%}"
    )
