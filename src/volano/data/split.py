"""The split law: the frozen test set grows and never reshuffles, and nothing leaks into it.

Rows alike (near-duplicates, or of one subject) form a unit and stay on one side. A row that was in
a split stays there. A new row that touches a training row is training; one that touches a test row
joins the test only if it was not picked for being informative, else it is dropped; so is one
between both. All other units fill each label's share, in an order that depends on ids alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, TypeAlias

from volano.core.seeds import unit_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volano.data.config import SplitConfig

__all__ = ["HELD", "Assignment", "SplitRow", "assign", "components"]

HELD = ("test", "validation")
_EACH_LABEL = 5  # a label with so many examples gets at least one in the test


@dataclass(frozen=True)
class SplitRow:
    """What the law asks of a row.

    Attributes:
        id: the row's name.
        labels: empty for a row without a label, which is in no split.
        given: the split that its file was declared to be.
        old: the split that it had in the previous dataset.
        can_be_held: whether it may enter test or validation.
        is_from_source: whether a file brought it, rather than feedback.
        unit: what it stands together with others for; empty for nothing.
        moment: when it arose, for a split by time.
    """

    id: str
    labels: tuple[str, ...] = ()
    given: str = ""
    old: str = ""
    can_be_held: bool = True
    is_from_source: bool = True
    unit: str = ""
    moment: float | None = None


Reasons: TypeAlias = "dict[int, tuple[str, str]]"


@dataclass(frozen=True)
class Assignment:
    """The split of each row (None: in none), and the rows that have no place, with reasons."""

    splits: tuple[str | None, ...]
    dropped: Reasons


def assign(
    rows: Sequence[SplitRow],
    pairs: Iterable[tuple[int, int]],
    config: SplitConfig,
    seed: int,
) -> Assignment:
    """Give each row its split by the law.

    Args:
        rows: all rows.
        pairs: places of rows that are near-duplicates of each other.
        config: shares, and whether the latest rows are the test.
        seed: of the project.
    """
    law = _Law(rows, pairs)
    law.settle_fixed()
    free = law.settle_touching()
    if config.by_time:
        _fill_by_time(law, free, config)
    else:
        _fill_by_label(law, free, config, seed)
    return Assignment(tuple(row.given or law.split.get(p) for p, row in enumerate(rows)), law.gone)


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

    def __init__(self, rows: Sequence[SplitRow], pairs: Iterable[tuple[int, int]]) -> None:
        self.rows = rows
        self.gone: Reasons = {}
        inside = [p for p, row in enumerate(rows) if row.labels and row.given not in HELD]
        self.split: dict[int, str] = {
            p: split for p in inside if (split := rows[p].given or rows[p].old)
        }
        self.near: dict[int, list[int]] = defaultdict(list)
        self.members: dict[str, list[int]] = defaultdict(list)
        for p in inside:
            self.members[rows[p].unit].append(p)
        self.members.pop("", None)
        is_inside = set(inside)
        for one, other in pairs:
            for place, beside in ((one, other), (other, one)):
                if place in is_inside and beside in is_inside:
                    self.near[place].append(beside)
                elif place in is_inside and rows[beside].given in HELD:
                    self._beside_given(place, beside)
        self.waiting = [p for p in inside if p not in self.split and p not in self.gone]
        self.unit_splits: dict[str, dict[str, int]] = {}
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
        first: dict[str, int] = {}
        for place in places:
            for other in self.near[place]:
                yield place, other
            if unit := self.rows[place].unit:
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


def _shares(law: _Law, config: SplitConfig) -> dict[str, float]:
    """What is to be held out: nothing for a split that comes as a file."""
    is_given = {row.given for row in law.rows}
    shares = {"test": config.test, "validation": config.validation}
    return {split: 0.0 if split in is_given else share for split, share in shares.items()}


def _fill_by_label(law: _Law, free: list[list[int]], config: SplitConfig, seed: int) -> None:
    total: Counter[str] = Counter()
    have: dict[str, Counter[str]] = {split: Counter() for split in HELD}
    for unit in free:
        total.update(label for p in unit if _can_be_held(law, unit) for label in law.rows[p].labels)
    for place, split in law.split.items():
        row = law.rows[place]
        if (row.can_be_held or split in HELD) and row.given != "train":
            total.update(row.labels)
        if split in HELD:
            have[split].update(row.labels)
    need = _quotas(total, _shares(law, config))
    for split in HELD:
        need[split].subtract(have[split])
    for unit in sorted(free, key=lambda unit: _draw(law, unit, seed)):
        counts = Counter(label for p in unit for label in law.rows[p].labels)
        split = "train"
        if _can_be_held(law, unit):
            split = next((s for s in HELD if _gain(counts, need[s], total) > 0), "train")
        if split in HELD:
            need[split].subtract(counts)
        law.split.update(dict.fromkeys(unit, split))


def _can_be_held(law: _Law, unit: list[int]) -> bool:
    return all(law.rows[p].can_be_held for p in unit)


def _draw(law: _Law, unit: list[int], seed: int) -> tuple[float, str]:
    name = min(law.rows[p].id for p in unit)
    return unit_interval(seed, "split", name), name


def _quotas(total: Counter[str], shares: dict[str, float]) -> dict[str, Counter[str]]:
    need: dict[str, Counter[str]] = {split: Counter() for split in HELD}
    for label, count in total.items():
        left = count - 1
        for split in HELD:
            wanted = floor(shares[split] * count + 0.5)
            if count >= _EACH_LABEL and shares[split] > 0:
                wanted = max(wanted, 1)
            need[split][label] = min(wanted, left)
            left -= need[split][label]
    return need


def _gain(counts: Counter[str], need: Counter[str], total: Counter[str]) -> float:
    """How much a unit brings a split nearer to its quotas; scarce labels weigh more."""
    gain = 0.0
    for label, count in counts.items():
        useful = min(count, max(need[label], 0))
        gain += (useful - (count - useful)) / total[label]
    return gain


def _fill_by_time(law: _Law, free: list[list[int]], config: SplitConfig) -> None:
    """The latest units are the test, those before them validation, all else training."""
    shares = _shares(law, config)
    num_rows = sum(len(unit) for unit in free) + len(law.split)
    held = Counter(law.split.values())
    need = {split: floor(shares[split] * num_rows + 0.5) - held[split] for split in HELD}
    latest = sorted(free, key=lambda unit: _latest(law, unit), reverse=True)
    for unit in latest:
        split = "train"
        if _can_be_held(law, unit) and all(law.rows[p].moment is not None for p in unit):
            split = next((s for s in HELD if need[s] > 0 and 2 * len(unit) < num_rows), "train")
        if split in HELD:
            need[split] -= len(unit)
        law.split.update(dict.fromkeys(unit, split))


def _latest(law: _Law, unit: list[int]) -> tuple[float, str]:
    moments = [m for p in unit if (m := law.rows[p].moment) is not None]
    return max(moments, default=float("-inf")), min(law.rows[p].id for p in unit)
