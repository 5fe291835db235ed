"""What touches no split fills the shares: each label's, in an order of ids alone, or the latest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import compress, islice
from math import floor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.data.naming import draws_of
from volano.data.split_rows import FILLED, TEST, TRAIN, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from volano.data.config import SplitConfig
    from volano.data.split_rows import SplitRows

__all__ = ["Free", "fill_by_label", "fill_by_time"]

_EACH_LABEL = 5  # a label with so many examples gets at least one in the test

Counts: TypeAlias = "Sequence[tuple[int, int]]"  # numbers of labels, and how often each stands


@dataclass(frozen=True)
class Free:
    """Units that may go anywhere, in the order in which they are asked: most are one row.

    Attributes:
        places: of rows alone, each a unit.
        units: those of several rows, or that the law left; they come after the rows alone.
        order: numbers of units.
        can_be_held: of each unit, whether all of its rows can.
        sizes: rows in each.
    """

    places: NDArray[np.int64]
    units: list[list[int]]
    order: NDArray[np.int64]
    can_be_held: NDArray[np.bool_]
    sizes: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        rows: SplitRows,
        places: NDArray[np.int64],
        units: list[list[int]],
        seed: int,
        *,
        by_time: bool,
    ) -> Free:
        """These units, by the law's draw, or the latest first."""
        many = [np.array(unit, np.int64) for unit in units]
        held = [rows.can_be_held[places], np.array([rows.can_be_held[u].all() for u in many], bool)]
        # All at once: each take of a column in pieces begins with joining the pieces.
        within = np.concatenate([np.zeros(0, np.int64), *many])
        each = iter(rows.ids.take(pa.array(within)).to_pylist())
        lowest = pa.array([min(islice(each, len(unit))) for unit in many], pa.string())
        alone = rows.ids.take(pa.array(places))
        names = pa.chunked_array([*alone.chunks, lowest], pa.string())
        if by_time:
            moments = [rows.moments[places], np.array([_latest(rows.moments[u]) for u in many])]
            latest = np.concatenate(moments)
            latest = np.where(np.isnan(latest), -np.inf, latest)
            table = pa.table({"latest": latest, "name": names})
            keys = [("latest", "descending"), ("name", "descending")]
            order = pc.sort_indices(table, keys).to_numpy().astype(np.int64)
        else:
            order = _by_draw(names, seed)
        sizes = np.array([1] * len(places) + [len(unit) for unit in many], np.int64)
        return cls(places, units, order, np.concatenate(held), sizes)

    def write(self, found: NDArray[np.int8], splits: NDArray[np.int8]) -> None:
        """Give each row the split of its unit."""
        splits[self.places] = found[: len(self.places)]
        for unit, split in zip(self.units, found[len(self.places) :].tolist(), strict=True):
            splits[unit] = split


def _latest(moments: NDArray[np.float64]) -> float:
    known = moments[~np.isnan(moments)]
    return float(known.max()) if len(known) else -np.inf


def _by_draw(names: pa.ChunkedArray, seed: int) -> NDArray[np.int64]:
    """By ``unit_interval(seed, "split", name)``, a million of which take a second this way."""
    draws = (draws_of(names, f"{seed}\x1fsplit\x1f".encode()) >> 8).astype(np.float64)
    order = np.argsort(draws, kind="stable")
    if (np.diff(draws[order]) == 0).any():
        table = pa.table({"draw": draws, "name": names})
        ranked = pc.sort_indices(table, [("draw", "ascending"), ("name", "ascending")])
        order = ranked.to_numpy().astype(np.int64)
    return order


def _shares(rows: SplitRows, config: SplitConfig, num_rows: int) -> dict[int, float]:
    """What of so many rows is to be held out: nothing for a split that comes as a file."""
    test = min(config.test, config.most_test / max(num_rows, 1))
    shares = {TEST: test, VALIDATION: config.validation}
    return {s: 0.0 if (rows.given == s).any() else share for s, share in shares.items()}


def fill_by_label(
    rows: SplitRows,
    free: Free,
    settled: NDArray[np.int64],
    splits: NDArray[np.int8],
    config: SplitConfig,
) -> NDArray[np.int8]:
    """The number of the split of each unit."""
    labels = sorted({label for target in rows.targets for label in target})
    number = {label: n for n, label in enumerate(labels)}
    of_target = [[(number[label], 1) for label in target] for target in rows.targets]

    def counted(places: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.zeros(len(labels), np.int64)
        for target, count in enumerate(np.bincount(rows.labels[places]).tolist()):
            for label, _ in of_target[target]:
                found[label] += count
        return found

    held = free.can_be_held[len(free.places) :].tolist()
    many = [place for unit in compress(free.units, held) for place in unit]
    alone = free.places[free.can_be_held[: len(free.places)]]
    is_held = np.isin(splits[settled], FILLED)
    is_due = (rows.can_be_held[settled] | is_held) & (rows.given[settled] != TRAIN)
    total = counted(alone) + counted(np.array(many, np.int64)) + counted(settled[is_due])
    num_rows = len(alone) + len(many) + int(is_due.sum())
    need = _quotas(total.tolist(), _shares(rows, config, num_rows))
    for split in FILLED:
        have = counted(settled[splits[settled] == split]).tolist()
        need[split] = [wanted - there for wanted, there in zip(need[split], have, strict=True)]
    # Of rows alone, those of one label need no count of their own.
    of_one = [target[0][0] if len(target) == 1 else -1 for target in of_target]
    lone = np.array([*of_one, -1], np.int64)[rows.labels[free.places]]
    lone = np.concatenate([lone, np.full(len(free.units), -1)])
    counts: dict[int, Counts] = {
        int(unit): of_target[rows.labels[free.places[unit]]]
        for unit in np.flatnonzero(lone[: len(free.places)] < 0)
    }
    for unit, within in enumerate(free.units, len(free.places)):
        counts[unit] = _count(of_target, rows.labels[within].tolist())
    return _fill(free, lone, counts, need, total.tolist())


def _count(of_target: Sequence[Counts], targets: Iterable[int]) -> Counts:
    return list(Counter(label for target in targets for label, _ in of_target[target]).items())


def _fill(
    free: Free,
    lone: NDArray[np.int64],
    counts: dict[int, Counts],
    need: dict[int, list[int]],
    total: Sequence[int],
) -> NDArray[np.int8]:
    """Ask units in their order; ``lone`` is the label of a unit of one row and one label, or -1.

    A lone unit goes to the first split that needs its label, so those between two others are
    served together.
    """
    found = np.full(len(free.sizes), TRAIN, np.int8)
    turn = np.empty(len(free.order), np.int64)
    turn[free.order] = np.arange(len(free.order))
    order = free.order[free.can_be_held[free.order]]
    alone = order[lone[order] >= 0]
    alone = alone[np.argsort(lone[alone], kind="stable")]
    bounds = np.searchsorted(lone[alone], np.arange(len(total) + 1)).tolist()
    turns, begins = turn[alone], bounds[:-1]

    def serve(label: int, end: int) -> None:
        begin, begins[label] = begins[label], end
        for split in FILLED:
            count = min(end - begin, max(need[split][label], 0))
            found[alone[begin : begin + count]] = split
            need[split][label] -= count
            begin += count

    for unit in order[lone[order] < 0].tolist():
        said = counts[unit]
        for label, _ in said:
            here, last = begins[label], bounds[label + 1]
            if here < last:
                serve(label, here + int(np.searchsorted(turns[here:last], turn[unit])))
        for split in FILLED:
            if _gain(said, need[split], total) > 0:
                found[unit] = split
                for label, count in said:
                    need[split][label] -= count
                break
    for label, end in enumerate(bounds[1:]):
        serve(label, end)
    return found


def _quotas(total: Sequence[int], shares: dict[int, float]) -> dict[int, list[int]]:
    need: dict[int, list[int]] = {split: [0] * len(total) for split in FILLED}
    for label, count in enumerate(total):
        left = count - 1
        for split in FILLED if count else ():
            wanted = floor(shares[split] * count + 0.5)
            if count >= _EACH_LABEL and shares[split] > 0:
                wanted = max(wanted, 1)
            need[split][label] = min(wanted, left)
            left -= need[split][label]
    return need


def _gain(counts: Counts, need: Sequence[int], total: Sequence[int]) -> float:
    """How much a unit brings a split nearer to its quotas; scarce labels weigh more."""
    gain = 0.0
    for label, count in counts:
        useful = min(count, max(need[label], 0))
        gain += (useful - (count - useful)) / total[label]
    return gain


def fill_by_time(
    rows: SplitRows,
    free: Free,
    settled: NDArray[np.int64],
    splits: NDArray[np.int8],
    config: SplitConfig,
) -> NDArray[np.int8]:
    """The latest units are the test, those before them validation, all else training."""
    num_rows = int(free.sizes.sum()) + len(settled)
    shares = _shares(rows, config, num_rows)
    held = Counter(splits[settled].tolist())
    need = {split: floor(shares[split] * num_rows + 0.5) - held[split] for split in FILLED}
    is_dated = ~np.isnan(rows.moments)
    dated = [is_dated[free.places], np.array([is_dated[u].all() for u in free.units], bool)]
    may = (free.can_be_held & np.concatenate(dated) & (2 * free.sizes < num_rows)).tolist()
    sizes, found = free.sizes.tolist(), np.full(len(free.sizes), TRAIN, np.int8)
    for unit in free.order.tolist():
        for split in FILLED if may[unit] else ():
            if need[split] > 0:
                found[unit] = split
                need[split] -= sizes[unit]
                break
    return found
