"""Rows while they are being collected: their names and their parts, as columns without texts.

What a row says lies in the spool at its ``place``; here are the few values a row that grow with the
data. ``label`` is the place of the row's target among those of `targets`, -1 for none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.core.errors import DataError
from volano.core.hashing import to_json
from volano.core.subjects import subject_name
from volano.data.frame import plain
from volano.data.naming import DIGEST, Read, digests_of, hash_part, hashes_of
from volano.data.sources.batch import BrokenRow
from volano.data.targets import LabelTargets, NumberTargets, Targets, distinct, plain_numbers
from volano.store.subjects import hash_subject
from volano.tasks.tabular_regression import TabularRegression

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from volano.data.config import FieldsConfig
    from volano.data.spool import Slices
    from volano.tasks import Task

__all__ = [
    "ROWS",
    "Kept",
    "LabelCells",
    "Part",
    "keep_rows",
    "read_part",
]

ROWS = pa.schema(
    [
        ("place", pa.int64()),
        ("order", pa.int32()),  # of the source; feedback and sources that are gone come last
        ("source", pa.int32()),  # a number of the list of names
        ("line", pa.int64()),
        ("id", pa.string()),
        ("split", pa.string()),
        ("label", pa.int32()),
        ("weight", pa.float64()),
        ("subject", pa.string()),
        ("group", pa.string()),
        ("time", pa.string()),
        ("label_from", pa.string()),
        ("picked", pa.string()),
    ]
)


@dataclass(frozen=True)
class Part:
    """The rows of one source, or of the Dataset before, as they lie in the spool.

    Attributes:
        first: the place of its first row.
        slices: its rows, with the kinds of columns that the source has.
        kinds: of its columns.
        lines: of its rows in the file.
        source: the number of the source among all names.
        split: that the file is declared to be.
        key: the column that names a row.
        ids: of rows that have one already.
        hashes: of its rows by `hash_part`, where they are known.
    """

    first: int
    slices: Slices
    kinds: pa.Schema
    lines: NDArray[np.int64]
    source: int
    split: str | None = None
    key: str = ""
    ids: pa.ChunkedArray | None = None
    hashes: tuple[pa.Table, ...] | None = None

    def __len__(self) -> int:
        return len(self.lines)


class LabelCells:
    """Reads label cells. They are few and stand often: each is read once; numbers all at once."""

    def __init__(self, task: Task, names: Sequence[str]) -> None:
        self.targets: Targets = NumberTargets() if task.answers == "number" else LabelTargets()
        self.faults: list[str] = []  # number -2 is the first of them, -3 the second
        self._task = task
        # A task with a reading of its own is asked of each cell: it may refuse 2.5, as of counts.
        self._is_plain = type(task).read_target is TabularRegression.read_target
        self._names = names
        self._known: dict[tuple[type, str], int] = {}

    def read(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The number of the target of each cell; -1 for none, less for a cell that is no target."""
        if isinstance(self.targets, NumberTargets):
            plain = plain_numbers(column) if self._is_plain else None
            if plain is not None:
                return self.targets.add(plain)
            self._known.clear()  # numbers stand once: what was read would only be kept
        values, places = distinct(column)
        numbers = np.array([self._number(value) for value in values], np.int32)
        return numbers[places] if len(numbers) else np.zeros(0, np.int32)

    def today(self, target: tuple[str, ...] | None) -> int:
        """The number of a target that people gave, under today's names; -1 where none is left."""
        return self.targets.number((self._task.today(target) or None) if target else None)

    def _number(self, cell: object) -> int:
        name = type(cell), repr(cell)  # null is no "None", and a list not its text
        if name not in self._known:
            try:
                found = self.targets.number(self._task.read_target(cell, self._names))
            except DataError as error:
                self.faults.append(error.what)
                found = -1 - len(self.faults)
            self._known[name] = found
        return self._known[name]


def names_in(table: pa.Table, column: str) -> pa.Array:
    """The cells of a column as names of subjects, groups or times."""
    if column not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    values, places = distinct(table[column])
    names = pa.array([subject_name(value) for value in values], pa.string())
    return names.take(pa.array(places))


def read_part(
    part: Part, fields: FieldsConfig, labels: LabelCells, tell: Callable[[int], None], *, said: bool
) -> Read:
    """Read the label and the names in each row, and hash what it says.

    Args:
        part: the rows.
        fields: which column plays which part.
        labels: reads label cells.
        tell: hears how many rows are done.
        said: whether to hash rows with their label too, to tell which were edited.
    """
    tables: list[pa.Table] = []
    keys: list[pa.Array] = []
    wanted = hashes_of(part.key, said=said)
    if part.ids is not None:
        wanted = wanted[-1:] if said else ()
    hashes = list(part.hashes or ())
    for first, table in part.slices:
        if part.hashes is None:
            hashes.append(hash_part(table, fields.target, *wanted))
        if part.key:
            keys.append(names_in(table, part.key))
        tables.append(_rows(part, first, table, fields, labels))
        tell(first - part.first + table.num_rows)
    return Read(
        pa.concat_tables(tables) if tables else ROWS.empty_table(),
        digests_of(_joined(hashes, "contents", pa.binary(DIGEST))),
        digests_of(_joined(hashes, "said", pa.binary(DIGEST))) if said else None,
        pa.chunked_array(keys, pa.string()) if part.key else None,
        _joined(hashes, "ids", pa.string()) if "ids" in wanted else None,
    )


def _joined(tables: Sequence[pa.Table], name: str, kind: pa.DataType) -> pa.ChunkedArray:
    found = [table[name].chunks for table in tables if name in table.column_names]
    return pa.chunked_array([chunk for chunks in found for chunk in chunks], kind)


def _rows(
    part: Part, first: int, table: pa.Table, fields: FieldsConfig, labels: LabelCells
) -> pa.Table:
    num, start = table.num_rows, first - part.first
    if fields.target in table.column_names:
        numbers = labels.read(table[fields.target])
    else:
        numbers = np.full(num, labels.read(pa.chunked_array([pa.nulls(1)]))[0], np.int32)
    ids = pa.nulls(num, pa.string()) if part.ids is None else part.ids.slice(start, num)
    columns = {
        "place": pa.array(np.arange(first, first + num)),
        "order": pa.array(np.full(num, part.source, np.int32)),
        "source": pa.array(np.full(num, part.source, np.int32)),
        "line": pa.array(part.lines[start : start + num]),
        "id": ids,
        "split": pa.repeat(pa.scalar(part.split, pa.string()), num),
        "label": pa.array(numbers),
        "weight": pa.array(np.ones(num)),
        "label_from": pa.repeat("source", num),
        "picked": pa.nulls(num, pa.string()),
    }
    for name in ("subject", "group", "time"):
        columns[name] = names_in(table, getattr(fields, name))
    return pa.table([columns[name] for name in ROWS.names], schema=ROWS)


@dataclass
class Kept:
    """Rows that can be kept, and what became of the others: places among all rows, with why."""

    rows: pa.Table
    twice: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    stands_again: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    broken: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    num_suppressed: int = 0


def keep_rows(rows: pa.Table, has_key: NDArray[np.bool_], suppressed: Collection[str]) -> Kept:
    """Set aside what cannot or must not be kept: erased people, keys said again, broken labels.

    Args:
        rows: all rows, with their ids.
        has_key: which of them are named by a key: only those can share a name.
        suppressed: SHA-256 of subjects whose rows must not come back.
    """
    is_erased = _is_erased(rows["subject"], suppressed)
    last = _last_of_name(rows["id"], has_key)
    is_twice = ~is_erased & (last != np.arange(len(last)))
    is_broken = ~is_erased & ~is_twice & (rows["label"].to_numpy() < -1)
    is_gone = is_erased | is_twice | is_broken
    return Kept(
        rows.filter(pa.array(~is_gone)) if is_gone.any() else rows,
        np.flatnonzero(is_twice),
        last[is_twice],
        np.flatnonzero(is_broken),
        int(is_erased.sum()),
    )


def _is_erased(subjects: pa.ChunkedArray, suppressed: Collection[str]) -> NDArray[np.bool_]:
    if not suppressed or subjects.null_count == len(subjects):
        return np.zeros(len(subjects), bool)
    values, places = distinct(subjects)
    erased = [value is not None and hash_subject(value) in suppressed for value in values]
    found: NDArray[np.bool_] = np.array(erased, bool)[places]
    return found


def _last_of_name(ids: pa.ChunkedArray, has_key: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the last one of the same name; mostly itself."""
    last = np.arange(len(has_key))
    keyed = np.flatnonzero(has_key)
    if len(keyed):
        _, codes = distinct(ids.take(pa.array(keyed)))
        final = np.zeros(int(codes.max()) + 1, np.int64)
        np.maximum.at(final, codes, keyed)
        last[keyed] = final[codes]
    return last


def broken_rows(rows: pa.Table, fields: pa.Table, faults: Sequence[str]) -> Iterator[BrokenRow]:
    """Rows whose label cannot be read, as their source wrote them."""
    cells = zip(rows["line"].to_pylist(), rows["label"].to_pylist(), strict=True)
    for (line, label), said in zip(cells, fields.to_pylist(), strict=True):
        yield BrokenRow(line, f"label: {faults[-2 - label]}", to_json(plain(said)))
