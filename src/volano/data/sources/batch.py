"""What a reader gives back: whole rows with their lines, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from volano.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.data.config import SourceConfig

__all__ = ["Batch", "BrokenRow", "Reader", "check_columns", "require_file"]


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read: where it begins, why, and what stands there."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some rows of one file; a reader gives as many as it needs, one after the other.

    Batches of one file may differ in their columns and kinds of values: ``collect`` unites them.

    Attributes:
        table: one column for each column of the file, values as the file has them.
        lines: the line on which each row begins, counted from 1, int64.
        broken: rows that could not be read.
        facts: what the reader found out (encoding, delimiter), kept on the card; what a later batch
            says is laid over what an earlier one said.
    """

    table: pa.Table
    lines: NDArray[np.int64]
    broken: tuple[BrokenRow, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


Reader: TypeAlias = "Callable[[Path, SourceConfig], Iterator[Batch]]"


def require_file(path: Path) -> None:
    """Refuse what is not one file with something in it.

    Raises:
        DataError: the path is a pattern, a folder, missing or empty.
    """
    if any(mark in path.name for mark in "*?[") and not path.exists():
        raise DataError(
            f"{path.name!r} is a pattern, and a source is one file",
            where=str(path),
            fix="name each file as a source of its own",
        )
    if path.is_dir():
        raise DataError(
            f"{path.resolve().name!r} is a folder, and a source is one file",
            where=str(path),
            fix="name each file as a source of its own",
        )
    if not path.exists():
        raise DataError(
            f"there is no file {path.name!r}", where=str(path), fix=_fix_for_missing(path)
        )
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path), fix="export it again")


def _fix_for_missing(path: Path) -> str:
    import difflib

    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    nearest = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return "check the path; those in volano.yaml are relative to its folder"


def check_columns(names: tuple[str, ...], path: Path) -> None:
    """Refuse a header that names one column twice, since one of them would be lost."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"the header names the column {twice[0]!r} {names.count(twice[0])} times",
            where=f"{path}:1",
            fix="give each column a name of its own, or header: false with columns: [...]",
        )
