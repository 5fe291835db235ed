"""Times as sources write them, as numbers that can be put in order."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.errors import DataError
from volano.data.spool import ROWS_AT_ONCE
from volano.data.targets import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.data.frame import Frame

__all__ = ["days_of", "read_moments", "read_seconds"]

_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y年%m月%d日", "%Y.%m.%d")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def read_moments(
    times: pa.ChunkedArray, sources: pa.ChunkedArray, lines: pa.ChunkedArray
) -> NDArray[np.float64]:
    """Each time as seconds (or as the number it is): (rows,), NaN where there is none.

    Each source writes its own way: all of its times are numbers, or none is read as one.

    Args:
        times: as written; null or empty for none.
        sources: the file of each.
        lines: the line of each in it.

    Raises:
        DataError: a time is in no order that can be known, such as 03/04/2025.
    """
    trimmed = pc.utf8_trim_whitespace(times)
    is_number = pc.match_substring_regex(trimmed, f"^({_NUMBER.pattern})$")
    is_date = pc.and_(pc.greater(pc.binary_length(times), 0), pc.invert(is_number))
    dated = pc.unique(sources.filter(is_date.fill_null(False))).to_pylist()
    found = np.full(len(times), np.nan)
    for start in range(0, len(times), ROWS_AT_ONCE):
        here, of = times.slice(start, ROWS_AT_ONCE), sources.slice(start, ROWS_AT_ONCE)
        values, places = distinct(here)
        is_of_dated = pc.is_in(of, pa.array(dated, pa.string())).to_numpy()
        for flag in (True, False):
            rows = np.flatnonzero((is_of_dated == flag) & (places < len(values) - 1))
            used, back = np.unique(places[rows], return_inverse=True)
            moments = [_moment((values[n] or "").strip(), is_dated=flag) for n in used.tolist()]
            wrong = next((n for n, one in enumerate(moments) if one is None), None)
            if wrong is not None:
                row = int(rows[np.flatnonzero(back.ravel() == wrong)[0]])
                where = f"{of[row].as_py()}:{lines[start + row].as_py()}"
                raise DataError(
                    "{time!r} is not a time whose order is known",
                    where=where,
                    fix="write times as 2025-11-22 or 2025-11-22T04:58:00, or as numbers",
                    time=values[used[wrong]],
                )
            found[start + rows] = np.array(moments, np.float64)[back.ravel()]
    return found


def _moment(time: str, *, is_dated: bool) -> float | None:
    if not time:
        return np.nan
    return read_seconds(time) if is_dated else float(time)


def read_seconds(time: str) -> float | None:
    """A date or a time as seconds since 1970; None where its order is not known."""
    read = _iso(time) or next((r for f in _FORMATS if (r := _parsed(time, f)) is not None), None)
    if read is None:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _iso(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None


def _parsed(time: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(time, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def days_of(frame: Frame) -> float:
    """The days that the times of all rows in a split span, at least 1; 0 without times."""
    if not pc.any(pc.greater(pc.binary_length(frame["time"]), 0)).as_py():
        return 0.0
    is_used = pc.is_valid(frame["split"])
    columns = (frame[name].filter(is_used) for name in ("time", "source", "line"))
    moments = read_moments(*columns)
    known = moments[np.isfinite(moments)]
    return max(1.0, float(known.max() - known.min()) / 86_400) if known.size else 0.0
