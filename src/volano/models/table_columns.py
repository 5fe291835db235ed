"""One column of a table as training rows showed it: from a cell to a number, or to several."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import is_missing, read_boolean, read_number
from volano.models.column_kinds import flat, may_be_text, read_each, read_numbers
from volano.models.dates import EPOCH, read_date, says_day_first
from volano.models.text_features import normalise_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from volano.models.column_kinds import Kind
    from volano.models.rows import Column, Row

__all__ = ["DATE_CYCLES", "DATE_PARTS", "FittedColumn", "Read", "fit_column", "key_of", "shown"]

Read = Callable[[object], Any]

DATE_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
DATE_PARTS = ("days", "month", "day", "weekday", "hour")
_TEXT_PARTS = ("length", "words", "digits")
_DAY = 86_400_000_000  # microseconds

_MOST_LEVELS = 1000
_MOST_ONE_HOT = 200
_RARE = 1000  # a level of fewer than one in so many rows is rare,
_NEVER_RARE = 20  # unless it has so many
_MOST_SPELLINGS = 4096  # of levels, that a reader keeps beside them
_SHOWN = 40  # characters of a cell in a reason


@dataclass(frozen=True)
class FittedColumn:
    """What training rows said of a column.

    Attributes:
        name: of the column.
        kind: how it is read; ``id`` and ``constant`` make no feature.
        because: why.
        levels: of a category, the commonest first; a level's code is its place.
        num_one_hot: how many of these have a feature of their own in ``dense``.
        has_rare: whether rarer levels were merged; a level that is new is then read as rare.
        has_missing: whether training rows lacked it.
        has_junk: whether training rows held cells that cannot be read as this kind.
        is_day_first: whether 5/3/2024 is the fifth of March.
        parts: of a date or a text, what of it differs between rows.
    """

    name: str
    kind: Kind
    because: str = ""
    levels: tuple[str, ...] = ()
    num_one_hot: int = 0
    has_rare: bool = False
    has_missing: bool = False
    has_junk: bool = False
    is_day_first: bool = False
    parts: tuple[str, ...] = ()

    @property
    def features(self) -> list[str]:
        """The names of the features that it makes; none where nothing differs."""
        if self.kind in ("id", "constant"):
            return []
        return [f"{self.name}.{part}" for part in self.parts] if self.is_split else [self.name]

    @property
    def is_split(self) -> bool:
        """Whether it is read as parts."""
        return self.kind in ("date", "text")

    @property
    def num_codes(self) -> int:
        """How many codes a category has: its levels, the rare ones, and missing."""
        return len(self.levels) + self.has_rare + self.has_missing

    def with_dates_of(self, wanted: Collection[str]) -> FittedColumn:
        """The same; of a date these parts alone make features."""
        if self.kind != "date":
            return self
        parts = tuple(part for part in self.parts if part in wanted)
        return replace(self, parts=parts) if parts else replace(self, kind="constant", parts=())

    def reader(self) -> Read:
        """From a cell to its number, or to a tuple of one for each part."""
        match self.kind:
            case "boolean":
                return read_boolean
            case "category":
                return _Levels(self)
            case "date":
                return partial(_date_parts, parts=self.parts, is_day_first=self.is_day_first)
            case "text":
                return partial(_text_parts, parts=self.parts)
        return read_number


class _Levels:
    """From a cell to the code of its level; NaN where nothing like it was seen in training."""

    def __init__(self, column: FittedColumn) -> None:
        self._codes = {level: float(place) for place, level in enumerate(column.levels)}
        # Spellings as they come ("Yes" for "yes"), so that most cells take one look; bounded,
        # since anybody may send new ones.
        self._spelt = dict(self._codes)
        self._most = len(self._codes) + _MOST_SPELLINGS
        num = len(self._codes)
        self._rare = float(num) if column.has_rare else math.nan
        self._missing = float(num + column.has_rare) if column.has_missing else math.nan

    def __call__(self, cell: object) -> float:
        if type(cell) is str:
            found = self._spelt.get(cell)
            if found is not None:
                return found
        if is_missing(cell):
            return self._missing
        code = self._codes.get(key_of(cell), self._rare)
        if type(cell) is str and len(self._spelt) < self._most:
            self._spelt[cell] = code
        return code


def key_of(cell: object) -> str:
    """The one spelling of a level: width, case and spaces fold; 3, 3.0 and "3" are one.

    >>> key_of(" Self-Employed "), key_of(3.0), key_of(True)
    ('self-employed', '3', 'true')
    """
    if isinstance(cell, str):
        return normalise_text(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return normalise_text(str(cell))


def shown(column: str, row: Row) -> str:
    """A column and its cell, as a reason names them; "?" where there is none.

    >>> shown("tenure", {"tenure": 2.0})
    'tenure = 2'
    """
    cell = row.get(column)
    if is_missing(cell):
        return f"{column} = ?"
    whole = isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15
    text = " ".join(str(int(cell) if whole else cell).split())  # type: ignore[call-overload]
    return f"{column} = {text[: _SHOWN - 1] + '…' if len(text) > _SHOWN else text}"


def fit_column(
    name: str,
    kind: Kind,
    because: str,
    column: Column,
    unit_N: NDArray[np.int64] | None = None,
) -> FittedColumn:
    """What the cells of training rows say of a column of this kind.

    ``unit_N`` says whose each row is: a level that one person alone has is not named.
    """
    if kind == "number" and not may_be_text(column):
        has_missing = bool(np.isnan(read_numbers(column)).any())
        return FittedColumn(name, kind, because, has_missing=has_missing)
    present_N = read_each(column, lambda cell: not is_missing(cell)) > 0
    found = FittedColumn(name, kind, because, has_missing=not bool(present_N.all()))
    match kind:
        case "category":
            return _with_levels(found, column, unit_N)
        case "date":
            habit = says_day_first(_texts(column))
            found = replace(found, is_day_first=habit, parts=DATE_PARTS)
            return _with_parts(found, column, present_N)
        case "text":
            return _with_parts(replace(found, parts=_TEXT_PARTS), column, present_N)
        case "id" | "constant":
            return found
    return _with_junk(found, np.isnan(read_each(column, found.reader())), present_N)


def _with_junk(
    column: FittedColumn, unread_N: NDArray[np.bool_], present_N: NDArray[np.bool_]
) -> FittedColumn:
    """Cells that cannot be read are missing, and known to come."""
    has_junk = bool((unread_N & present_N).any())
    return replace(column, has_missing=bool(unread_N.any()), has_junk=has_junk)


def _with_levels(
    column: FittedColumn, cells: Column, unit_N: NDArray[np.int64] | None
) -> FittedColumn:
    counts: Counter[str] = Counter()
    whole = flat(cells)
    if pa.types.is_nested(whole.type):
        counts.update(key_of(cell) for cell in whole.to_pylist() if not is_missing(cell))
    else:
        for found in pc.value_counts(whole):
            cell = found["values"].as_py()
            if not is_missing(cell):
                counts[key_of(cell)] += found["counts"].as_py()
    fewest = max(2, min(_NEVER_RARE, len(whole) // _RARE))
    ranked = sorted(counts.items(), key=lambda level: (-level[1], level[0]))
    own = set() if unit_N is None else _of_one_person(whole, unit_N)
    kept = (level for level, num in ranked if num >= fewest and level not in own)
    levels = tuple(islice(kept, _MOST_LEVELS))
    num_one_hot, has_rare = min(len(levels), _MOST_ONE_HOT), len(levels) < len(ranked)
    return replace(column, levels=levels, num_one_hot=num_one_hot, has_rare=has_rare)


def _of_one_person(cells: pa.Array, unit_N: NDArray[np.int64]) -> set[str]:
    """Levels that rows of one unit alone have: they are that person's words, as a name is."""
    known: dict[str, int] = {}

    def place_of(cell: object) -> float:
        return -1.0 if is_missing(cell) else float(known.setdefault(key_of(cell), len(known)))

    place_N = read_each(cells, place_of).astype(np.int64)
    held_N = place_N >= 0
    last_L = np.zeros(len(known), np.int64)
    last_L[place_N[held_N]] = unit_N[held_N]  # any one of the level's rows
    shared_L = np.zeros(len(known), np.bool_)
    shared_L[place_N[held_N][last_L[place_N[held_N]] != unit_N[held_N]]] = True
    return {level for level, place in known.items() if not shared_L[place]}


def _texts(column: Column) -> list[str]:
    """The different texts among the cells."""
    whole = flat(column)
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary
    is_text = pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type)
    return [cell for cell in pc.unique(whole).to_pylist() if cell] if is_text else []


def _with_parts(column: FittedColumn, cells: Column, present_N: NDArray[np.bool_]) -> FittedColumn:
    """With those parts alone that differ between rows."""
    part_NP = read_each(cells, column.reader()).reshape(-1, len(column.parts))
    unread_N = np.isnan(part_NP.min(axis=1))
    if unread_N.all():
        return replace(column, kind="constant", parts=())
    read = part_NP[~unread_N]
    differs = read.min(axis=0) < read.max(axis=0)
    parts = tuple(part for part, keeps in zip(column.parts, differs, strict=True) if keeps)
    return _with_junk(replace(column, parts=parts), unread_N, present_N)


def _date_parts(cell: object, *, parts: Sequence[str], is_day_first: bool) -> tuple[float, ...]:
    moment = None if is_missing(cell) else read_date(cell, is_day_first=is_day_first)
    if moment is None:
        return (math.nan,) * len(parts)
    since = moment - EPOCH
    found = {
        "days": ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) / _DAY,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "hour": moment.hour,
    }
    return tuple(float(found[part]) for part in parts)


def _text_parts(cell: object, *, parts: Sequence[str]) -> tuple[float, ...]:
    if is_missing(cell):
        return (math.nan,) * len(parts)
    text = str(cell).strip()
    found = {
        "length": len(text),
        "words": len(text.split()),
        "digits": sum(letter.isdigit() for letter in text),
    }
    return tuple(float(found[part]) for part in parts)
