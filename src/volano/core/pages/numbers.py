"""How numbers are written for a reader: the same in tables, tiles, tooltips and sentences."""

from __future__ import annotations

import math

__all__ = ["count", "figure", "metric", "percent"]

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


def figure(value: float, *, signed: bool = False) -> str:
    """Four digits of a number of any size, for what has a unit of the project's own.

    >>> figure(206855.8), figure(0.00012361), figure(-3.2, signed=True), figure(0)
    ('206,856', '0.0001236', '-3.2', '0')
    """
    if not math.isfinite(value):
        return NOT_A_NUMBER
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    written = f"{value:{'+' if signed else ''}z,.{decimals}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


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
