"""Asking a model about one row or a whole file; batches go through the Predictor like requests.

A file is read to its end before anything is answered, into scratch files of the project's state, so
that it may be larger than memory and a fault in its last line leaves no half of the answers.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import chain
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import ConfigError, UserError
from volano.core.nouns import Model
from volano.core.wire import BadJsonError, dump_json, read_json
from volano.data.columns import require_column, settle_kinds, unite_kinds
from volano.data.config import SourceConfig
from volano.data.sources import read_source
from volano.data.spool import Spool
from volano.models import Predictor
from volano.serve.rows import Columns, check_row
from volano.serve.wording import reasons_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from volano.core.errors import Language
    from volano.data.spool import Slices
    from volano.loop.project import Project
    from volano.models.routing import Target
    from volano.models.table_columns import FittedColumn
    from volano.models.table_features import TableFeaturiser

__all__ = ["Batch", "open_predictor", "precision_of", "predict_file", "predict_one"]

_SPELT = ("number", "boolean", "date")
_PLAIN = r"^\s*[+-]?[0-9]+(\.[0-9]*)?\s*$"  # what is surely a number
_AT_ONCE = 16_384  # rows whose answers are in memory together
_BLOCK = 512  # texts that are answered at once
_MOST_TOLD = 20  # broken rows that are told one by one


@dataclass(frozen=True)
class Batch:
    """Where the answers to a file are."""

    path: str
    num_rows: int
    num_broken: int
    model: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def open_predictor(project: Project, model: Model) -> Predictor:
    """What answers for a model, marking which answers may go out alone where the project says so.

    Raises:
        ConfigError: the project names a precision, and its answers are numbers.
    """
    return Predictor.load(model.folder).routed(precision_of(project))


def precision_of(project: Project) -> Target:
    """How often automatic answers are to be right, or ``off``.

    Raises:
        ConfigError: the project names a precision, and its answers are numbers.
    """
    target = project.config.automatic_precision
    if target != "off" and project.task.answers == "number":
        raise ConfigError(
            "automatic_precision is a share of right answers, and a number is more or less right",
            where="automatic_precision",
            fix="take it out; an answer's interval says how far off it may be",
        )
    return target


def predict_one(
    project: Project, what: str, model: str, *, explain: bool, language: Language = "en"
) -> dict[str, Any]:
    """The answer to one text or row, as HTTP would give it, less the id: nothing is logged.

    Args:
        project: whose model answers.
        what: a text; where models read columns, a row as a JSON object.
        model: a reference.
        explain: also say what mattered.
        language: of what is said for people.

    Raises:
        UserError: ``what`` is no row, or lacks a column that the model reads.
    """
    found = project.find(Model, model)
    predictor = open_predictor(project, found)
    is_text = project.task.input == "text"
    if is_text:
        row: dict[str, Any] = {predictor.spec.text[0]: what}
    else:
        columns = Columns(predictor.spec.reads, table=predictor.featuriser)
        row = _row_of(what, columns)
        check_row(row, columns)
    answer = predictor.predict([row], explain=explain)[0]
    said = project.task.output(answer)
    if answer.reasons and not is_text:
        said["reasons"] = reasons_in_words(project.task, answer, language)
    return {"model": found.short, **said}


def _row_of(what: str, columns: Columns) -> dict[str, Any]:
    example = dump_json(columns.example_row()).decode()
    try:
        row = read_json(what.encode())
    except BadJsonError as error:
        raise UserError(
            "this is no row of a table: {error}",
            where=str(error.where),
            fix="volano predict '{example}', or a file of rows",
            error=error,
            example=example,
        ) from None
    if not isinstance(row, dict):
        raise UserError(
            "this is no row of a table: it is no JSON object",
            fix="volano predict '{example}', or a file of rows",
            example=example,
        )
    return row


def predict_file(
    project: Project, path: Path, out: Path | None, model: str, *, dry_run: bool = False
) -> Batch:
    """Answer every row of a file, in order; rows keep their fields.

    Args:
        project: whose model answers.
        path: rows with the project's own column names.
        out: where the answers go; beside the file where nothing is said.
        model: a reference.
        dry_run: check everything, and write nothing.

    Raises:
        DataError: the file cannot be read or lacks a column that the model reads.
        UserError: the answers' file exists, or is of a kind that cannot be written.
    """
    target = _target(path, out)
    found = project.find(Model, model)
    predictor = open_predictor(project, found)
    with project.store.draft() as scratch:
        rows, num_broken = _read(project, path, scratch)
        for name in Columns(predictor.spec.reads, table=predictor.featuriser).needed:
            require_column(name, rows.kinds.names, where=str(path))
        if not dry_run:
            _write(_answered(project, predictor, rows.slices), target)
        return Batch(str(target), len(rows.slices), num_broken, found.hash)


@dataclass(frozen=True)
class _Rows:
    """The rows of a file in scratch files, all with the same columns."""

    slices: Slices
    kinds: pa.Schema


def _read(project: Project, path: Path, scratch: Path) -> tuple[_Rows, int]:
    """All rows, and how many could not be read."""
    events = project.events.of("predict")
    spool, num_broken = Spool(scratch), 0
    schemas: dict[pa.Schema, None] = {}  # a set that keeps its order
    for batch in read_source(path, _reading(project, path), project.hub.readers):
        spool.add(batch.table)
        schemas[batch.table.schema.remove_metadata()] = None
        for broken in batch.broken[: max(_MOST_TOLD - num_broken, 0)]:
            events.warn(f"{path}:{broken.line} not read: {broken.reason}")
        num_broken += len(batch.broken)
        events.progress("rows read", len(spool), len(spool))
    if num_broken > _MOST_TOLD:
        events.warn(f"{num_broken - _MOST_TOLD:,} more rows were not read")
    kinds = unite_kinds(list(schemas))
    if len(schemas) > 1:
        kinds = settle_kinds(kinds, (table for _, table in spool.slices()))
    return _Rows(spool.slices(kinds), kinds), num_broken


def _target(path: Path, out: Path | None) -> Path:
    target = out or path.with_name(f"{path.stem}.answers.parquet")
    if target.suffix not in _WRITERS:
        raise UserError(
            "answers cannot be written to a file that ends in {suffix!r}"
            if target.suffix
            else "the answers' file has no ending that says its format",
            where=str(target),
            fix="one of {known}",
            suffix=target.suffix,
            known=", ".join(_WRITERS),
        )
    if target.exists():
        raise UserError("the file is there already", where=str(target), fix="--out ANOTHER")
    if not target.parent.is_dir():
        raise UserError("there is no such folder", where=str(target.parent), fix="--out ANOTHER")
    return target


def _write(blocks: Iterator[pa.Table], target: Path) -> None:
    """Whole or not at all: a file of half the answers would look like all of them."""
    fresh = target.with_name(target.name + ".part")
    try:
        _WRITERS[target.suffix](blocks, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _reading(project: Project, path: Path) -> SourceConfig:
    """Read it as the project's first source of the same ending is read, or cells as its first."""
    for source in project.config.data.sources:
        if Path(source.path).suffix == path.suffix:
            return source.model_copy(update={"path": str(path), "split": "", "key": ""})
    # Another kind of file, but most likely of the same cells.
    return SourceConfig(path=str(path), cells=project.config.data.sources[0].cells)


def _answered(project: Project, predictor: Predictor, rows: Slices) -> Iterator[pa.Table]:
    """Each row's fields, then what was answered; a name that is taken gets ``predicted_``."""
    events = project.events.of("predict")
    unread = _Unread(predictor.featuriser)
    pieces = (
        (first + start, whole.slice(start, _AT_ONCE))
        for first, whole in rows
        for start in range(0, whole.num_rows, _AT_ONCE)
    )
    for first, table in pieces:
        unread.look(table)
        said = _answers(project, predictor, table)
        for name in said.column_names:
            free = name
            while free in table.column_names:
                free = f"predicted_{free}"
            table = table.append_column(free, said.column(name))
        yield table
        events.progress("rows answered", first + table.num_rows, len(rows))
    for told in unread.told():
        events.warn(told)


class _Unread:
    """Cells of a file that cannot be what their columns hold: counted, and missing to the model.

    A request with such a cell is refused; a file of a million rows is not, for one of them.
    """

    def __init__(self, table: TableFeaturiser | None) -> None:
        known = table.columns if table is not None else ()
        # Where training rows held such cells too, the model knows them.
        self._columns = [c for c in known if c.kind in _SPELT and c.features and not c.has_junk]
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def look(self, table: pa.Table) -> None:
        """Count those of some rows."""
        import pyarrow.compute as pc
        from pyarrow import types

        for column in self._columns:
            cells = table.column(column.name)
            if not types.is_string(cells.type):
                continue
            if column.kind == "number":
                cells = cells.filter(pc.invert(pc.match_substring_regex(cells, _PLAIN)))
            for found in pc.value_counts(cells).to_pylist():
                if not _is_read(column, found["values"]):
                    self._counts[column.name] += found["counts"]
                    self._examples.setdefault(column.name, found["values"])

    def told(self) -> Iterator[str]:
        """A sentence for each column that has some."""
        for name, count in self._counts.items():
            example = self._examples[name][:40]
            cells = "1 cell" if count == 1 else f"{count:,} cells"
            yield f"column {name!r}: {cells} cannot be read, such as {example!r}: taken as missing"


def _is_read(column: FittedColumn, cell: str) -> bool:
    from volano.core.cells import is_missing

    if is_missing(cell):
        return True
    found = column.reader()(cell)
    return not isnan(found[0] if isinstance(found, tuple) else found)


def _answers(project: Project, predictor: Predictor, table: pa.Table) -> pa.Table:
    """What the task shows of the answer to each row, a column for each part of it."""
    import pyarrow as pa

    from volano.models.rows import ArrowRows

    task = project.task
    has_todays_names = not set(task.labels.rename) & set(predictor.labels)
    if task.input == "columns" and has_todays_names:
        return predictor.answer_table(ArrowRows(table))
    told = []
    for start in range(0, table.num_rows, _BLOCK):
        part = table.slice(start, _BLOCK).to_pylist()
        told += [task.output(answer) for answer in predictor.predict(part)]
    names = {name: found for said in told[:1] for name, found in said.items()}
    schema = pa.schema([(name, _type_of(found)) for name, found in names.items()])
    return pa.Table.from_pylist(told, schema)


def _type_of(found: object) -> pa.DataType:
    """The Arrow type of a part of an answer, whichever answer it is of."""
    import pyarrow as pa

    if isinstance(found, bool):
        return pa.bool_()
    if isinstance(found, float):
        return pa.float64()
    if isinstance(found, list):
        return pa.list_(pa.string())
    if isinstance(found, dict):
        return pa.struct([(name, pa.float64()) for name in found])
    return pa.string()


def _write_parquet(blocks: Iterator[pa.Table], path: Path) -> None:
    import pyarrow.parquet as pq

    from volano.data.spool import write_all

    first = next(blocks)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as file:
        write_all(file, chain([first], blocks))


def _write_jsonl(blocks: Iterator[pa.Table], path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for block in blocks:
            stream.writelines(_to_json(row) + "\n" for row in block.to_pylist())


def _write_csv(blocks: Iterator[pa.Table], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        for place, block in enumerate(blocks):
            if not place:
                writer.writerow(block.column_names)
            columns = (_cells(block.column(name)) for name in block.column_names)
            writer.writerows(zip(*columns, strict=True))


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """Values as a CSV file holds them; what is nested as JSON."""
    import pyarrow as pa

    found: list[Any] = column.to_pylist()
    if pa.types.is_nested(column.type):
        return [None if cell is None else _to_json(cell) for cell in found]
    return found


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_WRITERS: Mapping[str, Callable[[Iterator[pa.Table], Path], None]] = {
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
}
