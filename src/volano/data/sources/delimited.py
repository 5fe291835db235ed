"""CSV and TSV: every row with its line, every row that is not one set aside."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from volano.core.encoding import find_encoding
from volano.core.errors import DataError
from volano.data.sources.batch import Batch, BrokenRow, check_columns, no_header, require_file
from volano.data.sources.dialect import WHITESPACE, Dialect, aligned, find_delimiter, quotes_quote
from volano.data.sources.even_rows import read_even_rows
from volano.data.sources.files import Window, cut_row, read_pieces, read_windows, suffix_of
from volano.data.sources.rows import RowsOfLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from volano.core.encoding import Encoding
    from volano.data.config import SourceConfig
    from volano.data.sources.rows import Rows

__all__ = ["read_delimited"]

_FEWEST_ROWS = 5  # that tell how wide a header must be,
_NEARLY_ALL = 0.95  # where so many of them agree


def read_delimited(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a CSV or TSV file.

    Raises:
        DataError: the file is missing, empty, has no row, or names a column twice.
    """
    batches = _read(path, config)
    if config.cells.decimal == "point":
        yield from batches
        return
    from volano.data.sources.decimals import read_decimal_commas

    for batch in batches:
        yield replace(batch, table=read_decimal_commas(batch.table))


def _read(path: Path, config: SourceConfig) -> Iterator[Batch]:
    require_file(path)
    encoding = find_encoding(lambda: read_pieces(path), str(path), config.encoding)
    dialect = _find_dialect(path, encoding, config)
    facts = {"format": "delimited text", **encoding.facts(), **dialect.facts()}
    names: tuple[str, ...] = ()
    num_batches = 0
    reader = RowsOfLines(dialect)
    for window in _windows(path, encoding, dialect):
        even = _even(reader, window, names)
        if even is not None:
            num_batches += 1
            yield replace(even, facts=facts)
            continue
        rows, cut = _rows(reader, window)
        if not names and (any(rows.cells) or rows.faults or cut):
            names = _names(rows, config, path)
        if not names:
            continue  # only empty lines so far
        batch = _batch(rows, names, facts, is_damaged=encoding.is_damaged)
        if cut:
            batch = replace(batch, broken=(*batch.broken, cut))
        if len(batch.lines) or batch.broken:
            num_batches += 1
            yield batch
    if not names:
        raise DataError("the file holds only empty lines", where=str(path), fix="export it again")
    if not num_batches:
        raise DataError(
            "the file has a header and no rows",
            where=str(path),
            fix="export it again, or header: false where the first line is a row",
        )


def _find_dialect(path: Path, encoding: Encoding, config: SourceConfig) -> Dialect:
    windows = read_windows(path, encoding)
    lines = next(windows, Window([])).lines
    delimiter = find_delimiter(lines, config.delimiter, suffix_of(path))
    if delimiter == WHITESPACE:
        is_plain = config.quoting == "none"
        return Dialect("\t", False, is_aligned=True) if is_plain else aligned(lines)
    if config.quoting == "none":
        return Dialect(delimiter, False)
    mark = b'"'
    if mark in '"'.encode(encoding.name) and not any(mark in p for p in read_pieces(path)):
        return Dialect(delimiter, True)  # sooner than looking at its lines
    while not any('"' in line for line in lines):
        window = next(windows, None)
        if window is None:
            return Dialect(delimiter, True)
        lines = window.lines
    is_whole = next(windows, None) is None
    return Dialect(delimiter, quotes_quote(lines, delimiter, is_whole=is_whole))


def _windows(path: Path, encoding: Encoding, dialect: Dialect) -> Iterator[Window | None]:
    """The lines of the file, some at a time, without a byte order mark; None at its end."""
    for number, window in enumerate(read_windows(path, encoding)):
        if number == 0 and window.lines:
            window.lines[0] = window.lines[0].removeprefix("\ufeff")
        yield window._replace(lines=dialect.plain(window.lines))
    yield None


def _even(reader: RowsOfLines, window: Window | None, names: tuple[str, ...]) -> Batch | None:
    """The rows of a window that is plain throughout."""
    import numpy as np

    if window is None or window.cut or not names or not reader.is_between:
        return None
    table = read_even_rows(window.lines, names, reader.dialect.delimiter)
    if table is None:
        return None
    first = reader.first + 1
    reader.skip_lines(len(window.lines))
    return Batch(table, np.arange(first, first + table.num_rows, dtype=np.int64))


def _rows(reader: RowsOfLines, window: Window | None) -> tuple[Rows, BrokenRow | None]:
    """The rows of a window, and a line after them that is too long to be one."""
    if window is None:
        return reader.read([], is_last=True), None
    rows = reader.read(window.lines, is_last=bool(window.cut))
    if not window.cut:
        return rows, None
    cut = cut_row(reader.first + 1, window.cut)
    reader.skip_lines()
    return rows, cut


def _names(rows: Rows, config: SourceConfig, path: Path) -> tuple[str, ...]:
    """The columns' names; a header is taken from the rows."""
    if not config.header:
        return config.columns or _numbered(_usual_width(rows.cells))
    places = [place for place, cells in enumerate(rows.cells) if cells]
    if not places or any(fault.begin < rows.begins[places[0]] for fault in rows.faults):
        reason = rows.faults[0].reason if rows.faults else "it is too long"
        raise DataError(
            "the header cannot be read: {reason}",
            where=f"{path}:1",
            fix="mend line 1",
            reason=reason,
        )
    line = rows.first + rows.begins[places[0]] + 1
    header = _as_wide(rows.take(places[0]), rows.cells, f"{path}:{line}")
    # An index column written without a name is common; a field needs one.
    names = tuple(
        cell.strip() or name for cell, name in zip(header, _numbered(len(header)), strict=True)
    )
    check_columns(names, path)
    return names


def _as_wide(header: Sequence[str], rows: Sequence[Sequence[str]], where: str) -> Sequence[str]:
    """The header as wide as nearly all rows: some write row names, or an end of the row, unnamed.

    Raises:
        DataError: it is no header of these rows; a title may stand there.
    """
    whole = [cells for cells in rows if cells]
    width = _usual_width(whole)
    num = sum(len(cells) == width for cells in whole)
    if len(header) == width or len(whole) < _FEWEST_ROWS or num < _NEARLY_ALL * len(whole):
        return header
    if width == len(header) + 1:
        is_ended = not any(cells[-1].strip() for cells in whole if len(cells) == width)
        return [*header, ""] if is_ended else ["", *header]
    if width == len(header) - 1 and not header[-1].strip():
        return header[:-1]
    raise no_header(len(header), width, where)


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(1, width + 1))


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    widths = Counter(len(cells) for cells in rows if cells)
    return widths.most_common(1)[0][0] if widths else 1


def _batch(rows: Rows, names: tuple[str, ...], facts: dict[str, str], *, is_damaged: bool) -> Batch:
    import numpy as np
    import pyarrow as pa

    whole, begins, broken = rows.cells, rows.begins, []
    width, is_odd = len(names), _is_odd(rows.lines, is_damaged=is_damaged)
    if is_odd or set(map(len, whole)) - {width}:
        faults = [
            "" if len(cells) == width and not is_odd else _fault(cells, width, is_damaged)
            for cells in whole
        ]
        broken = [
            BrokenRow(rows.first + begin + 1, fault, rows.raw(begin, end))
            for begin, end, fault in zip(begins, rows.ends, faults, strict=True)
            if fault
        ]
        kept = [n for n, cells in enumerate(whole) if cells and not faults[n]]
        whole, begins = [whole[n] for n in kept], [begins[n] for n in kept]
    broken += [
        BrokenRow(rows.first + fault.begin + 1, fault.reason, rows.raw(fault.begin, fault.end))
        for fault in rows.faults
    ]
    columns = list(zip(*whole, strict=True)) or [()] * len(names)
    return Batch(
        pa.table([pa.array(column, pa.string()) for column in columns], names=list(names)),
        np.array(begins, np.int64) + (rows.first + 1),
        tuple(sorted(broken, key=lambda row: row.line)),
        facts,
    )


def _is_odd(lines: Sequence[str], *, is_damaged: bool) -> bool:
    """Whether a row may hold what is no text."""
    text = "".join(lines)  # sooner than asking each line
    return "\0" in text or (is_damaged and "\ufffd" in text)


def _fault(cells: Sequence[str], width: int, is_damaged: bool) -> str:
    if not cells:
        return ""  # an empty line is no row
    if len(cells) != width:
        return f"{len(cells)} cells, {width} columns"
    if any("\0" in cell for cell in cells):
        return "a NUL, which no text holds"
    if is_damaged and any("\ufffd" in cell for cell in cells):
        return "bytes that are not text in the file's encoding"
    return ""
