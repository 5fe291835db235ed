"""The split law: the frozen test set grows and never reshuffles, and nothing leaks into it.

Rows alike (near-duplicates, or of one subject) form a unit and stay on one side. A row that was in
a split stays there. A new row that touches a training row is training; one that touches a test row
joins the test only if it was not picked for being informative, else it is dropped; so is one
between both. All other units fill each label's share, in an order that depends on ids alone.

Most rows touch no other: columns settle those, and `Law` asks only where sides meet.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.data.split_fill import Free, fill_by_label, fill_by_time
from volano.data.split_law import Law
from volano.data.split_rows import FILLED, SPLITS, TEST, TRAIN, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from volano.data.config import SplitConfig
    from volano.data.split_rows import Reasons, SplitRows

__all__ = ["Assignment", "assign", "number_groups", "split_numbers", "star"]


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
    is_given_held = np.isin(rows.given, FILLED)
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
    free = Free.of(rows, np.flatnonzero(is_free), units, seed, by_time=config.by_time)
    settled = np.flatnonzero(inside & is_here & (splits > 0))
    if config.by_time:
        found = fill_by_time(rows, free, settled, splits, config)
    else:
        found = fill_by_label(rows, free, settled, splits, config)
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
        is_mixed[group[one[is_answer & np.isin(rows.given[other], FILLED)]]] = True
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
    law = Law(rows.at(places), np.searchsorted(places, pairs[is_near]).tolist())
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
