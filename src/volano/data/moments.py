"""Times as sources write them, as numbers that can be put in order."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from volano.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_moments"]

_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y年%m月%d日", "%Y.%m.%d")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def read_moments(
    times: Sequence[str | None], lines: Sequence[tuple[str, int]]
) -> list[float | None]:
    """Each time as seconds (or as the number it is); None where there is none.

    Each source writes its own way: all of its times are numbers, or none is read as one.

    Args:
        times: as written.
        lines: the file and line of each, for the error.

    Raises:
        DataError: a time is in no order that can be known, such as 03/04/2025.
    """
    dated = {
        source
        for time, (source, _) in zip(times, lines, strict=True)
        if time and not _NUMBER.fullmatch(time.strip())
    }
    found: list[float | None] = []
    for time, (source, line) in zip(times, lines, strict=True):
        moment = None
        if time:
            moment = _seconds(time.strip()) if source in dated else float(time)
            if moment is None:
                raise DataError(
                    "{time!r} is not a time whose order is known",
                    where=f"{source}:{line}",
                    fix="write times as 2025-11-22 or 2025-11-22T04:58:00, or as numbers",
                    time=time,
                )
        found.append(moment)
    return found


def _seconds(time: str) -> float | None:
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
