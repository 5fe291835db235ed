"""Columns that make up a number: two that add, subtract, multiply or divide to it, or more.

Suffixes: N rows, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Identity", "find_identity"]

_ROWS = 2_000
_FIRST = 64  # rows that a pair is tried on before it is looked at as a whole
_HOLDS = 0.98  # of rows
_FEWEST = 50
_MOST_PAIRED = 150  # columns
_MOST_SUMMED = 60
_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Identity:
    """Columns, how they make up the target, and in which share of rows that holds."""

    columns: tuple[str, ...]
    formula: str
    share: float


def find_identity(
    columns: Mapping[str, NDArray[np.float64]], value_N: NDArray[np.float64]
) -> Identity | None:
    """The first identity that holds, the simplest form first; None where none does.

    Args:
        columns: numbers, NaN where there is none.
        value_N: the target.
    """
    value_N = value_N[:_ROWS]
    slack = _slack(value_N)
    known = {name: column[:_ROWS] for name, column in columns.items()}
    known = {name: column for name, column in known.items() if np.nanstd(column) > 0}
    pair = _of_pairs(dict(list(known.items())[:_MOST_PAIRED]), value_N, slack)
    return pair or _of_sums(dict(list(known.items())[:_MOST_SUMMED]), value_N, slack)


def _slack(value_N: NDArray[np.float64]) -> float:
    """How far a sum may be off: by the rounding of the target, where it is rounded."""
    scale = float(np.abs(value_N).max())
    exact = 1e-9 * max(scale, 1e-300)
    for decimals in range(_MOST_DECIMALS + 1):
        if np.abs(np.round(value_N, decimals) - value_N).max() <= exact:
            rounding = 0.51 * 10.0**-decimals
            return rounding if rounding <= 0.02 * float(value_N.std()) else exact
    return exact


def _of_pairs(
    columns: Mapping[str, NDArray[np.float64]], value_N: NDArray[np.float64], slack: float
) -> Identity | None:
    few = {name: column[:_FIRST] for name, column in columns.items()}
    for one, other in combinations(columns, 2):
        for sign, left, right in _forms(one, other):
            made = _made(sign, few[left], few[right])
            if _share(made, value_N[:_FIRST], slack, fewest=_FEWEST // 5) < _HOLDS:
                continue
            share = _share(_made(sign, columns[left], columns[right]), value_N, slack)
            if share >= _HOLDS:
                return Identity((left, right), f"{left} {sign} {right}", share)
    return None


def _forms(one: str, other: str) -> Iterator[tuple[str, str, str]]:
    yield from (("+", one, other), ("-", one, other), ("-", other, one))
    yield from (("×", one, other), ("/", one, other), ("/", other, one))


def _made(sign: str, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "×":
        return left * right
    with np.errstate(divide="ignore", invalid="ignore"):
        return left / right


def _share(
    made: NDArray[np.float64], value_N: NDArray[np.float64], slack: float, fewest: int = _FEWEST
) -> float:
    """Share of the rows that have all parts in which these make the target."""
    is_there = np.isfinite(made)
    count = int(is_there.sum())
    if count < max(fewest, 0.5 * len(made)):
        return 0.0
    return float((np.abs(made[is_there] - value_N[is_there]) <= slack).sum() / count)


def _of_sums(
    columns: Mapping[str, NDArray[np.float64]], value_N: NDArray[np.float64], slack: float
) -> Identity | None:
    """A weighted sum of several columns: least squares that leave nothing over."""
    names = list(columns)
    if len(names) < 3:
        return None
    table_NF = np.stack([columns[name] for name in names], axis=1)
    is_whole = np.isfinite(table_NF).all(axis=1)
    table_NF, target_N = table_NF[is_whole], value_N[is_whole]
    if len(target_N) < max(_FEWEST, 5 * len(names)):
        return None
    scale_F = table_NF.std(axis=0)
    scaled_NF = np.column_stack([table_NF / scale_F, np.ones(len(target_N))])
    weight_F, *_ = np.linalg.lstsq(scaled_NF, target_N, rcond=None)
    used = [n for n, weight in enumerate(weight_F[:-1]) if abs(weight) > 1e-6 * target_N.std()]
    share = _share(scaled_NF @ weight_F, target_N, slack)
    if share < _HOLDS or len(used) < 3:
        return None
    told = _terms([names[n] for n in used], [weight_F[n] / scale_F[n] for n in used])
    return Identity(tuple(names[n] for n in used), told, share)


def _terms(names: Sequence[str], weights: Sequence[float]) -> str:
    """A sum as people write it: ``a + b - 2 c``."""
    told = ""
    for name, weight in zip(names, weights, strict=True):
        size = f"{abs(weight):.4g}"
        sign = "-" if weight < 0 else "+" if told else ""
        told += f" {sign} " if told else sign
        told += name if size == "1" else f"{size} {name}"
    return told
