"""What columns and answers were like in training, and how far other rows have moved from it.

``statistics.json`` lies beside each bundle. It quotes no person: bins end at rounded quantiles over
people, and a level is named where at least twenty people hold it. Moves are measured by the
population stability index (Siddiqi 2006, Credit Risk Scorecards); what chance makes of it is known
(Yurdakul 2018, Statistical Properties of Population Stability Index).

Shape suffixes: N rows, P parts (bins or levels, all others, missing).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from volano.core.cells import is_missing, read_boolean
from volano.core.errors import StoreError
from volano.models.bundle import damaged
from volano.models.column_kinds import Kind, flat, read_each, read_numbers
from volano.models.dates import EPOCH, read_date, says_day_first
from volano.models.table_columns import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from volano.models.rows import Column

__all__ = [
    "MOVED",
    "STATISTICS",
    "Aspect",
    "Measure",
    "Move",
    "Statistics",
    "day_text",
    "days_of",
    "rounded_apart",
]

STATISTICS = "statistics.json"
MOVED = 0.2  # a stability index from here on is a shift, where chance does not make it too
_FORMAT = 1
_TENTHS = np.linspace(0.1, 0.9, 9)
_OUTER = 0.01
_PEOPLE_BEYOND = 5  # an outer quantile is no single person's cell
_FEWEST_PEOPLE = 20
_MOST_LEVELS = 50
_FEWEST_EXPECTED = 5.0  # rows of a part, below which its share says little (Cochran 1954)
_CHANCE = 0.01  # that any of the measures that are looked at together seems to have moved
_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = (datetime.min - EPOCH) // _DAY, (datetime.max - EPOCH) // _DAY

Aspect: TypeAlias = Literal["value", "length", "language", "presence", "label", "confidence"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Move:
    """How far rows have moved from those of training.

    Attributes:
        psi: population stability index, over parts that enough rows can be expected in.
        chance: what all measures that are looked at together stay below by chance, unless in one
            case of a hundred.
        part: the part whose share changed most.
        before: that share in training.
        now: that share in these rows.
    """

    psi: float
    chance: float
    part: int
    before: float
    now: float

    @property
    def is_moved(self) -> bool:
        """Whether this is a shift, and more than chance."""
        return self.psi >= MOVED and self.psi > self.chance


@dataclass(frozen=True)
class Measure:
    """The shares of rows by one aspect of a column, or of the answers.

    Attributes:
        column: its name; empty of answers.
        aspect: what of it: its value, the length or the language of a text, whether there is any;
            of answers the label, the confidence or the value.
        kind: how cells are read; dates count days since 1970.
        shares: of all rows: by bin, or by level and then all others; then missing.
        edges: between bins; a value on an edge is in the bin below.
        levels: of what has no order, the commonest first.
        low: a hundredth of the people lie below, rounded; None where there are too few.
        high: a hundredth of the people lie above.
        num_rows: behind the shares.
        num_units: people (or groups of near-duplicates, or rows) behind these.
        is_day_first: whether 5/3/2024 is the fifth of March.
    """

    column: str
    aspect: Aspect
    kind: Kind
    shares: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    num_rows: int = 0
    num_units: int = 0
    is_day_first: bool = False

    @classmethod
    def of(
        cls, column: str, aspect: Aspect, kind: Kind, cells: Column, unit_N: NDArray[np.int64]
    ) -> Self:
        """Measure training rows.

        Args:
            column: its name.
            aspect: what of it.
            kind: how cells are read.
            cells: of the rows.
            unit_N: whose each row is: a person counts once for where bins end, and for whether a
                level may be named.
        """
        habit = kind == "date" and says_day_first(_texts(cells))
        people, unit_N = np.unique(unit_N, return_inverse=True)
        about: dict[str, Any] = {
            "num_rows": len(cells),
            "num_units": len(people),
            "is_day_first": habit,
        }
        blank = cls(column, aspect, kind, **about)
        if blank.is_ordered:
            about |= _bins(blank._values(cells), unit_N)
        elif aspect != "presence":
            # The labels of a model are no secret of one person: its bundle names them all.
            fewest = 1 if aspect == "label" else _FEWEST_PEOPLE
            about["levels"] = _levels(blank._keys(cells), unit_N, fewest)
        made = cls(column, aspect, kind, **about)
        share_P = made.count(cells) / max(len(cells), 1)
        return cls(column, aspect, kind, tuple(np.round(share_P, 6).tolist()), **about)

    @property
    def is_ordered(self) -> bool:
        """Whether its parts are bins, not levels."""
        if self.aspect == "value":
            return self.kind in ("number", "date")
        return self.aspect in ("length", "confidence")

    @property
    def num_parts(self) -> int:
        """Bins, or levels and all others; and missing."""
        return len(self.edges) + len(self.levels) + 2

    def count(self, cells: Column) -> Ints:
        """How many of these cells are in each part, shape (P,)."""
        if self.is_ordered:
            value_N = self._values(cells)
            place_N = np.searchsorted(np.array(self.edges), value_N, side="left")
            place_N = np.where(np.isnan(value_N), self.num_parts - 1, place_N)
        else:
            places = {level: float(place) for place, level in enumerate(self.levels)}
            others, missing = float(len(self.levels)), float(self.num_parts - 1)
            key = self._key_of()

            def place_of(cell: object) -> float:
                found = key(cell)
                return missing if found is None else places.get(found, others)

            place_N = read_each(cells, place_of).astype(np.int64)
        return np.bincount(place_N, minlength=self.num_parts)

    def moved(self, count_P: Ints, num_units: int, num_measures: int = 1) -> Move:
        """How far rows have moved whose ``count`` this is.

        Parts in which fewer than five of them are to be expected go together with their neighbours,
        so that few rows say little; chance is reckoned with people, since one person's rows are
        alike.

        Args:
            count_P: of the rows.
            num_units: how many people they are of.
            num_measures: how many measures are looked at together.
        """
        before_P, total = np.array(self.shares), int(count_P.sum())
        now_P = count_P / max(total, 1)
        first_G = _groups(before_P * num_units)
        psi = _stability(before_P * self.num_rows, count_P, first_G)
        chance = 0.0
        if self.num_units and num_units:
            spread = 1.0 / self.num_units + 1.0 / num_units
            chance = spread * _chi_square(1.0 - _CHANCE / num_measures, len(first_G) - 1)
        part = int(np.argmax(np.abs(now_P - before_P)))
        return Move(psi, chance, part, float(before_P[part]), float(now_P[part]))

    def _values(self, cells: Column) -> Floats:
        """What bins are of; NaN is missing, or not to be read as the kind."""
        if self.aspect == "length":
            return read_each(cells, _length)
        if self.kind == "date":
            return read_each(cells, partial(days_of, is_day_first=self.is_day_first))
        return read_numbers(cells)

    def _keys(self, cells: Column) -> tuple[list[str], Ints]:
        """Levels that occur, and the place of each cell's among them; -1 is missing."""
        key, known = self._key_of(), dict[str, int]()

        def place_of(cell: object) -> float:
            found = key(cell)
            return -1.0 if found is None else float(known.setdefault(found, len(known)))

        place_N = read_each(cells, place_of).astype(np.int64)
        return list(known), place_N

    def _key_of(self) -> Callable[[object], str | None]:
        if self.aspect == "presence":
            return lambda cell: None if is_missing(cell) else ""
        if self.aspect in ("label", "language"):
            return lambda cell: str(cell) if cell else None
        return _yes_or_no if self.kind == "boolean" else _level


@dataclass(frozen=True)
class Statistics:
    """All that is kept of the training rows of a model, and of its answers to held-out rows.

    Attributes:
        num_rows: rows that were learnt from.
        num_sampled: how many of these were measured, spread evenly over all.
        columns: measures of what the model reads.
        answers: measures of answers to rows that the answering model had not seen.
    """

    num_rows: int
    num_sampled: int
    columns: tuple[Measure, ...]
    answers: tuple[Measure, ...]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What lies beside a bundle; None beside one that an older volano made.

        Raises:
            StoreError: the file is damaged, or a newer volano wrote it.
        """
        path = folder / STATISTICS
        if not path.exists():
            return None
        try:
            told = json.loads(path.read_text("utf-8"))
            if told["format"] <= _FORMAT:
                columns, answers = (
                    tuple(Measure(**_as_tuples(one)) for one in told[name])
                    for name in ("columns", "answers")
                )
                return cls(told["num_rows"], told["num_sampled"], columns, answers)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise damaged(path, error) from None
        raise StoreError(
            "the bundle has format {found}; this volano reads up to {known}",
            where=str(path),
            fix="pip install --upgrade volano",
            found=told["format"],
            known=_FORMAT,
        )

    def write(self, folder: Path) -> None:
        """Write them beside the bundle."""
        text = json.dumps({"format": _FORMAT, **asdict(self)}, ensure_ascii=False, indent=1)
        (folder / STATISTICS).write_text(text + "\n", "utf-8")


def rounded_apart(values: Sequence[float] | Floats) -> list[float]:
    """Ascending numbers in so few digits that they still differ: places on a scale, not cells.

    Each to a power of ten of at most a quarter of the way to its neighbour.

    >>> rounded_apart([11.37, 48.02, 99.41, 773311.25])
    [11.0, 48.0, 100.0, 800000.0]
    """
    known = [float(value) for value in values]
    if len(known) < 2:
        return [_rounded(value, abs(value) / 5) for value in known]
    gaps = [min(after - before, 1e300) for before, after in zip(known, known[1:], strict=False)]
    nearest = [min(pair) for pair in zip([gaps[0], *gaps], [*gaps, gaps[-1]], strict=True)]
    return [_rounded(value, gap) for value, gap in zip(known, nearest, strict=True)]


def _rounded(value: float, gap: float) -> float:
    if not gap > 1e-300:
        return value
    digits = -math.floor(math.log10(gap / 4))
    return round(value, digits) + 0.0  # no minus before a zero


def day_text(days: float) -> str:
    """The date that lies so many days after 1970 began; past the calendar's ends, its last.

    >>> day_text(19787.0)
    '2024-03-05'
    """
    moment: datetime = EPOCH + min(max(days, _FIRST_DAY), _LAST_DAY) * _DAY
    return moment.date().isoformat()


def days_of(cell: object, *, is_day_first: bool) -> float:
    """Days from 1970 to the date in a cell; NaN where there is none."""
    moment = None if is_missing(cell) else read_date(cell, is_day_first=is_day_first)
    return math.nan if moment is None else (moment - EPOCH) / _DAY


def _bins(value_N: Floats, unit_N: Ints) -> dict[str, Any]:
    """Edges, and the usual range, over people: the first known value of each."""
    is_known_N = np.isfinite(value_N)
    first_U = np.unique(unit_N[is_known_N], return_index=True)[1]
    value_U = value_N[is_known_N][first_U]
    if value_U.size < _FEWEST_PEOPLE:
        return {}
    outer = min(max(_OUTER, _PEOPLE_BEYOND / value_U.size), float(_TENTHS[0]))
    shares = [outer, *_TENTHS, 1.0 - outer]
    found, place_Q = np.unique(np.quantile(value_U, shares, method="nearest"), return_inverse=True)
    rounded = np.array(rounded_apart(found))[place_Q].tolist()
    edges = tuple(dict.fromkeys(rounded[1:-1]))
    return {"edges": edges, "low": rounded[0], "high": rounded[-1]}


def _levels(
    keys: tuple[list[str], Ints], unit_N: NDArray[np.int64], fewest: int
) -> tuple[str, ...]:
    """The commonest levels that enough people hold; ``unit_N`` numbers people from 0."""
    known, place_N = keys
    is_known_N = place_N >= 0
    num_people = int(unit_N.max(initial=0)) + 1
    pair_N = np.sort(place_N[is_known_N] * num_people + unit_N[is_known_N])
    is_first_N = np.diff(pair_N, prepend=-1) > 0  # numpy's own way to distinct numbers is slower
    people_L = np.bincount(pair_N[is_first_N] // num_people, minlength=len(known))
    count_L = np.bincount(place_N[is_known_N], minlength=len(known))
    ranked = sorted(range(len(known)), key=lambda place: (-count_L[place], known[place]))
    return tuple(known[place] for place in ranked if people_L[place] >= fewest)[:_MOST_LEVELS]


def _groups(expected_P: Floats) -> list[int]:
    """Where each group of neighbouring parts begins, so that enough are expected in all of them."""
    first, total = [0], 0.0
    for place, expected in enumerate(expected_P.tolist()):
        if total >= _FEWEST_EXPECTED and float(expected_P[place:].sum()) >= _FEWEST_EXPECTED:
            first.append(place)
            total = 0.0
        total += expected
    return first


def _stability(before_P: Floats, now_P: Ints, first_G: list[int]) -> float:
    """The index over groups of parts; half a row is added to each, so that none is empty."""
    before_G, now_G = (np.add.reduceat(found, first_G) + 0.5 for found in (before_P, now_P))
    before_G, now_G = before_G / before_G.sum(), now_G / now_G.sum()
    return float(((now_G - before_G) * np.log(now_G / before_G)).sum())


def _chi_square(share: float, freedom: int) -> float:
    """The value that so large a share of a chi-square distribution lies below."""
    from scipy.special import gammaincinv

    return 2.0 * float(gammaincinv(freedom / 2.0, share)) if freedom else 0.0


def _texts(cells: Column) -> list[str]:
    """The different texts among the cells."""
    whole = flat(cells)
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary
    is_text = pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type)
    return [cell for cell in pc.unique(whole).to_pylist() if cell] if is_text else []


def _length(cell: object) -> float:
    return math.nan if is_missing(cell) else float(len(str(cell).strip()))


def _level(cell: object) -> str | None:
    return None if is_missing(cell) else key_of(cell)


def _yes_or_no(cell: object) -> str | None:
    return {1.0: "yes", 0.0: "no"}.get(read_boolean(cell))


def _as_tuples(told: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}
