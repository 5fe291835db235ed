"""The same text twice: under one label it is a duplicate, under several a conflict.

Rows already in the frozen test or validation set stay; what repeats them goes. People who corrected
a label outrank the source.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.data.naming import digests_of, group_digests
from volano.data.split_rows import HELD, SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from numpy.typing import NDArray

    from volano.data.frame import Frame, Step

__all__ = ["drop_duplicates", "drop_for", "group_rows"]

Labels: TypeAlias = "tuple[str, ...] | None"
Reasons: TypeAlias = "dict[int, tuple[str, str]]"
_AUTHORITY = {"source": 0, "feedback": 1, "review": 2}


class _Row(NamedTuple):
    place: int
    labels: Labels
    authority: int
    given: str
    old: str

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """Which of several equal rows is kept: the lowest."""
        return (self.labels is None, not self.old, -self.authority, self.place)


def drop_duplicates(conflicts: Literal["majority", "drop", "keep"]) -> Step:
    """Keep one row of each text and label, and settle texts that carry several labels."""

    def drop(frame: Frame) -> Frame:
        order, starts, sizes = group_rows(frame)
        is_odd = _are_odd(frame, order, starts)
        group = np.repeat(np.arange(len(starts)), sizes)
        again = np.ones(len(order), bool)
        again[starts] = False
        plain = order[again & ~is_odd[group]]
        reasons: Reasons = dict.fromkeys(plain.tolist(), ("duplicate", ""))
        num_repeated = 0
        rows = _rows(frame, order[is_odd[group]])
        for size in sizes[is_odd].tolist():
            same = list(islice(rows, size))
            reasons |= _settle(same, conflicts)
            num_repeated += sum(row.given in HELD for row in same) > 1
        if num_repeated:
            frame = frame.with_finding(
                "info",
                "Texts that stand more than once in the test or validation files: {count}. Given "
                "splits are used as they are.",
                count=num_repeated,
            )
        return drop_for(frame, reasons)

    return drop


def drop_for(frame: Frame, reasons: Reasons) -> Frame:
    """The frame without the rows at these places."""
    places = sorted(reasons)
    why = [reasons[place] for place in places]
    return frame.drop(
        np.array(places, np.int64),
        pa.array([reason for reason, _ in why], pa.string()),
        pa.array([detail for _, detail in why], pa.string()),
    )


def group_rows(
    frame: Frame,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Places of rows whose ``_key`` stands several times, group by group; where each group starts.

    Returns:
        Places, those of a group ascending; of each group its start among them, and its size.
    """
    order, starts = group_digests(digests_of(frame["_key"]))
    sizes = np.diff(starts, append=len(order))
    order = order[np.repeat(sizes > 1, sizes)]
    sizes = sizes[sizes > 1]
    return order, np.cumsum(sizes) - sizes, sizes


def _are_odd(
    frame: Frame, order: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Groups of which more is to be asked: rows of several labels, of people, or with a split."""
    if not len(starts):
        return np.zeros(0, bool)
    labels = frame.numbers("_label")[order]
    asks = (frame.numbers("_given") + frame.numbers("_old"))[order] > 0
    asks |= pc.not_equal(frame["label_from"], "source").to_numpy()[order]
    low, high = np.minimum.reduceat(labels, starts), np.maximum.reduceat(labels, starts)
    found: NDArray[np.bool_] = (low != high) | np.logical_or.reduceat(asks, starts)
    return found


def _rows(frame: Frame, places: NDArray[np.int64]) -> Iterator[_Row]:
    labels, given, old = (
        frame.numbers(name)[places].tolist() for name in ("_label", "_given", "_old")
    )
    came = frame["label_from"].take(pa.array(places)).to_pylist()
    targets = (*frame.targets, None)  # -1 is the last
    for place, label, who, one, other in zip(
        places.tolist(), labels, came, given, old, strict=True
    ):
        yield _Row(place, targets[label], _AUTHORITY[who], SPLITS[one], SPLITS[other])


def _settle(rows: list[_Row], conflicts: str) -> Reasons:
    for split in ("test", "validation"):
        if any(row.given == split for row in rows):
            free = [row for row in rows if row.given not in {"test", "validation"}]
            return {row.place: (f"also-in-{split}", "") for row in free}
    held = [row for row in rows if row.old in {"test", "validation"}]
    if held:
        known = {row.labels for row in held}
        free = [row for row in rows if row not in held]
        return {row.place: _beside_held(row, known) for row in free}
    return _among_equals(rows, conflicts)


def _beside_held(row: _Row, known: set[Labels]) -> tuple[str, str]:
    if row.labels is None or row.labels in known:
        return "duplicate", ""
    return "conflicting-label", _said(Counter([*known, row.labels]))


def _among_equals(rows: list[_Row], conflicts: str) -> Reasons:
    labelled = [row for row in rows if row.labels is not None]
    reasons: Reasons = {}
    if len({row.labels for row in labelled}) > 1 and conflicts != "keep":
        winner = _majority(labelled) if conflicts == "majority" else None
        said = _said(Counter(row.labels for row in labelled))
        losers = [row for row in labelled if winner is None or row.labels != winner]
        reasons = {row.place: ("conflicting-label", said) for row in losers}
    first: set[Labels] = set()
    for row in sorted(rows, key=lambda row: row.rank):
        if row.place in reasons:
            continue
        if row.labels in first or (row.labels is None and first):
            reasons[row.place] = ("duplicate", "")
        first.add(row.labels)
    return reasons


def _majority(rows: list[_Row]) -> Labels:
    """The labels said most often by those with most authority; None for a tie."""
    top = max(row.authority for row in rows)
    votes = Counter(row.labels for row in rows if row.authority == top).most_common(2)
    return None if len(votes) > 1 and votes[0][1] == votes[1][1] else votes[0][0]


def _said(votes: Counter[Labels]) -> str:
    said = sorted((", ".join(labels or ()), count) for labels, count in votes.items())
    return "; ".join(f"{labels} ({count})" for labels, count in said)
