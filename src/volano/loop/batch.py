"""Asking a model about one text or a whole file; batches go through the Predictor like requests."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.core.nouns import Model
from volano.data.columns import require_column
from volano.data.config import SourceConfig
from volano.data.sources import read_whole
from volano.models import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from volano.loop.project import Project

__all__ = ["Batch", "predict_file", "predict_text"]

_BLOCK = 512


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


def predict_text(project: Project, text: str, model: str, *, explain: bool) -> dict[str, Any]:
    """The answer to one text, as HTTP would give it, less the id: nothing is logged."""
    found = project.find(Model, model)
    predictor = Predictor.load(found.folder).routed(project.config.automatic_precision)
    answer = predictor.predict([{predictor.spec.text[0]: text}], explain=explain)[0]
    return {"model": found.short, **project.task.output(answer)}


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
        DataError: the file cannot be read or lacks the text column.
        UserError: the answers' file exists, or is of a kind that cannot be written.
    """
    target = _target(path, out)
    found = project.find(Model, model)
    predictor = Predictor.load(found.folder).routed(project.config.automatic_precision)
    batch = read_whole(path, _reading(project, path), project.hub.readers)
    for name in predictor.spec.text:
        require_column(name, batch.table.column_names, where=str(path))
    for broken in batch.broken:
        project.events.of("predict").warn(f"{path}:{broken.line} not read: {broken.reason}")
    if not dry_run:
        _write(_answered(project, predictor, batch.table.to_pylist()), target)
    return Batch(str(target), batch.table.num_rows, len(batch.broken), found.hash)


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


def _write(rows: Iterator[dict[str, Any]], target: Path) -> None:
    """Whole or not at all: a file of half the answers would look like all of them."""
    fresh = target.with_name(target.name + ".part")
    try:
        _WRITERS[target.suffix](rows, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _reading(project: Project, path: Path) -> SourceConfig:
    """Read it as the project's first source of the same ending is read."""
    for source in project.config.data.sources:
        if Path(source.path).suffix == path.suffix:
            return source.model_copy(update={"path": str(path), "split": "", "key": ""})
    return SourceConfig(path=str(path))


def _answered(
    project: Project, predictor: Predictor, rows: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Each row's fields, then what was answered; a name that is taken gets ``predicted_``."""
    events = project.events.of("predict")
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        for row, answer in zip(part, predictor.predict(part), strict=True):
            said = project.task.output(answer)
            yield row | {f"predicted_{n}" if n in row else n: found for n, found in said.items()}
        events.progress("rows answered", min(start + _BLOCK, len(rows)), len(rows))


def _write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd")


def _write_jsonl(rows: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(_to_json(row) + "\n")


def _write_csv(rows: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(stream, list(row))
                writer.writeheader()
            cells = {n: _to_json(v) if isinstance(v, dict | list) else v for n, v in row.items()}
            writer.writerow(cells)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_WRITERS = {".parquet": _write_parquet, ".jsonl": _write_jsonl, ".csv": _write_csv}
