"""Asking a model about one text or a whole file; batches go through the Predictor like requests."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError, UserError
from volano.core.nouns import Model
from volano.data.config import SourceConfig
from volano.data.sources import read_source
from volano.models import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from volano.loop.project import Project

__all__ = ["Batch", "predict_file", "predict_text"]

_BLOCK = 512
_WRITERS = (".parquet", ".jsonl", ".csv")


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
    predictor = Predictor.load(found.folder)
    answer = predictor.predict([{predictor.spec.text[0]: text}], explain=explain)[0]
    return {"model": found.short, **project.task.output(answer)}


def predict_file(project: Project, path: Path, out: Path | None, model: str) -> Batch:
    """Answer every row of a file, in order; rows keep their fields.

    Raises:
        DataError: the file cannot be read or lacks the text column.
        UserError: the answers' file exists, or is of a kind that cannot be written.
    """
    target = out or path.with_name(f"{path.stem}.answers.parquet")
    if target.suffix not in _WRITERS:
        raise UserError(
            f"answers cannot be written as {target.suffix or 'a file without ending'}",
            where=str(target),
            fix="one of " + ", ".join(_WRITERS),
        )
    if target.exists():
        raise UserError("the file is there already", where=str(target), fix="--out ANOTHER")
    found = project.find(Model, model)
    predictor = Predictor.load(found.folder)
    batch = read_source(path, _reading(project, path), project.hub.readers)
    rows = batch.table.to_pylist()
    missing = [name for name in predictor.spec.text if name not in batch.table.column_names]
    if missing:
        raise DataError(
            f"the column {missing[0]!r} is missing",
            where=str(path),
            fix=f"it has {', '.join(batch.table.column_names)}",
        )
    fresh = target.with_name(target.name + ".part")
    _WRITE[target.suffix](_answered(project, predictor, rows), fresh)
    fresh.replace(target)
    for broken in batch.broken:
        project.events.of("predict").warn(f"{path}:{broken.line} not read: {broken.reason}")
    return Batch(str(target), len(rows), len(batch.broken), found.hash)


def _reading(project: Project, path: Path) -> SourceConfig:
    """Read it as the project's first source of the same ending is read."""
    for source in project.config.data.sources:
        if Path(source.path).suffix == path.suffix:
            return source.model_copy(update={"path": str(path), "split": "", "key": ""})
    return SourceConfig(path=str(path))


def _answered(
    project: Project, predictor: Predictor, rows: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    events = project.events.of("predict")
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        for row, answer in zip(part, predictor.predict(part), strict=True):
            yield {**row, "prediction": project.task.output(answer)}
        events.progress("rows answered", min(start + _BLOCK, len(rows)), len(rows))


def _write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows]), path, compression="zstd")


def _write_jsonl(rows: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _write_csv(rows: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            flat = _flat(row)
            flat["scores"] = json.dumps(flat["scores"], ensure_ascii=False)
            if "labels" in flat:
                flat["labels"] = json.dumps(flat["labels"], ensure_ascii=False)
            if writer is None:
                writer = csv.DictWriter(stream, list(flat))
                writer.writeheader()
            writer.writerow(flat)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The row's fields, then the answer's parts; a name that is taken gets ``predicted_``."""
    fields = {name: value for name, value in row.items() if name != "prediction"}
    said = row["prediction"]
    told = {f"predicted_{name}" if name in fields else name: said[name] for name in said}
    return {**fields, **told}


_WRITE = {".parquet": _write_parquet, ".jsonl": _write_jsonl, ".csv": _write_csv}
