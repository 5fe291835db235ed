"""Rows on disk, some at a time: written once, taken by place, never all in memory.

A place is the number of a row in the order in which rows were written.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.data.columns import as_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ROWS_AT_ONCE", "Slices", "Spool", "examples_of", "write_all"]

ROWS_AT_ONCE = 65_536
_BYTES_AT_ONCE = 32_000_000
_KEPT = 2  # slices in memory at once


class Slices:
    """Rows in numbered slices, of which only a few are in memory at once.

    Args:
        bounds: the place of the first row of each slice, and the end of the last.
        read: the slice of a number.
        num_bytes: of all rows together, about.
    """

    def __init__(
        self, bounds: Sequence[int], read: Callable[[int], pa.Table], num_bytes: int
    ) -> None:
        self.bounds = np.array(bounds, np.int64)
        self._read = lru_cache(_KEPT)(read)
        self._row_bytes = num_bytes / max(len(self), 1)

    def __len__(self) -> int:
        return int(self.bounds[-1] - self.bounds[0])

    def __iter__(self) -> Iterator[tuple[int, pa.Table]]:
        """The place of its first row, and the rows, of each slice."""
        for number, first in enumerate(self.bounds[:-1].tolist()):
            yield first, self._read(number)

    def take(self, places: NDArray[np.int64]) -> pa.Table:
        """The rows at these places, in this order."""
        which = np.searchsorted(self.bounds, places, side="right") - 1
        parts, order = [], []
        for number in np.unique(which).tolist():
            here = np.flatnonzero(which == number)
            parts.append(self._read(number).take(places[here] - self.bounds[number]))
            order.append(here)
        if not parts:
            return self._read(0).slice(0, 0)
        table, back = pa.concat_tables(parts), np.concatenate(order)
        is_in_order = len(parts) == 1 or bool((back[1:] > back[:-1]).all())
        return table if is_in_order else table.take(np.argsort(back))

    def windows(self, places: NDArray[np.int64]) -> Iterator[tuple[slice, pa.Table]]:
        """The rows at these places, as many at a time as memory should hold."""
        step = int(min(ROWS_AT_ONCE, max(_BYTES_AT_ONCE // max(self._row_bytes, 1), 1)))
        for start in range(0, len(places), step):
            window = slice(start, min(start + step, len(places)))
            yield window, self.take(places[window])


class Spool:
    """Tables of any kinds of columns, one after the other in scratch files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schemas: list[pa.Schema] = []  # of each file
        self._files: list[tuple[int, int]] = []  # file, and number in it, of each slice
        self._bounds = [0]
        self._bytes = [0]
        self._sink: pa.RecordBatchFileWriter | None = None
        self._open = lru_cache(8)(self._reader)

    def __len__(self) -> int:
        return self._bounds[-1]

    def add(self, table: pa.Table) -> None:
        """Write the rows of a table behind those that are there."""
        size = max(table.nbytes, 1)
        step = min(ROWS_AT_ONCE, max(table.num_rows * _BYTES_AT_ONCE // size, 1))
        for start in range(0, table.num_rows, step):
            part = table.slice(start, step).combine_chunks()
            self._write(part)

    def _write(self, part: pa.Table) -> None:
        if self._sink is None or self._schemas[-1] != part.schema:
            self._finish()
            path = self._folder / f"{len(self._schemas)}.arrow"
            self._schemas.append(part.schema)
            self._sink = pa.ipc.new_file(pa.OSFile(str(path), "wb"), part.schema)
            self._written = 0
        batches = part.to_batches()
        for batch in batches:
            self._sink.write_batch(batch)
            self._files.append((len(self._schemas) - 1, self._written))
            self._bounds.append(self._bounds[-1] + batch.num_rows)
            self._bytes.append(self._bytes[-1] + batch.nbytes)
            self._written += 1

    def _finish(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _reader(self, file: int) -> pa.RecordBatchFileReader:
        return pa.ipc.open_file(pa.OSFile(str(self._folder / f"{file}.arrow"), "rb"))

    def mapped(self, places: NDArray[np.int64]) -> pa.Table:
        """The rows at these places as a table that lies on disk: the system loads what is read."""
        path = self._folder / "mapped.arrow"
        slices = self.slices()
        schema = self._schemas[0] if self._schemas else pa.schema([])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as file:
            for _, table in slices.windows(places):
                file.write_table(table.combine_chunks())
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()

    def slices(self, kinds: pa.Schema | None = None, first: int = 0, last: int = -1) -> Slices:
        """The rows from place ``first`` up to ``last``, with columns of these kinds.

        ``first`` and ``last`` lie where tables that were added begin or end.
        """
        self._finish()
        low = self._bounds.index(first)
        high = self._bounds.index(last) if last >= 0 else len(self._bounds) - 1

        def read(number: int) -> pa.Table:
            file, inside = self._files[low + number]
            table = pa.Table.from_batches([self._open(file).get_batch(inside)])
            return table if kinds is None else as_kinds(table, kinds)

        bounds = self._bounds[low : high + 1]
        return Slices(bounds, read, self._bytes[high] - self._bytes[low])


def write_all(file: pq.ParquetWriter, tables: Iterable[pa.Table]) -> None:
    """Write tables one after the other; while one is written, the next is made."""
    with ThreadPoolExecutor(1) as thread:
        writing: Future[None] | None = None
        for table in tables:
            if writing:
                writing.result()
            writing = thread.submit(file.write_table, table)
        if writing:
            writing.result()


def examples_of(folder: Path, columns: Sequence[str] | None = None) -> Slices:
    """The rows of a Dataset's folder, or some of their columns (``fields.body`` is one of them)."""
    file = pq.ParquetFile(folder / "examples.parquet")
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    bounds = np.cumsum([0, *(group.num_rows for group in groups)]).tolist()
    wanted = None if columns is None else list(columns)

    def read(number: int) -> pa.Table:
        return file.read_row_group(number, columns=wanted)

    return Slices(bounds, read, sum(group.total_byte_size for group in groups))
