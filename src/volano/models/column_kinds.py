"""What each column of a table is, guessed from its name, its type and its cells.

The rule, for each column by itself; the first that fits holds:

1. What the project file says.
2. *constant*: no cell holds anything, or all hold the same.
3. By Arrow type: true or false is *boolean*, a date or a timestamp *date*.
4. Cells that are all yes or no (true/false, on/off, 是/否, 0/1 ...) are *boolean*.
5. Numbers, in a number type or spelt in at least 95 of 100 cells ("1,250.50", "12 %", "$3"; not
   "007", whose zeros mean something). By a name that says day or date, whole ones such as
   20240305 are *date*. By a name such as id, key or 编号 they are *id* where more than half
   differ. By such a name, or one such as zip, code, type or 邮编, few different whole numbers are
   a *category*: their order means nothing. All else is *number*: months from 1 to 12 as well.
6. At least 95 of 100 cells spell a date: *date*.
7. Texts of several words (or many ideograms) of which few are alike: *text*.
8. More than 9 in 10 differ, or more than half by a name such as id: *id*.
9. What is left is *category*, with hundreds of levels too.

Of a long column 20,000 cells, spread evenly, are read for spelling; how many differ is counted over
all. In fewer than 20 rows no column is *id* by its cells alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import MISSING, read_boolean, read_number
from volano.core.errors import Term
from volano.models.dates import read_date
from volano.models.rows import in_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from volano.models.rows import Column

__all__ = [
    "KINDS",
    "ColumnKind",
    "Kind",
    "flat",
    "kinds_of",
    "may_be_text",
    "read_each",
    "read_numbers",
]

Kind: TypeAlias = Literal["number", "category", "boolean", "date", "text", "id", "constant"]

KINDS: tuple[str, ...] = get_args(Kind)

_CODE = re.compile(r"[+-]?0\d+")  # zeros in front mean that it is no quantity

_READ = 20_000  # cells of a column that are looked at for how they are spelt
_MOST = 0.95  # of cells that must be spelt alike
_NEAR_UNIQUE = 0.9
_HALF = 0.5
_FEWEST_ROWS = 20  # below it, that all differ says nothing
_MOST_CODES = 1000  # whole numbers that are codes by their name, but differ more, are numbers
_WORDS = 4.0  # words a cell, on average, from which on a column is text
_TEXT_DIFFERS = 0.3

_ID_WORDS = frozenset({"id", "ids", "uid", "uuid", "guid", "key", "idx", "index", "rowid", "rownum",
    "rownumber", "rownames", "serial", "sn", "no", "nr", "num", "number", "unnamed"})  # fmt: skip
_ID_ENDS = (
    "编号",
    "序号",
    "流水号",
    "单号",
    "账号",
    "卡号",
    "号码",
    "标识",
    "主键",
    "身份证号",
    "工号",
    "学号",
)
_CODE_WORDS = frozenset({"id", "zip", "zipcode", "postcode", "postalcode", "postal", "code", "type",
    "category", "class", "branch", "region", "store", "pin", "pincode"})  # fmt: skip
_CODE_ENDS = (
    "编号",
    "邮编",
    "邮政编码",
    "代码",
    "编码",
    "区号",
    "类型",
    "类别",
    "门店",
    "地区",
    "城市",
)
_DATE_WORDS = frozenset({"date", "day", "dt", "time", "timestamp", "at"})
_DATE_ENDS = ("日期", "日", "时间")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True)
class ColumnKind:
    """What a column is.

    Attributes:
        name: of the column.
        kind: how it is read.
        because: why, as a piece of a sentence; a ``Term``, so it can be said in Chinese.
    """

    name: str
    kind: Kind
    because: str


def read_numbers(column: Column) -> NDArray[np.float64]:
    """``read_number`` of each cell of a column, to the last bit.

    Args:
        column: of any type; what can hold no number gives NaN.

    Returns:
        Shape (rows,); NaN where ``read_number`` says so.
    """
    if may_be_text(column):
        return read_each(column, read_number)
    found = pc.cast(column, pa.float64(), safe=False)
    values: NDArray[np.float64] = flat(found).to_numpy(zero_copy_only=False)
    values = values.astype(np.float64)  # a copy that may be written to
    values[~np.isfinite(values)] = np.nan
    return values


def may_be_text(column: Column) -> bool:
    """Whether cells may hold anything but whole numbers, floats, and true or false."""
    kind = column.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return not is_plain


def read_each(column: Column, read: Callable[[object], float]) -> NDArray[np.float64]:
    """What ``read`` says of each cell, asked once for each different one; shape (rows,)."""
    cells = flat(column)
    kind = cells.type
    if pa.types.is_null(kind) or pa.types.is_nested(kind):
        return np.array([read(cell) for cell in cells.to_pylist()], dtype=np.float64)
    if not pa.types.is_dictionary(kind):
        cells = pc.dictionary_encode(cells)
    levels = [read(cell) for cell in cells.dictionary.to_pylist()]
    by_level = np.array([*levels, read(None)], dtype=np.float64)
    place_N = cells.indices
    if place_N.null_count:
        place_N = pc.fill_null(place_N.cast(pa.int64()), len(levels))
    taken: NDArray[np.float64] = by_level[place_N.to_numpy(zero_copy_only=False)]
    return taken


def flat(column: Column) -> pa.Array:
    """The cells of a column in one piece, of a kind that Python's own objects can hold."""
    column = in_microseconds(column)
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def kinds_of(table: pa.Table, said: Mapping[str, Kind] = {}) -> dict[str, ColumnKind]:
    """What each column of a table is; the rule stands at the top of this file.

    Args:
        table: rows of raw cells.
        said: kinds that the project names; they are not doubted.
    """
    found = {}
    for name in table.column_names:
        if name in said:
            found[name] = ColumnKind(name, said[name], Term("the project file says so"))
        else:
            kind, because = _Cells.of(table.column(name)).kind(name)
            found[name] = ColumnKind(name, kind, because)
    return found


@dataclass(frozen=True)
class _Cells:
    """What is known of a column's cells.

    Attributes:
        type: of the column in Arrow.
        num: cells that hold something.
        missing: cells that do not.
        levels: how many of these differ.
        cells: some of them, spread evenly.
    """

    type: pa.DataType
    num: int
    missing: int
    levels: int
    cells: list[object]

    @classmethod
    def of(cls, column: Column) -> _Cells:
        whole = flat(column)
        if pa.types.is_dictionary(whole.type):
            whole = whole.cast(whole.type.value_type)
        kind = whole.type
        if pa.types.is_nested(kind):
            told = [None if cell is None else str(cell) for cell in whole.to_pylist()]
            whole = pa.array(told, pa.string())
        elif pa.types.is_floating(kind):
            whole = pc.if_else(pc.is_finite(whole), whole, pa.scalar(None, kind))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            trimmed = pc.utf8_lower(pc.utf8_trim_whitespace(whole))
            holds = pc.invert(pc.is_in(trimmed, pa.array(sorted(MISSING), kind)))
            whole = pc.if_else(holds, whole, pa.scalar(None, kind))
        present = pc.drop_null(whole)
        levels = int(pc.count_distinct(present).as_py()) if len(present) else 0
        places = np.linspace(0, len(present) - 1, min(len(present), _READ)).astype(np.int64)
        cells = present.take(pa.array(np.unique(places))).to_pylist()
        return cls(whole.type, len(present), len(whole) - len(present), levels, cells)

    @property
    def differing(self) -> float:
        """Share of the cells that differ."""
        return self.levels / self.num if self.num else 0.0

    def kind(self, name: str) -> tuple[Kind, Term]:
        if self.levels == 0:
            return "constant", Term("no cell holds anything")
        if self.levels == 1 and not self.missing:
            return "constant", Term("all cells hold the same")
        if pa.types.is_boolean(self.type):
            return "boolean", Term("its cells are true and false")
        if pa.types.is_timestamp(self.type) or pa.types.is_date(self.type):
            return "date", Term("its cells are dates")
        if self.levels <= 6 and all(_is_boolean(cell) for cell in self.cells):
            return "boolean", Term("its cells are yes and no, or 1 and 0")
        numbers = [read_number(cell) for cell in self.cells]
        if self._share([number == number for number in numbers]) >= _MOST and not self._is_coded:
            return self._kind_of_numbers(_words_of(name), numbers)
        return self._kind_of_texts(_words_of(name))

    @staticmethod
    def _share(holds: list[bool]) -> float:
        return sum(holds) / len(holds)

    @property
    def _is_coded(self) -> bool:
        """Whether digits are written as a code is: with zeros in front."""
        texts = [cell.strip() for cell in self.cells if isinstance(cell, str)]
        return any(_CODE.fullmatch(text) for text in texts)

    def _kind_of_numbers(self, words: _Words, numbers: list[float]) -> tuple[Kind, Term]:
        is_whole = all(number != number or number == int(number) for number in numbers)
        if is_whole and words.says(_DATE_WORDS, _DATE_ENDS) and self._are_dates():
            return "date", Term("its name and its digits say dates")
        differs = self.differing > _HALF and self.num >= _FEWEST_ROWS
        if is_whole and differs and words.says(_ID_WORDS, _ID_ENDS):
            return "id", Term("its name says so, and most rows differ")
        is_few = self.levels <= min(_MOST_CODES, max(2, self.num * _HALF))
        if is_whole and words.says(_CODE_WORDS, _CODE_ENDS) and is_few:
            return "category", Term("its name says that the numbers are codes")
        return "number", Term("its cells are numbers")

    def _kind_of_texts(self, words: _Words) -> tuple[Kind, Term]:
        if self._are_dates():
            return "date", Term("its cells are dates")
        texts = [str(cell).strip() for cell in self.cells]
        if self.differing > _TEXT_DIFFERS and _num_words(texts) >= _WORDS:
            return "text", Term("its cells are texts of several words")
        if self.num >= _FEWEST_ROWS:
            if self.differing > _NEAR_UNIQUE:
                return "id", Term("nearly every row differs")
            if self.differing > _HALF and words.says(_ID_WORDS, _ID_ENDS):
                return "id", Term("its name says so, and most rows differ")
        return "category", Term("its cells are {levels} different values", levels=self.levels)

    def _are_dates(self) -> bool:
        # Most columns say by a few cells already that they hold none.
        first = [read_date(cell) is not None for cell in self.cells[:20]]
        if self._share(first) < _HALF:
            return False
        return self._share([read_date(cell) is not None for cell in self.cells]) >= _MOST


@dataclass(frozen=True)
class _Words:
    """The words of a column's name, in small letters, and the name as it is."""

    words: tuple[str, ...]
    name: str

    def says(self, words: frozenset[str], ends: tuple[str, ...]) -> bool:
        """Whether the last word is one of these, or a Chinese name ends so."""
        last = [word for word in self.words if not word.isdigit()][-1:]
        return not self.name or (bool(last) and last[0] in words) or self.name.endswith(ends)


def _words_of(name: str) -> _Words:
    """The words of a name, however they are put together.

    >>> _words_of("PULocationID").words
    ('pu', 'location', 'id')
    """
    plain = name.strip()
    return _Words(tuple(word.lower() for word in _WORD.findall(plain)), plain)


def _is_boolean(cell: object) -> bool:
    return read_boolean(cell) == read_boolean(cell)


def _num_words(texts: list[str]) -> float:
    """Words a text on average; two ideograms count as a word."""
    words = sum(len(text.split()) for text in texts)
    ideograms = sum(sum("㐀" <= letter <= "鿿" for letter in text) for text in texts)
    return (words + ideograms / 2) / max(len(texts), 1)
