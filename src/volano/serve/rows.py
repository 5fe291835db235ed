"""What a request for predictions may say, and which row of it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.errors import Term, UserError
from volano.core.subjects import subject_name
from volano.core.wire import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_NAME", "Columns", "PredictRequest", "read_request"]

_KEYS = frozenset(("inputs", "explain", "subject", "group"))
MAX_NAME = 500
_SEND = "send {example}"


@dataclass(frozen=True)
class Columns:
    """The project's own names: texts that must be there, and who and which group a row is of."""

    text: tuple[str, ...]
    subject: str = ""
    group: str = ""

    def example(self) -> str:
        """A request as it may be sent."""
        return dump_json({"inputs": [dict.fromkeys(self.text, "...")]}).decode()


@dataclass(frozen=True)
class PredictRequest:
    """A checked request: raw rows, and the subject and group of each."""

    rows: tuple[Mapping[str, Any], ...]
    subjects: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    explain: bool = False


def read_request(body: object, columns: Columns, max_batch: int) -> PredictRequest:
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
        _names(rows, columns.group, group),
        explain,
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
                example=dump_json(dict.fromkeys(columns.text, "...")).decode(),
            )
        for name in columns.text:
            if not isinstance(row.get(name), str):
                _refuse_text(row, name, f"inputs[{index}]")
    return tuple(inputs)


def _refuse_text(row: dict[str, Any], name: str, where: str) -> None:
    if name not in row:
        raise UserError(
            "{place} has no {name!r}; it holds {found}",
            where=f"{where}.{name}",
            fix="send the text as {name!r}",
            place=where,
            name=name,
            found=", ".join(repr(key[:40]) for key in list(row)[:8]) or Term("nothing"),
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
    rows: tuple[Mapping[str, Any], ...], column: str, of_all: str | None
) -> tuple[str | None, ...]:
    if not column:
        return (of_all,) * len(rows)
    found = (_name(row.get(column), f"inputs[{i}].{column}") for i, row in enumerate(rows))
    return tuple(of_all if name is None else name for name in found)


def _name(value: object, where: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
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
