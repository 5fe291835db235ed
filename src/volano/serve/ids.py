"""Names of Predictions: sortable by time, and not to be guessed (UUID version 7, RFC 9562)."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

__all__ = ["prediction_ids"]


def prediction_ids(num: int) -> list[str]:
    """``num`` ids of this millisecond in ascending order, 74 random bits each.

    >>> first, second = prediction_ids(2)
    >>> first < second
    True
    """
    ms = time.time_ns() // 1_000_000
    return sorted(str(UUID(int=_bits(ms))) for _ in range(num))


def _bits(ms: int) -> int:
    chance = secrets.randbits(74)
    return ms << 80 | 0x7 << 76 | (chance >> 62) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
