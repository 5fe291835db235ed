"""Names of Predictions: sortable by time, and not to be guessed (UUID version 7, RFC 9562)."""

from __future__ import annotations

import secrets
import time

__all__ = ["prediction_ids", "seconds_of"]


def prediction_ids(num: int) -> list[str]:
    """``num`` ids of this millisecond in ascending order, 74 random bits each.

    >>> first, second = prediction_ids(2)
    >>> first < second
    True
    """
    ms = f"{time.time_ns() // 1_000_000:012x}"
    begin = f"{ms[:8]}-{ms[8:]}-7"
    return sorted(begin + _rest(secrets.token_hex(10)) for _ in range(num))


def _rest(chance: str) -> str:
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{chance[:3]}-{variant}{chance[4:7]}-{chance[8:]}"


def seconds_of(prediction_id: str) -> float | None:
    """When an id was given, in seconds since 1970; None where it is no such id.

    >>> abs(seconds_of(prediction_ids(1)[0]) - time.time()) < 5
    True
    """
    if len(prediction_id) != 36 or prediction_id[14] != "7":
        return None
    try:
        return int(prediction_id[:8] + prediction_id[9:13], 16) / 1000
    except ValueError:
        return None
