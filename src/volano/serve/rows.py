"""What a request for predictions may say, and which row of it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.core.subjects import subject_name
from volano.core.wire import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Columns", "PredictRequest", "read_request"]

_KEYS = ("inputs", "explain", "subject", "group")
_MAX_NAME = 500


@dataclass(frozen=True)
class Columns:
    """The project's own names: texts that must be there, and who and which group a row is of."""

    text: tuple[str, ...]
    subject: str = ""
    group: str = ""


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
    example = dump_json({"inputs": [dict.fromkeys(columns.text, "...")]}).decode()
    if not isinstance(body, dict):
        raise UserError(
            f"the body is {_kind(body)}, not an object", where="body", fix=f"send {example}"
        )
    for key in body:
        if key not in _KEYS:
            raise UserError(
                f"{key[:80]!r} is not part of a request", where="body", fix=f"send {example}"
            )
    rows = _rows(body.get("inputs"), columns, max_batch, example)
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise UserError(f"'explain' is {_kind(explain)}", where="explain", fix="true or false")
    subject = _name(body.get("subject"), "subject")
    group = _name(body.get("group"), "group")
    return PredictRequest(
        rows,
        _names(rows, columns.subject, subject),
        _names(rows, columns.group, group),
        explain,
    )


def _rows(
    inputs: object, columns: Columns, max_batch: int, example: str
) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(inputs, list) or not inputs:
        said = "empty" if inputs == [] else _kind(inputs)
        raise UserError(
            f"'inputs' is {said}, not a list of rows", where="inputs", fix=f"send {example}"
        )
    if len(inputs) > max_batch:
        raise UserError(
            f"{len(inputs)} inputs in one request; {max_batch} are allowed",
            where="inputs",
            fix=f"send them in parts of {max_batch}, or raise serve.max_batch",
        )
    for index, row in enumerate(inputs):
        _check_row(index, row, columns.text)
    return tuple(inputs)


def _check_row(index: int, row: object, texts: tuple[str, ...]) -> None:
    where = f"inputs[{index}]"
    if not isinstance(row, dict):
        raise UserError(
            f"{where} is {_kind(row)}, not an object",
            where=where,
            fix="send " + dump_json(dict.fromkeys(texts, "...")).decode(),
        )
    for name in texts:
        if name not in row:
            there = ", ".join(repr(str(key)[:40]) for key in list(row)[:8]) or "nothing"
            raise UserError(
                f"{where} has no {name!r}; it holds {there}",
                where=f"{where}.{name}",
                fix=f"send the text as {name!r}",
            )
        if not isinstance(row[name], str):
            raise UserError(
                f"{name!r} of {where} is {_kind(row[name])}, not a text",
                where=f"{where}.{name}",
                fix='send a string, "" where there is none',
            )


def _names(
    rows: tuple[Mapping[str, Any], ...], column: str, of_all: str | None
) -> tuple[str | None, ...]:
    if not column:
        return (of_all,) * len(rows)
    found = (_name(row.get(column), f"inputs[{i}].{column}") for i, row in enumerate(rows))
    return tuple(of_all if name is None else name for name in found)


def _name(value: object, where: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise UserError(
            f"{where} is {_kind(value)}, not a name", where=where, fix="send a string or a number"
        )
    text = subject_name(value)
    if text and (len(text) > _MAX_NAME or "\0" in text):
        raise UserError(
            f"{where} is too long or holds a NUL character",
            where=where,
            fix=f"send at most {_MAX_NAME} characters",
        )
    return text


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return "missing or null"
    return names.get(type(value), "a number")
