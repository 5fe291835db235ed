"""CSV and TSV: every row with its line, every row that is not one set aside."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from volano.core.encoding import decode
from volano.core.errors import DataError
from volano.data.sources.batch import Batch, BrokenRow, check_columns, require_file
from volano.data.sources.dialect import CsvRow, find_dialect, read_rows, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["read_delimited"]


def read_delimited(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a CSV or TSV file.

    Raises:
        DataError: the file is missing, empty, has no row, or names a column twice.
    """
    import numpy as np
    import pyarrow as pa

    require_file(path)
    decoded = decode(path.read_bytes(), str(path), config.encoding)
    lines = split_lines(decoded.text.removeprefix("\ufeff"))
    dialect = find_dialect(lines, config.delimiter, config.quoting, path.suffix.lower())
    names, rows = _names(list(read_rows(lines, dialect)), config, path)
    faults = [_fault(row, len(names), is_damaged=decoded.is_damaged) for row in rows]
    whole = [row for row, fault in zip(rows, faults, strict=True) if not fault]
    broken = [
        BrokenRow(row.begin + 1, fault, "".join(lines[row.begin : row.end]).rstrip("\r\n"))
        for row, fault in zip(rows, faults, strict=True)
        if fault
    ]
    columns = list(zip(*(row.cells for row in whole), strict=True)) or [()] * len(names)
    yield Batch(
        pa.table([pa.array(column, pa.string()) for column in columns], names=list(names)),
        np.array([row.begin + 1 for row in whole], np.int64),
        tuple(broken),
        {"format": "delimited text", **decoded.facts(), **dialect.facts()},
    )


def _names(
    rows: list[CsvRow], config: SourceConfig, path: Path
) -> tuple[tuple[str, ...], list[CsvRow]]:
    if not rows:
        raise DataError("the file holds only empty lines", where=str(path), fix="export it again")
    if not config.header:
        return config.columns or _numbered(_usual_width(rows)), rows
    header, rest = rows[0], rows[1:]
    if header.fault:
        raise DataError(
            f"the header cannot be read: {header.fault}", where=f"{path}:1", fix="mend line 1"
        )
    # An index column written without a name is common; a field needs one.
    names = tuple(
        cell.strip() or name
        for cell, name in zip(header.cells, _numbered(len(header.cells)), strict=True)
    )
    check_columns(names, path)
    if not rest:
        raise DataError(
            "the file has a header and no rows",
            where=str(path),
            fix="export it again, or header: false where the first line is a row",
        )
    return names, rest


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(1, width + 1))


def _usual_width(rows: Sequence[CsvRow]) -> int:
    widths = Counter(len(row.cells) for row in rows if row.cells)
    return widths.most_common(1)[0][0] if widths else 1


def _fault(row: CsvRow, width: int, *, is_damaged: bool) -> str:
    if row.fault:
        return row.fault
    if len(row.cells) != width:
        return f"{len(row.cells)} cells, {width} columns"
    if is_damaged and any("\ufffd" in cell for cell in row.cells):
        return "bytes that are not text in the file's encoding"
    return ""
