"""What a reader gives back: whole rows with their lines, and what could not be read."""

from __future__ import annotations

import difflib
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from volano.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.data.config import SourceConfig

__all__ = ["Batch", "BrokenRow", "Reader", "check_columns", "require_file", "stat_source"]

_MOST_COLUMNS = 16_384  # as many as Excel has; a file with more is not what it seems to be


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


def no_header(names: int, width: int, where: str) -> DataError:
    """What to say of a first line that is not as wide as the rows: a title may stand there."""
    return DataError(
        "the first line has {names} cells, and nearly all lines after it have {width}",
        where=where,
        fix="take out what stands above the header, or header: false where there is none",
        names=names,
        width=width,
    )


def check_columns(names: Sequence[str], path: Path) -> None:
    """Refuse a header that names one column twice, since one of them would be lost.

    Raises:
        DataError: a name stands twice, or there are more columns than any table has.
    """
    if len(names) > _MOST_COLUMNS:
        raise DataError(
            "{count} columns, and the most is {limit}",
            where=f"{path}:1",
            fix="check the delimiter, or keep the columns that matter",
            count=len(names),
            limit=_MOST_COLUMNS,
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            "the header names the column {name!r} {count} times",
            where=f"{path}:1",
            fix="give each column a name of its own, or header: false with columns: [...]",
            name=twice[0],
            count=list(names).count(twice[0]),
        )


def require_file(path: Path) -> None:
    """Refuse what is not one file with something in it.

    Raises:
        DataError: the path is a folder, a pipe or a device, missing, closed to us, or empty.
    """
    about = stat_source(path)
    if stat.S_ISDIR(about.st_mode):
        raise DataError(
            "{name!r} is a folder, and a file is needed here",
            where=str(path),
            fix="name one of its files",
            name=path.resolve().name,
        )
    if about.st_size == 0:
        raise DataError("the file is empty", where=str(path), fix="export it again")


def stat_source(path: Path) -> os.stat_result:
    """What the system says about a file or a folder; nothing else is a source.

    Raises:
        DataError: it is missing, closed to us, or a pipe or a device, which might never end.
    """
    try:
        about = path.stat()
    except PermissionError:
        raise _closed(path) from None
    except (OSError, ValueError):  # a loop of links, a name too long, a NUL in the name
        raise _missing(path) from None
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise DataError(
            "{name!r} is no file but a pipe or a device",
            where=str(path),
            fix="write what it gives into a file first",
            name=path.name,
        )
    if not os.access(path, os.R_OK):
        raise _closed(path)
    return about


def _closed(path: Path) -> DataError:
    return DataError(
        "{name!r} may not be read by this user",
        where=str(path),
        fix="allow it: chmod u+r FILE",
        name=path.name,
    )


def _missing(path: Path) -> DataError:
    if any(mark in path.name for mark in "*?["):
        return DataError(
            "{name!r} is a pattern, and a source is one file or one folder",
            where=str(path),
            fix="name each file as a source of its own, or the folder",
            name=path.name,
        )
    fix = "check the path, which is relative to volano.yaml; the hub is hf://datasets/OWNER/NAME"
    try:
        beside = [one.name for one in path.parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    nearest = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.6)
    if nearest:
        fix = "did you mean {nearest!r}?"
    return DataError(
        "there is no file {name!r}",
        where=str(path),
        fix=fix,
        name=path.name,
        nearest="".join(nearest),
    )
