"""The latest training rows as those to choose by, where the future is to be foretold.

A file that is declared to be training rows leaves none to choose by. Folds drawn by chance would
then grade how well the past is filled in, which is easier than what the model is for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import read_number
from volano.models.dates import EPOCH, read_date

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.models.calibration import Floats

__all__ = ["hold_latest", "moments_of"]

_MOST = 0.5  # of the training rows; where more are equally late, time tells too little


def hold_latest(table: pa.Table, unit_N: NDArray[np.int64], share: float) -> pa.Table:
    """The rows with the latest of those from files as validation rows, up to this share of all.

    Rows of one unit go together, as late as the last of them. What users sent or were asked for is
    no fair sample and stays; so does a row without a time.

    Args:
        table: ``split``, ``time`` and ``label_from`` of training and validation rows.
        unit_N: whose each row is.
        share: of the rows, that are to be there to choose by.
    """
    is_train_N = pc.equal(table.column("split"), "train").to_numpy()
    need = math.floor(share * len(table) + 0.5) - int((~is_train_N).sum())
    is_source_N = pc.equal(table.column("label_from"), "source").fill_null(False).to_numpy()
    moment_N = moments_of(table.column("time"))
    _, unit_N = np.unique(unit_N, return_inverse=True)
    moment_U = np.full(unit_N.max(initial=-1) + 1, -np.inf)
    np.maximum.at(moment_U, unit_N, np.where(np.isnan(moment_N), -np.inf, moment_N))
    is_free_U = np.ones(len(moment_U), bool)
    is_free_U[unit_N[~(is_train_N & is_source_N)]] = False
    is_free_N = is_free_U[unit_N] & np.isfinite(moment_U[unit_N])
    ranked = np.sort(moment_U[unit_N[is_free_N]])
    if not 0 < need <= len(ranked):
        return table
    is_late_N = is_free_N & (moment_U[unit_N] >= ranked[-need])
    if is_late_N.sum() > _MOST * is_train_N.sum():
        return table
    split = pc.if_else(pa.array(is_late_N), "validation", table.column("split"))
    return table.set_column(table.column_names.index("split"), "split", split)


def moments_of(times: pa.ChunkedArray) -> Floats:
    """Times as they are written, as numbers in their order, shape (N,); NaN where there is none."""
    coded = times.combine_chunks().dictionary_encode()
    moments = np.array([*map(_moment, coded.dictionary.to_pylist()), np.nan])
    found: Floats = moments[coded.indices.fill_null(len(moments) - 1).to_numpy()]
    return found


def _moment(time: str) -> float:
    number = read_number(time)
    moment = read_date(time) if math.isnan(number) else None
    return number if moment is None else (moment - EPOCH).total_seconds()
