"""The same text twice: under one label it is a duplicate, under several a conflict.

Rows already in the frozen test or validation set stay; what repeats them goes. People who corrected
a label outrank the source.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from volano.data.frame import Frame, Step

__all__ = ["drop_duplicates", "rows_by_text"]

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


def rows_by_text(keys: Sequence[str]) -> Iterator[list[int]]:
    """Places of rows that share one normal form, two or more at a time."""
    by_key: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        by_key[key].append(place)
    return (places for places in by_key.values() if len(places) > 1)


def drop_duplicates(conflicts: Literal["majority", "drop", "keep"]) -> Step:
    """Keep one row of each text and label, and settle texts that carry several labels."""

    def drop(frame: Frame) -> Frame:
        rows = _rows(frame)
        reasons: Reasons = {}
        num_repeated = 0
        for places in rows_by_text(frame.column("_key")):
            same = [rows[place] for place in places]
            reasons |= _settle(same, conflicts)
            num_repeated += sum(row.given in {"test", "validation"} for row in same) > 1
        if num_repeated:
            frame = frame.with_finding(
                "info",
                "Texts that stand more than once in the test or validation files: {count}. Given "
                "splits are used as they are.",
                count=num_repeated,
            )
        return frame.drop(reasons)

    return drop


def _rows(frame: Frame) -> list[_Row]:
    columns = (frame.column(name) for name in ("target", "label_from", "_given", "_old"))
    return [
        _Row(place, None if target is None else tuple(target), _AUTHORITY[came], given, old)
        for place, (target, came, given, old) in enumerate(zip(*columns, strict=True))
    ]


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
