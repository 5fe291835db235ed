"""What a request for predictions may say, and which row of it is wrong.

A row must bring every column that moves answers, by name: what is left out by mistake would be
answered as missing, in silence. ``null`` says that a cell is missing; a level of a category that
training never saw is answered; columns that the model does not read are let pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from volano.core.errors import Term, UserError
from volano.core.subjects import subject_name
from volano.core.wire import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.errors import Language
    from volano.models.table_columns import FittedColumn
    from volano.models.table_features import TableFeaturiser

__all__ = ["MAX_NAME", "Columns", "PredictRequest", "check_row", "read_request"]

_KEYS = frozenset(("inputs", "explain", "subject", "group"))
MAX_NAME = 500
_SEND = "send {example}"
_NAMED = 8  # columns of a row that an error names
_LARGE = 10**300  # a larger number is none
_LONGEST, _MOST_KNOWN = 40, 10_000  # of texts that are kept as read
_FLAT: frozenset[type] = frozenset((str, float, int, bool, type(None)))
_PASS: Mapping[str, frozenset[type]] = {
    "number": _FLAT - {str, bool},
    "boolean": _FLAT - {str, int, float},
    "date": frozenset((type(None),)),
    "category": _FLAT,
    "text": _FLAT,
}
_EXAMPLES: Mapping[str, Any] = {
    "boolean": True,
    "date": "2024-03-05",
    "text": "...",
    "category": "...",
}


@dataclass(frozen=True, eq=False)
class Columns:
    """What a row must bring, and who and which group it is of, by the project's own names.

    Attributes:
        reads: the columns that the model reads.
        subject: the column that says whose row it is; empty where there is none.
        group: the column that says which group it is of.
        table: what knows the columns of a table; None where the model reads texts.
    """

    reads: tuple[str, ...]
    subject: str = ""
    group: str = ""
    table: TableFeaturiser | None = None

    def of(self, reads: tuple[str, ...], table: TableFeaturiser | None) -> Columns:
        """The same project with what another model reads."""
        return replace(self, reads=reads, table=table)

    @cached_property
    def kinds(self) -> Mapping[str, FittedColumn]:
        """Of a table, what each column holds, by name."""
        return {} if self.table is None else {one.name: one for one in self.table.columns}

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Those that a row must bring: of a table, the columns that can move an answer."""
        known = self.kinds
        return tuple(name for name in self.reads if name not in known or known[name].features)

    @cached_property
    def quick(self) -> tuple[tuple[str, frozenset[type], set[str]], ...]:
        """For each column of a table: types whose values pass unread, and texts that were read.

        Reading every cell of a request before it is answered would cost as much as the answer.
        """
        return tuple((name, _PASS[self.kinds[name].kind], set()) for name in self.needed)

    @cached_property
    def typical(self) -> Mapping[str, float]:
        """Of a table, the median of training rows of each column of numbers, in three digits."""
        if self.table is None:
            return {}
        known = self.table.columns
        # Scales of columns of one feature come first, then those of parts of dates and texts.
        plain = [c.name for c in known if c.features and c.kind in ("number", "boolean")]
        medians = zip(plain, self.table.scaling.centre.tolist(), strict=False)
        return {name: _short(median) for name, median in medians}

    def example_row(self) -> dict[str, Any]:
        """A row as it may be sent: the commonest levels, and typical numbers."""
        return {name: self._cell(name) for name in self.needed}

    def _cell(self, name: str) -> Any:
        column = self.kinds.get(name)
        if column is None:
            return "..."
        if column.kind == "number":
            return self.typical[name]
        return column.levels[0] if column.levels else _EXAMPLES[column.kind]

    def example(self) -> str:
        """A request as it may be sent."""
        return dump_json({"inputs": [self.example_row()]}).decode()


def _short(number: float) -> float:
    """In three digits; whole where it is one, or is ten and more: nobody is 39.5 years old."""
    rounded = float(f"{number:.3g}")
    is_whole = rounded.is_integer() or abs(rounded) >= 10
    return round(rounded) if is_whole and abs(rounded) < 1e15 else rounded


@dataclass(frozen=True)
class PredictRequest:
    """A checked request: raw rows, and the subject and group of each.

    Attributes:
        rows: as they came.
        subjects: whose each is.
        groups: which group each is of.
        columns: what the rows were checked by.
        explain: whether reasons are asked for.
        language: in which they are said.
    """

    rows: tuple[Mapping[str, Any], ...]
    subjects: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    columns: Columns
    explain: bool = False
    language: Language = "en"

    def recheck(self, columns: Columns) -> None:
        """Check again where another model answers by now.

        Raises:
            UserError: a row lacks a column that this one reads, or a cell is of another kind.
        """
        if columns is not self.columns:
            for index, row in enumerate(self.rows):
                check_row(row, columns, index)


def read_request(
    body: object, columns: Columns, max_batch: int, language: Language = "en"
) -> PredictRequest:
    """Check what came.

    Raises:
        UserError: says which input and which field, and what to send instead.
    """
    if not isinstance(body, dict):
        raise UserError(
            "the body is {kind}, not an object",
            where="body",
            fix=_SEND,
            kind=_kind(body),
            example=columns.example(),
        )
    for key in body:
        if key not in _KEYS:
            raise UserError(
                "{key!r} is not part of a request",
                where="body",
                fix=_SEND,
                key=key[:80],
                example=columns.example(),
            )
    rows = _rows(body.get("inputs"), columns, max_batch)
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise UserError(
            "'explain' is {kind}", where="explain", fix="true or false", kind=_kind(explain)
        )
    subject = _name(body.get("subject"), "subject")
    group = _name(body.get("group"), "group")
    return PredictRequest(
        rows,
        _names(rows, columns.subject, subject),
        _names(rows, columns.group, group, may_be_yes=columns.table is not None),
        columns,
        explain,
        language,
    )


def _rows(inputs: object, columns: Columns, max_batch: int) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(inputs, list) or not inputs:
        raise UserError(
            "'inputs' is {kind}, not a list of rows",
            where="inputs",
            fix=_SEND,
            kind=Term("empty") if inputs == [] else _kind(inputs),
            example=columns.example(),
        )
    if len(inputs) > max_batch:
        raise UserError(
            "{count} inputs in one request; {limit} are allowed",
            where="inputs",
            fix="send them in parts of {limit}, or raise serve.max_batch",
            count=len(inputs),
            limit=max_batch,
        )
    for index, row in enumerate(inputs):
        if not isinstance(row, dict):
            raise UserError(
                "{place} is {kind}, not an object",
                where=f"inputs[{index}]",
                place=f"inputs[{index}]",
                fix=_SEND,
                kind=_kind(row),
                example=dump_json(columns.example_row()).decode(),
            )
        check_row(row, columns, index)
    return tuple(inputs)


def check_row(row: Mapping[str, Any], columns: Columns, index: int = 0) -> None:
    """See that a row brings what the model reads, and that it can be read.

    Args:
        row: by the project's own column names.
        columns: what the model reads.
        index: the row's place in its request, for errors.

    Raises:
        UserError: a column is not there, or a cell cannot be what its column holds; says which.
    """
    if columns.table is None:
        for name in columns.reads:
            if not isinstance(row.get(name), str):
                _refuse_text(row, name, f"inputs[{index}]")
        return
    is_odd = False
    for name, passing, known in columns.quick:
        cell = row.get(name, columns)
        kind = type(cell)
        if kind is int and int in passing:
            is_odd |= not -_LARGE < cell < _LARGE
        elif kind not in passing and not (kind is str and cell in known):
            is_odd = True
    if is_odd:
        _read_cells(row, columns, columns.table, index)


def _read_cells(
    row: Mapping[str, Any], columns: Columns, table: TableFeaturiser, index: int
) -> None:
    """The long way: what is absent or cannot be read is refused, and texts that can are kept."""
    if any(name not in row for name in columns.needed):
        _refuse_absent(row, columns, f"inputs[{index}]")
    table.check(row, index)
    for name, _, known in columns.quick:
        cell = row[name]
        if isinstance(cell, str) and len(cell) <= _LONGEST and len(known) < _MOST_KNOWN:
            known.add(cell)


def _refuse_absent(row: Mapping[str, Any], columns: Columns, where: str) -> None:
    absent = [name for name in columns.needed if name not in row]
    named = ", ".join(repr(name) for name in absent[:_NAMED])
    if len(absent) > _NAMED:
        named = Term("{columns} and {count} more", columns=named, count=len(absent) - _NAMED)
    raise UserError(
        "{place} lacks {columns}",
        where=f"{where}.{absent[0]}",
        fix="send each of them, null where a cell is missing",
        place=where,
        columns=named,
    )


def _refuse_text(row: Mapping[str, Any], name: str, where: str) -> None:
    if name not in row:
        raise UserError(
            "{place} has no {name!r}; it holds {found}",
            where=f"{where}.{name}",
            fix="send the text as {name!r}",
            place=where,
            name=name,
            found=", ".join(repr(key[:40]) for key in list(row)[:_NAMED]) or Term("nothing"),
        )
    raise UserError(
        "{name!r} of {place} is {kind}, not a text",
        where=f"{where}.{name}",
        fix='send a string, "" where there is none',
        place=where,
        name=name,
        kind=_kind(row[name]),
    )


def _names(
    rows: tuple[Mapping[str, Any], ...],
    column: str,
    of_all: str | None,
    *,
    may_be_yes: bool = False,
) -> tuple[str | None, ...]:
    if not column:
        return (of_all,) * len(rows)
    found = (
        _name(row.get(column), f"inputs[{i}].{column}", may_be_yes=may_be_yes)
        for i, row in enumerate(rows)
    )
    return tuple(of_all if name is None else name for name in found)


def _name(value: object, where: str, *, may_be_yes: bool = False) -> str | None:
    """A name; a group of a table may be true or false."""
    if value is None:
        return None
    is_refused = isinstance(value, bool) and not may_be_yes
    if is_refused or not isinstance(value, str | int | float):
        raise UserError(
            "{place} is {kind}, not a name",
            where=where,
            fix="send a string or a number",
            place=where,
            kind=_kind(value),
        )
    text = subject_name(value)
    if text and (len(text) > MAX_NAME or "\0" in text):
        raise UserError(
            "{place} is too long or holds a NUL character",
            where=where,
            fix="send at most {limit} characters",
            place=where,
            limit=MAX_NAME,
        )
    return text


def _kind(value: object) -> Term:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return Term("missing or null")
    return Term(names.get(type(value), "a number"))
