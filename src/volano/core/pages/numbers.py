"""How numbers are written for a reader: the same in tables, tiles, tooltips and sentences."""

from __future__ import annotations

import math

__all__ = ["count", "metric", "percent"]

NOT_A_NUMBER = "–"


def metric(value: float, *, signed: bool = False) -> str:
    """Three decimals; from a hundred on one, and thousands separators.

    >>> metric(0.87123), metric(-0.0001), metric(0.0214, signed=True), metric(1234.56)
    ('0.871', '0.000', '+0.021', '1,234.6')
    """
    if not math.isfinite(value):
        return NOT_A_NUMBER
    decimals = 3 if abs(value) < 100 else 1
    return f"{value:+z,.{decimals}f}" if signed else f"{value:z,.{decimals}f}"


def count(value: int) -> str:
    """Whole, with thousands separators.

    >>> count(12345)
    '12,345'
    """
    return f"{value:,}"


def percent(share: float) -> str:
    """A share of 0 to 1 as a percentage with one decimal.

    >>> percent(0.1234)
    '12.3%'
    """
    return f"{share:z.1%}" if math.isfinite(share) else NOT_A_NUMBER
