"""Review by spreadsheet: out as CSV that Excel opens in Chinese, and back however it was saved.

Going out, a cell that a spreadsheet would run as a formula gets an apostrophe before it. Coming
back, commas, semicolons or tabs and the encoding are found; the whole sheet is checked before one
answer is kept.
"""

from __future__ import annotations

import csv
import io
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.encoding import decode
from volano.core.errors import DataError, UserError
from volano.core.hashing import to_json
from volano.feedback.rules import target_today
from volano.tasks.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.store.reviews import ReviewItem
    from volano.tasks.task import Task

__all__ = ["SheetRow", "read_sheet", "some_of", "write_sheet"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BEFORE = ("review", "why")
# How sure an answer is: of a label its probability, of a number its interval.
_SURE: Mapping[str, tuple[str, ...]] = {"labels": ("confidence",), "number": ("low", "high")}
_AFTER = ("label", "by", "comment")
_SAVE_AS = "save it as CSV (UTF-8)"
_NEEDED = ("review", "label")


@dataclass(frozen=True)
class SheetRow:
    """One line that came back."""

    line: int
    review: int
    label: str
    by: str
    comment: str = ""


def write_sheet(
    task: Task,
    items: Sequence[ReviewItem],
    outputs: Mapping[str, Mapping[str, Any]],
    path: Path,
    *,
    replace: bool = False,
) -> int:
    """Write items with an empty label each; how many.

    Args:
        task: whose separator joins several labels.
        items: what waits for an answer.
        outputs: what was answered, by reference of the item, where it was.
        path: the file; one that is there already may hold somebody's work.
        replace: write over it all the same.

    Raises:
        UserError: the file is there already, or its folder is not.
    """
    names = list(dict.fromkeys(name for review in items for name in review.fields))
    if task.input == "text":
        names.sort()  # columns of a table stay side by side as they came
    sure = _SURE[task.answers]
    ours = (*_BEFORE, "answer", *sure, *_AFTER)
    headers = {name: f"{name} (input)" if _is_among(name, ours) else name for name in names}
    columns = [*_BEFORE, *headers.values(), "answer", *sure, *_AFTER]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writerow({name: _guarded(name) for name in columns})
    separator = task.labels.separator or ","
    for review in items:
        cells: dict[str, Any] = {headers[n]: value for n, value in review.fields.items()}
        cells |= {"review": review.id, "why": review.why}
        cells["answer"] = separator.join(review.target or ())
        if task.answers == "number" and (read := target_today(task, review.target or ())):
            cells["answer"] = number_of(read)
        output = outputs.get(review.ref, {})
        cells |= {name: output.get(name, "") for name in sure}
        writer.writerow({name: _guarded(cell) for name, cell in cells.items()})
    _save(text.getvalue(), path, replace=replace)
    return len(items)


def _is_among(name: str, ours: Collection[str]) -> bool:
    """Whether a column of the project has one of our names: it gets another for the sheet."""
    return name.strip().lower() in ours


def _guarded(cell: object) -> str:
    """Text that no spreadsheet runs; numbers of ours are no text."""
    if cell is None or isinstance(cell, int | float):
        return "" if cell is None else to_json(cell)
    text = cell if isinstance(cell, str) else to_json(cell)
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _unguarded(cell: str) -> str:
    text = cell.strip()
    return text[1:].strip() if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _save(text: str, path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise UserError(
            "the file is there already, and may hold answers",
            where=str(path),
            fix="give another name, or import it first: volano review --import {file}",
            file=path.name,
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8-sig", newline="")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(
            "the sheet cannot be written: {reason}",
            where=str(path),
            fix="give a file in a folder that exists and is yours",
            reason=error.strerror,
        ) from None


def read_sheet(path: Path) -> list[SheetRow]:
    """The rows that hold a review id, as somebody edited them.

    Raises:
        DataError: no table in a known encoding, a column is missing, an id is no number, or what
            people wrote holds bytes that are no text.
    """
    text = _decoded(path)
    lines = _table(text, path)
    header = [name.strip().lower() for name in next(lines, (0, []))[1]]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise DataError(
            "the sheet has no column {missing!r}; its columns are {columns}",
            where=f"{path}:1",
            fix="keep the header that volano review --export wrote",
            missing=missing[0],
            columns=", ".join(map(repr, header[:12])) or "''",
        )
    found, wrong, damaged = [], [], []
    for line, cells in lines:
        row = dict(zip(header, cells, strict=False))
        if not any(cell.strip() for cell in cells):
            continue
        number = _number(row.get("review", ""))
        if number is None:
            wrong.append(f"line {line}: {row.get('review', '')[:40]!r}")
            continue
        texts = {name: _unguarded(row.get(name, "")) for name in ("label", "by", "comment")}
        found.append(SheetRow(line, number, **texts))
        if "\ufffd" in texts["label"] + texts["by"]:
            damaged.append(f"line {line}")
    if wrong:
        raise DataError(
            "the column 'review' holds no number: {lines}",
            where=str(path),
            fix="keep the ids as they were exported; remove rows you added",
            lines=some_of(wrong),
        )
    if damaged:
        raise DataError(
            "some labels or names hold bytes that are no text: {lines}",
            where=str(path),
            fix=_SAVE_AS,
            lines=some_of(damaged),
        )
    return found


def _number(cell: str) -> int | None:
    text = cell.strip().removesuffix(".0").removesuffix(",0")  # how some sheets write whole numbers
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            "the sheet cannot be read: {reason}",
            where=str(path),
            fix="give a CSV file",
            reason=error.strerror,
        ) from None
    if content.startswith((b"PK", b"\xd0\xcf")):
        raise DataError("this is an Excel workbook", where=str(path), fix=_SAVE_AS)
    if b"\0" in content and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise DataError("this is no text", where=str(path), fix=_SAVE_AS)
    try:
        text = decode(content, str(path)).text
    except DataError as error:
        raise DataError("{error}", where=error.where, fix=_SAVE_AS, error=error) from None
    if "\0" in text:
        raise DataError("this is no text", where=str(path), fix=_SAVE_AS)
    return text


def _table(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines and cells; the delimiter is the one that splits the header into most columns."""
    skipped = 0
    if text.startswith("sep="):
        _, _, text = text.partition("\n")
        skipped = 1
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        start = 1
        for cells in reader:
            yield start + skipped, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            "the sheet is broken: {reason}",
            where=f"{path}:{reader.line_num + skipped}",
            fix="check the quotes on that line, or save it as CSV again",
            reason=error,
        ) from None


def some_of(rows: Sequence[str]) -> str:
    """The first ten of many places, for an error."""
    more = f"; ... (+{len(rows) - 10})" if len(rows) > 10 else ""
    return "; ".join(rows[:10]) + more
