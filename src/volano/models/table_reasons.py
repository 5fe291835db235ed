"""Reasons of answers from tables: what each column adds, and the base that they add to.

They add up to the decision value (its lead over the mean of all labels, where these are rivals),
up to the rounding of the last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.models.table_features import TableFeaturiser

__all__ = ["BASE", "OTHERS", "fold", "lead"]

BASE = "(base)"
OTHERS = "(other columns)"


def lead(values_L: NDArray[Any], label: int, *, is_rival: bool) -> Any:
    """A label's part of values whose last axis is labels; of rivals, less the mean of all."""
    return values_L[..., label] - values_L.mean(axis=-1) * is_rival


def fold(
    featuriser: TableFeaturiser, weight_F: Floats, column_F: NDArray[np.int64], base: float
) -> list[tuple[str, float]]:
    """Sums over the features of each column, in the order of the columns, then the base.

    Columns that make no feature are left out: they moved nothing.
    """
    total = np.bincount(column_F, weights=weight_F, minlength=len(featuriser.columns))
    told = [
        (column.name, float(weight))
        for column, weight in zip(featuriser.columns, total, strict=True)
        if column.features
    ]
    return [*told, (BASE, base)]
