"""Rows of a table that are equal in all that a model reads: no mistake, but one unit of the split.

They are kept: people may well be alike. On both sides of the split they would let a model be tested
on what it has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.compute import in_order, workers_for
from volano.data.frame import flat
from volano.data.split_rows import TEST, TRAIN, VALIDATION
from volano.data.steps.duplicates import group_rows
from volano.data.steps.wording import KEY, hash_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from volano.data.frame import Frame, Step

__all__ = ["find_equal_rows", "mark_rows", "note_equal_rows"]

_MANY = 0.2  # share of rows that are equal to another, from which on it is worth a warning
# The row that all others of a group touch: one of a test file stays whatever comes, and so on.
_RANKS = {TEST: 6, VALIDATION: 5}
_OLD_RANKS = {TEST: 4, VALIDATION: 3, TRAIN: 2}


def mark_rows(columns: Sequence[str]) -> Step:
    """Add ``_key``, the name of what a model reads of each row."""

    def said(frame: Frame) -> Iterator[pa.Table]:
        for _, rows in frame.fields.windows(frame.numbers("_place")):
            fields = flat(rows)
            yield fields.select([name for name in columns if name in fields.column_names])

    def step(frame: Frame) -> Frame:
        workers = workers_for(len(frame))
        found = in_order(hash_cells, said(frame), *columns, workers=workers)
        chunks = [chunk for table in found for chunk in table["_key"].chunks]
        return frame.with_column("_key", pa.chunked_array(chunks, KEY))

    return step


def find_equal_rows(frame: Frame) -> NDArray[np.int64]:
    """Pairs of equal rows, (pairs, 2): each of a group with the first of the highest rank."""
    order, starts, sizes = group_rows(frame)
    if not len(order):
        return np.zeros((0, 2), np.int64)
    rank = np.zeros(len(frame), np.int8)
    for name, ranks in (("_old", _OLD_RANKS), ("_given", _RANKS)):
        splits = frame.numbers(name)
        for split, value in ranks.items():
            rank[splits == split] = value
    group = np.repeat(np.arange(len(starts)), sizes)
    ranked = np.lexsort((order, -rank[order], group))
    centre = order[ranked][starts]
    pairs = np.stack([centre[group], order], axis=1)
    found: NDArray[np.int64] = pairs[pairs[:, 0] != pairs[:, 1]]
    return found


def note_equal_rows(frame: Frame) -> Frame:
    """Findings about equal rows: how many there are, and how many carry different labels."""
    order, starts, sizes = group_rows(frame)
    if not len(order):
        return frame
    share = len(order) / len(frame)
    frame = frame.with_finding(
        "warn" if share > _MANY else "info",
        "{count} rows ({share:.1%}) are equal to another in all columns that a model reads, and "
        "{distinct} of all rows differ. They are kept, and stand on one side of the split.",
        count=len(order),
        share=round(share, 4),
        distinct=len(frame) - len(order) + len(starts),
    )
    if frame.has_numbers:
        return frame
    labels = frame.numbers("_label")[order]
    low = np.minimum.reduceat(np.where(labels < 0, np.iinfo(np.int32).max, labels), starts)
    is_odd = low < np.maximum.reduceat(labels, starts)
    count = int(sizes[is_odd].sum())
    if count:
        frame = frame.with_finding(
            "warn",
            "{count} rows ({share:.1%}) are equal to a row with another label: no model can tell "
            "them apart by these columns.",
            count=count,
            share=round(count / len(frame), 4),
        )
    return frame
