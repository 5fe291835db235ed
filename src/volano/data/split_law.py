"""Who touches whom: rows of one unit or near-duplicates, asked one by one where splits meet."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from volano.data.split_rows import HELD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volano.data.split_rows import LawRow, Reasons

__all__ = ["Law", "components"]


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


class Law:
    """Who touches whom, who has a split already, who was dropped. Given test rows stand outside."""

    def __init__(self, rows: Sequence[LawRow], pairs: Iterable[tuple[int, int]]) -> None:
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
