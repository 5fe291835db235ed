"""The nouns of a page: frozen, made of tuples, each with its JSON form.

Texts arrive in the language of the reader and as plain text; nothing here is HTML. Rates are 0 to
1. A cell keeps its number, so that the JSON twin has the number and only the page has its rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

__all__ = [
    "Bar",
    "Block",
    "Callout",
    "Cell",
    "ChartBlock",
    "Code",
    "Details",
    "Fact",
    "Interval",
    "Json",
    "Kind",
    "Language",
    "Node",
    "Page",
    "Prose",
    "Section",
    "Table",
]

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"
Kind: TypeAlias = Literal["good", "warn", "bad", "info"]
Language: TypeAlias = Literal["en", "zh"]


@dataclass(frozen=True)
class Node:
    """Any part of a page."""

    def to_dict(self) -> dict[str, Json]:
        """The JSON form: the fields under their own names, and a `type` that tells the noun.

        JSON has no NaN and no infinity: both become null.
        """
        content = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"type": self.type_name(), **content}

    @classmethod
    def type_name(cls) -> str:
        """The noun in lower case: `table`, `chart`, `callout`."""
        return cls.__name__.removesuffix("Block").lower()


@dataclass(frozen=True)
class Interval(Node):
    """A measured value and the interval it lies in; `signed` shows a plus, for differences."""

    value: float
    low: float
    high: float
    signed: bool = False


@dataclass(frozen=True)
class Bar(Node):
    """A share between 0 and 1, shown as a percentage with a bar behind it."""

    share: float


Cell: TypeAlias = "str | int | float | None | Interval | Bar"


@dataclass(frozen=True)
class Fact(Node):
    """One headline number; `kind` colours it, and `note` says what it is to be compared with."""

    label: str
    value: Cell
    note: str = ""
    kind: Kind = "info"


@dataclass(frozen=True)
class Prose(Node):
    """Running text; an empty line starts a new paragraph."""

    text: str


@dataclass(frozen=True)
class Callout(Node):
    """A finding that must not be missed: a short title and what it means."""

    kind: Kind
    title: str
    text: str = ""


@dataclass(frozen=True)
class Table(Node):
    """Rows under columns; a column without text is aligned right.

    With `max_rows` the page shows the first rows and says how many there are; the JSON twin has
    all.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    max_rows: int | None = None

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a table row has {len(row)} cells for {len(self.columns)} columns\n"
                    f"  at   row {number} of the table {self.caption!r}\n"
                    "  try  give each row one cell per column, None where there is no value"
                )

    @property
    def shown_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows that the page shows."""
        return self.rows[: self.max_rows]

    @property
    def numeric_columns(self) -> tuple[bool, ...]:
        """For each column, whether it holds numbers and no text."""
        by_column = (tuple(row[i] for row in self.rows) for i in range(len(self.columns)))
        return tuple(_is_numeric(column) for column in by_column)


@dataclass(frozen=True)
class ChartBlock(Node):
    """A chart; `alt` says in one sentence what it shows, for who cannot see it.

    `option` is an Apache ECharts option made of JSON values. A chart with `height` "auto" grows
    with its number of rows.
    """

    title: str
    option: Mapping[str, object]
    alt: str
    height: int | Literal["auto"] = "auto"


@dataclass(frozen=True)
class Code(Node):
    """Text in which every space counts: a command, a file, a raw example."""

    text: str


@dataclass(frozen=True)
class Details(Node):
    """Blocks behind a line that opens them."""

    summary: str
    blocks: tuple[Block, ...]


Block: TypeAlias = "Prose | Callout | Table | ChartBlock | Details | Code"


@dataclass(frozen=True)
class Section(Node):
    """Blocks under one heading; `note` says in a quiet line how to read them."""

    title: str
    blocks: tuple[Block, ...]
    note: str = ""


@dataclass(frozen=True)
class Page(Node):
    """One report: what it is about, the finding, the headline numbers, and the evidence.

    `generated` is the moment as the caller wants it shown: the renderer reads no clock, so that
    the same page is always the same file.
    """

    title: str
    subtitle: str = ""
    sections: tuple[Section, ...] = ()
    language: Language = "en"
    generated: str | None = None
    facts: tuple[Fact, ...] = ()
    headline: Callout | None = None


def _is_numeric(column: tuple[Cell, ...]) -> bool:
    present = [cell for cell in column if cell is not None]
    return bool(present) and not any(isinstance(cell, str) for cell in present)


def _plain(value: object) -> Json:
    match value:
        case Node():
            return value.to_dict()
        case float():
            return value if math.isfinite(value) else None
        case str() | int() | None:
            return value
        case Mapping():
            return {str(key): _plain(member) for key, member in value.items()}
        case tuple() | list():
            return [_plain(member) for member in value]
    raise TypeError(
        f"a page cannot hold a {type(value).__name__}: {value!r}\n"
        "  at   a cell, or a value in the option of a chart\n"
        "  try  give a str, int, float, bool or None (for numpy: `.item()` or `.tolist()`)"
    )
