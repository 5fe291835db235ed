"""Workbooks (.xlsx, .xls, .xlsb, .ods): one sheet of rows, a formula as the value it had last."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError, MissingExtraError
from volano.data.sources.batch import Batch, check_columns, no_header, require_file
from volano.data.sources.jsonl import typed_column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["read_excel"]

_ROWS = 16_384
_AHEAD = 10  # rows that tell whether the first may be a header
_MOST_BYTES = 2**30  # unpacked: a small file can claim to hold far more than memory


def read_excel(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read one sheet; whole numbers stay whole, dates and times become text.

    Raises:
        DataError: the file is damaged or locked, holds several sheets and none is named, or the
            sheet has no rows.
        MissingExtraError: python-calamine is not installed.
    """
    import numpy as np
    import pyarrow as pa

    require_file(path)
    rows = _rows(path, config.sheet)
    first = next(rows, None)
    if first is None:
        raise DataError("the sheet is empty", where=str(path), fix="name another: sheet: NAME")
    names = _names(first[1], config, path)
    ahead = list(islice(rows, _AHEAD))
    if config.header:
        _refuse_title(first, [row for _, row in ahead], path)
    rows = chain(ahead, rows)
    mixed: dict[str, None] = {}
    facts = {"format": "workbook"}
    has_rows = False
    held = iter([first]) if not config.header else iter(())
    while found := [*held, *islice(rows, _ROWS)]:
        has_rows, held = True, iter(())
        cells = zip(*(values for _, values in found), strict=True)
        columns = []
        for name, column in zip(names, cells, strict=True):
            typed, is_mixed = typed_column([_plain(value) for value in column])
            columns.append(typed)
            if is_mixed:
                mixed[name] = None
        if mixed:
            facts = {**facts, "mixed": ", ".join(mixed)}
        lines = np.array([line for line, _ in found], np.int64)
        yield Batch(pa.table(columns, names=list(names)), lines, facts=facts)
    if not has_rows:
        raise DataError(
            "the sheet has a header and no rows",
            where=str(path),
            fix="name another: sheet: NAME",
        )


def _refuse_title(first: tuple[int, list[Any]], rows: list[list[Any]], path: Path) -> None:
    """A single filled cell above rows of several is a title."""
    line, header = first
    width = sorted(sum(cell != "" for cell in row) for row in rows)[len(rows) // 2] if rows else 0
    if sum(cell != "" for cell in header) == 1 and width > 2:
        raise no_header(1, width, f"{path}:{line}")


def _rows(path: Path, name: str) -> Iterator[tuple[int, list[Any]]]:
    """Rows with something in them, and the row of the sheet on which each stands, from 1."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingExtraError(
            "reading {name!r} needs python-calamine",
            where=str(path),
            fix="pip install 'volano[excel]'",
            name=path.name,
        ) from None
    _refuse_bomb(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            sheet = book.get_sheet_by_name(_sheet(list(book.sheet_names), name, path))
            rows = iter(sheet.iter_rows())
            line = 0
            for line, row in enumerate(rows, start=1):
                if any(value != "" for value in row):
                    yield line, row
    except (CalamineError, OSError, ValueError) as error:
        raise DataError(
            "the workbook cannot be read: {error}",
            where=str(path),
            fix="save it again without a password, or as CSV",
            error=error,
        ) from None


def _refuse_bomb(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return  # the reader says it better
    if size > _MOST_BYTES:
        raise DataError(
            "the workbook unpacks to {size} MB, and the most is {limit}",
            where=str(path),
            fix="save the sheet as CSV",
            size=size // 2**20,
            limit=_MOST_BYTES // 2**20,
        )


def _sheet(names: list[str], name: str, path: Path) -> str:
    if name in names or (not name and len(names) == 1):
        return name or names[0]
    known = ", ".join(names)
    if name:
        raise DataError(
            "there is no sheet named {name!r}",
            where=str(path),
            fix="sheet: one of {known}",
            name=name,
            known=known,
        )
    raise DataError(
        "the workbook has {count} sheets, and none is named",
        where=str(path),
        fix="sheet: one of {known}",
        count=len(names),
        known=known,
    )


def _names(row: list[Any], config: SourceConfig, path: Path) -> tuple[str, ...]:
    numbered = tuple(f"column_{number}" for number in range(1, len(row) + 1))
    if not config.header:
        if config.columns and len(config.columns) != len(row):
            raise DataError(
                "the sheet has {found} columns, and {count} are named",
                where=str(path),
                fix="name each in columns, or leave columns out",
                found=len(row),
                count=len(config.columns),
            )
        return config.columns or numbered
    names = tuple(
        str(_plain(value)).strip() if value != "" else name
        for value, name in zip(row, numbered, strict=True)
    )
    check_columns(names, path)
    return names


def _plain(value: Any) -> Any:
    """A value that a request in JSON could carry too."""
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else value
