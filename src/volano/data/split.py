"""The split law: the frozen test set grows and never reshuffles, and nothing leaks into it.

Rows alike (near-duplicates, or of one subject) form a unit and stay on one side. A row that was in
a split stays there. A new row that touches a training row is training; one that touches a test row
joins the test only if it was not picked for being informative, else it is dropped; so is one
between both. All other units fill each label's share, in an order that depends on ids alone.

Most rows touch no other: columns settle those, and `_Law` asks only where sides meet.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from math import floor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from volano.data.config import SplitConfig

__all__ = [
    "HELD",
    "SPLITS",
    "Assignment",
    "SplitRows",
    "assign",
    "components",
    "number_groups",
    "split_numbers",
    "star",
]

HELD = ("test", "validation")
SPLITS = ("", "train", "validation", "test")  # their numbers, as rows hold them
TRAIN, VALIDATION, TEST = 1, 2, 3
_FILLED = (TEST, VALIDATION)
_EACH_LABEL = 5  # a label with so many examples gets at least one in the test
_AT_ONCE = 65_536

Reasons: TypeAlias = "dict[int, tuple[str, str]]"
Counts: TypeAlias = "Sequence[tuple[int, int]]"  # numbers of labels, and how often each stands


@dataclass(frozen=True)
class SplitRows:
    """What the law asks of rows, a column each.

    Attributes:
        ids: names of the rows, strings.
        labels: the number of the row's target in ``targets``; -1 for a row without a label, which
            is in no split.
        targets: the labels of each target.
        given: the number of the split that its file was declared to be, 0 for none.
        old: the number of the split that it had in the previous dataset, 0 for none.
        can_be_held: whether it may enter test or validation.
        is_from_source: whether a file brought it, rather than feedback.
        units: the number of what it stands together with others for; -1 for nothing.
        moments: when it arose, for a split by time; NaN where that is not known.
    """

    ids: pa.ChunkedArray
    labels: NDArray[np.int32]
    targets: Sequence[tuple[str, ...]]
    given: NDArray[np.int8]
    old: NDArray[np.int8]
    can_be_held: NDArray[np.bool_]
    is_from_source: NDArray[np.bool_]
    units: NDArray[np.int64]
    moments: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: NDArray[np.int64]) -> list[_Row]:
        """These rows, one by one."""
        columns = (self.labels, self.given, self.old, self.can_be_held, self.is_from_source)
        names = self.ids.take(pa.array(places)).to_pylist()
        cells = zip(names, *(c[places].tolist() for c in (*columns, self.units)), strict=True)
        return [
            _Row(name, label >= 0, SPLITS[given], SPLITS[old], held, came, unit)
            for name, label, given, old, held, came, unit in cells
        ]


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    is_labelled: bool
    given: str
    old: str
    can_be_held: bool
    is_from_source: bool
    unit: int


@dataclass(frozen=True)
class Assignment:
    """The number of each row's split (0: in none), and rows that have no place, with reasons."""

    splits: NDArray[np.int8]
    dropped: Reasons


def split_numbers(splits: pa.ChunkedArray) -> NDArray[np.int8]:
    """Names of splits as numbers, 0 for none."""
    found = pc.index_in(splits, pa.array(SPLITS, pa.string())).fill_null(0)
    numbers: NDArray[np.int8] = found.to_numpy().astype(np.int8)
    return numbers


def assign(rows: SplitRows, pairs: NDArray[np.int64], config: SplitConfig, seed: int) -> Assignment:
    """Give each row its split by the law.

    Args:
        rows: all rows.
        pairs: places of rows that are near-duplicates of each other: (pairs, 2).
        config: shares, and whether the latest rows are the test.
        seed: of the project.
    """
    is_given_held = np.isin(rows.given, _FILLED)
    inside = (rows.labels >= 0) & ~is_given_held
    splits = np.where(inside, np.where(rows.given > 0, rows.given, rows.old), 0).astype(np.int8)
    group, is_asked = _who_hangs_together(rows, pairs, inside, splits)
    dropped: Reasons = {}
    units = list(_units_of(group, inside & ~is_asked & (splits == 0)))
    if is_asked.any():
        free_units = _ask(rows, pairs, is_asked, splits, dropped)
        units += _follow(rows, pairs, inside, splits, dropped, free_units)
    is_here = np.ones(len(rows), bool)
    is_here[list(dropped)] = False
    is_free = inside & ~is_asked & (splits == 0)
    within = [place for unit in units for place in unit]
    is_free[within] = False
    free = _Free.of(rows, np.flatnonzero(is_free), units, seed, by_time=config.by_time)
    settled = np.flatnonzero(inside & is_here & (splits > 0))
    if config.by_time:
        found = _fill_by_time(rows, free, settled, splits, config)
    else:
        found = _fill_by_label(rows, free, settled, splits, config)
    free.write(found, splits)
    return Assignment(np.where(rows.given > 0, rows.given, splits).astype(np.int8), dropped)


def _who_hangs_together(
    rows: SplitRows, pairs: NDArray[np.int64], inside: NDArray[np.bool_], splits: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A number for each group of rows that touch, and whether the law has to be asked of a row.

    It has to where a group holds rows of several splits, or of one and new ones, or an answer that
    looks like a row of a given test file.
    """
    # Pairs with rows outside count as well: of a crowd not every pair is given.
    group = number_groups(np.concatenate([pairs, star(rows.units, inside)]), len(rows))
    count = int(group.max(initial=-1)) + 1
    low, high = np.full(count, 9, np.int8), np.zeros(count, np.int8)
    np.minimum.at(low, group[inside], splits[inside])
    np.maximum.at(high, group[inside], splits[inside])
    is_mixed = (low != high) & (high > 0)
    for one, other in (pairs.T, pairs.T[::-1]):
        is_answer = inside[one] & ~rows.is_from_source[one] & (rows.old[one] == 0)
        is_mixed[group[one[is_answer & np.isin(rows.given[other], _FILLED)]]] = True
    return group, inside & is_mixed[group]


def number_groups(edges: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    """For each of ``num`` places the number of the group that edges, shape (E, 2), make of it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = (edges[:, 0], edges[:, 1])
    graph = coo_array((np.ones(len(edges), bool), ends), shape=(num, num))
    _, found = connected_components(graph.tocsr(), directed=False)
    return found.astype(np.int64)


def star(units: NDArray[np.int64], is_in: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Edges from the first place of each unit to its others; -1 is no unit."""
    places = np.flatnonzero(is_in & (units >= 0))
    _, first, back = np.unique(units[places], return_index=True, return_inverse=True)
    edges = np.stack([places[first][back], places], axis=1)
    found: NDArray[np.int64] = edges[edges[:, 0] != edges[:, 1]]
    return found


def _units_of(group: NDArray[np.int64], is_free: NDArray[np.bool_]) -> Iterator[list[int]]:
    """The places of each group of two rows and more."""
    places = np.flatnonzero(is_free)
    order = places[np.argsort(group[places], kind="stable")]
    bounds = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end - start > 1:
            yield order[start:end].tolist()


def _ask(
    rows: SplitRows,
    pairs: NDArray[np.int64],
    is_asked: NDArray[np.bool_],
    splits: NDArray[np.int8],
    dropped: Reasons,
) -> list[list[int]]:
    """What the law says of these rows, written to ``splits`` and ``dropped``; its free units."""
    is_near = is_asked[pairs].any(axis=1)
    places = np.unique(np.concatenate([np.flatnonzero(is_asked), pairs[is_near].ravel()]))
    law = _Law(rows.at(places), np.searchsorted(places, pairs[is_near]).tolist())
    law.settle_fixed()
    free = law.settle_touching()
    splits[np.flatnonzero(is_asked)] = 0
    for place, split in law.split.items():
        splits[places[place]] = SPLITS.index(split)
    dropped |= {int(places[place]): reason for place, reason in law.gone.items()}
    return [places[unit].tolist() for unit in free]


def _follow(
    rows: SplitRows,
    pairs: NDArray[np.int64],
    inside: NDArray[np.bool_],
    splits: NDArray[np.int8],
    dropped: Reasons,
    units: list[list[int]],
) -> list[list[int]]:
    """Units that touch no row with a split, but hang together with one through rows outside.

    They go where it is, training first; what is in reach of no split stays a unit.
    """
    if inside[pairs].all() or not units:
        return units
    is_here = np.ones(len(rows), bool)
    is_here[list(dropped)] = False
    edges = [pairs[is_here[pairs].all(axis=1)], star(rows.units, inside & is_here)]
    group = number_groups(np.concatenate(edges), len(rows))
    homes: dict[int, int] = {}
    for split in (VALIDATION, TEST, TRAIN):
        is_home = inside & is_here & (splits == split)
        homes |= dict.fromkeys(np.unique(group[is_home]).tolist(), split)
    left: dict[int, list[int]] = defaultdict(list)
    for unit in units:
        number = int(group[unit[0]])
        home = homes.get(number, 0)
        if not home:
            left[number] += unit
            continue
        for place in unit:
            if home == TRAIN or rows.can_be_held[place]:
                splits[place] = home
            else:
                dropped[place] = (f"too-like-{SPLITS[home]}", "")
    return [sorted(unit) for unit in left.values()]


def components(places: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Places that hang together, each component sorted, in the order of their first place."""
    parent = {place: place for place in places}

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in edges:
        if one in parent and other in parent:
            low, high = sorted((root(one), root(other)))
            parent[high] = low
    found: dict[int, list[int]] = defaultdict(list)
    for place in sorted(parent):
        found[root(place)].append(place)
    return list(found.values())


class _Law:
    """Who touches whom, who has a split already, who was dropped. Given test rows stand outside."""

    def __init__(self, rows: Sequence[_Row], pairs: Iterable[tuple[int, int]]) -> None:
        self.rows = rows
        self.gone: Reasons = {}
        inside = [p for p, row in enumerate(rows) if row.is_labelled and row.given not in HELD]
        self.split: dict[int, str] = {
            p: split for p in inside if (split := rows[p].given or rows[p].old)
        }
        self.near: dict[int, list[int]] = defaultdict(list)
        self.members: dict[int, list[int]] = defaultdict(list)
        for p in inside:
            self.members[rows[p].unit].append(p)
        self.members.pop(-1, None)
        is_inside = set(inside)
        for one, other in pairs:
            for place, beside in ((one, other), (other, one)):
                if place in is_inside and beside in is_inside:
                    self.near[place].append(beside)
                elif place in is_inside and rows[beside].given in HELD:
                    self._beside_given(place, beside)
        self.waiting = [p for p in inside if p not in self.split and p not in self.gone]
        self.unit_splits: dict[int, dict[str, int]] = {}
        self._index_units()

    def _beside_given(self, place: int, beside: int) -> None:
        """A test file stays whole; feedback that looks like a row of it must not train."""
        row = self.rows[place]
        if not row.is_from_source and not row.old:
            self.gone[place] = (f"too-like-{self.rows[beside].given}", self.rows[beside].id)

    def touched(self, place: int) -> dict[str, int]:
        """The splits that a row touches, each with a row that it touches there."""
        found = dict(self.unit_splits.get(self.rows[place].unit, {}))
        for other in self.near[place]:
            if other in self.split:
                found.setdefault(self.split[other], other)
        return found

    def _index_units(self) -> None:
        """Look units up once a round: a row that has just got a split is not asked about."""
        self.unit_splits = {
            unit: {self.split[p]: p for p in reversed(places) if p in self.split}
            for unit, places in self.members.items()
        }

    def drop(self, place: int, split: str, beside: int | None = None) -> None:
        """Drop a row because of the row of ``split`` beside it."""
        detail = self.rows[beside].id if beside is not None else ""
        self.gone[place] = (f"too-like-{split}", detail)
        self.split.pop(place, None)

    def settle_fixed(self) -> None:
        """An edit can make a training row like a test row: then the training row goes."""
        for held in HELD:
            lower = {"train"} if held == "validation" else {"train", "validation"}
            for place in [p for p, split in self.split.items() if split in lower]:
                touched = self.touched(place)
                if held in touched:
                    self.drop(place, held, touched[held])
            self._index_units()

    def settle_touching(self) -> list[list[int]]:
        """Give units that touch a split their place; what is left touches none."""
        waiting, free = self.waiting, []
        while waiting:
            again: list[int] = []
            placed: dict[int, str] = {}
            for unit in components(waiting, self._edges(waiting)):
                home, offenders = self._judge(unit)
                if offenders:
                    again.extend(p for p in unit if p not in self.gone)
                elif home:
                    placed.update(dict.fromkeys(unit, home))
                else:
                    free.append(unit)
            self.split.update(placed)
            self._index_units()
            waiting = again
        return free

    def _edges(self, places: Iterable[int]) -> Iterable[tuple[int, int]]:
        first: dict[int, int] = {}
        for place in places:
            for other in self.near[place]:
                yield place, other
            unit = self.rows[place].unit
            if unit >= 0:
                yield place, first.setdefault(unit, place)

    def _judge(self, unit: list[int]) -> tuple[str, bool]:
        """The split of a unit, and whether some of its rows had to be dropped for it."""
        touched = {place: self.touched(place) for place in unit}
        every = {split for found in touched.values() for split in found}
        home = next((split for split in ("train", *HELD) if split in every), "")
        before = len(self.gone)
        for place, found in touched.items():
            others = [split for split in HELD if split in found and split != home]
            if others and home in found:
                names = f"{self.rows[found[home]].id} {self.rows[found[others[0]]].id}"
                self.gone[place] = ("between-splits", names)
            elif others:
                self.drop(place, others[0], found[others[0]])
            elif home in HELD and not self.rows[place].can_be_held:
                self.drop(place, home, found.get(home))
        return home, len(self.gone) > before


@dataclass(frozen=True)
class _Free:
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
    ) -> _Free:
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
    sha, start = hashlib.sha256, f"{seed}\x1fsplit\x1f".encode()
    digests = [
        b"".join([sha(start + name.encode()).digest()[:8] for name in chunk.to_pylist()])
        for chunk in _pieces(names)
    ]
    draws = (np.frombuffer(b"".join(digests), ">u8") >> 8).astype(np.float64)
    order = np.argsort(draws, kind="stable")
    if (np.diff(draws[order]) == 0).any():
        table = pa.table({"draw": draws, "name": names})
        ranked = pc.sort_indices(table, [("draw", "ascending"), ("name", "ascending")])
        order = ranked.to_numpy().astype(np.int64)
    return order


def _pieces(names: pa.ChunkedArray) -> Iterator[Any]:
    for start in range(0, len(names), _AT_ONCE):
        yield names.slice(start, _AT_ONCE)


def _shares(rows: SplitRows, config: SplitConfig) -> dict[int, float]:
    """What is to be held out: nothing for a split that comes as a file."""
    shares = {TEST: config.test, VALIDATION: config.validation}
    return {s: 0.0 if (rows.given == s).any() else share for s, share in shares.items()}


def _fill_by_label(
    rows: SplitRows,
    free: _Free,
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

    many = [place for unit, held in _held_units(free) if held for place in unit]
    alone = free.places[free.can_be_held[: len(free.places)]]
    is_held = np.isin(splits[settled], _FILLED)
    is_due = (rows.can_be_held[settled] | is_held) & (rows.given[settled] != TRAIN)
    total = counted(alone) + counted(np.array(many, np.int64)) + counted(settled[is_due])
    need = _quotas(total.tolist(), _shares(rows, config))
    for split in _FILLED:
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


def _held_units(free: _Free) -> Iterator[tuple[list[int], bool]]:
    yield from zip(free.units, free.can_be_held[len(free.places) :].tolist(), strict=True)


def _count(of_target: Sequence[Counts], targets: Iterable[int]) -> Counts:
    return list(Counter(label for target in targets for label, _ in of_target[target]).items())


def _fill(
    free: _Free,
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
        for split in _FILLED:
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
        for split in _FILLED:
            if _gain(said, need[split], total) > 0:
                found[unit] = split
                for label, count in said:
                    need[split][label] -= count
                break
    for label, end in enumerate(bounds[1:]):
        serve(label, end)
    return found


def _quotas(total: Sequence[int], shares: dict[int, float]) -> dict[int, list[int]]:
    need: dict[int, list[int]] = {split: [0] * len(total) for split in _FILLED}
    for label, count in enumerate(total):
        left = count - 1
        for split in _FILLED if count else ():
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


def _fill_by_time(
    rows: SplitRows,
    free: _Free,
    settled: NDArray[np.int64],
    splits: NDArray[np.int8],
    config: SplitConfig,
) -> NDArray[np.int8]:
    """The latest units are the test, those before them validation, all else training."""
    shares, num_rows = _shares(rows, config), int(free.sizes.sum()) + len(settled)
    held = Counter(splits[settled].tolist())
    need = {split: floor(shares[split] * num_rows + 0.5) - held[split] for split in _FILLED}
    is_dated = ~np.isnan(rows.moments)
    dated = [is_dated[free.places], np.array([is_dated[u].all() for u in free.units], bool)]
    may = (free.can_be_held & np.concatenate(dated) & (2 * free.sizes < num_rows)).tolist()
    sizes, found = free.sizes.tolist(), np.full(len(free.sizes), TRAIN, np.int8)
    for unit in free.order.tolist():
        for split in _FILLED if may[unit] else ():
            if need[split] > 0:
                found[unit] = split
                need[split] -= sizes[unit]
                break
    return found
