"""One row through a booster without the time that LightGBM takes to look at its arguments.

``Booster.predict`` spends about 120 microseconds on them, the trees themselves 20. LightGBM's C
interface keeps what was looked at (``...SingleRowFast``); its names are public, the way to them
from Python is not. Where a LightGBM has no such way ``Booster.predict`` answers, the same digits.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightgbm import Booster

    from volano.models.calibration import Floats

__all__ = ["SingleRow", "raw_values"]

_DOUBLES, _RAW_SCORE, _ALL_TREES = 1, 1, -1


def raw_values(booster: Booster, codes_NF: Floats, *, threads: int) -> Floats:
    """What ``Booster.predict`` says before any link, shape (rows, values)."""
    found: Any = booster.predict(codes_NF, raw_score=True, num_threads=threads)
    values: Floats = np.asarray(found, dtype=np.float64).reshape(len(codes_NF), -1)
    return values


class SingleRow:
    """A booster that is asked one row at a time; thread-safe, a place of its own for each."""

    def __init__(self, booster: Booster) -> None:
        self._booster = booster
        self._mine = threading.local()

    @property
    def is_fast(self) -> bool:
        """Whether this LightGBM has the shorter way."""
        return _open(self._booster) is not None

    def __call__(self, codes_F: Floats) -> Floats:
        """Raw values of one row, shape (values,)."""
        ask: Callable[[Floats], Floats] | None = getattr(self._mine, "ask", None)
        if ask is None:
            ask = _open(self._booster) or (lambda row: _slowly(self._booster, row))
            self._mine.ask = ask
        return ask(codes_F)


def _slowly(booster: Booster, codes_F: Floats) -> Floats:
    values: Floats = raw_values(booster, codes_F[None], threads=1)[0]
    return values


def _open(booster: Booster) -> Callable[[Floats], Floats] | None:
    """The shorter way through one booster, for one thread; None where there is none."""
    try:
        from lightgbm.basic import _LIB, _c_str  # type: ignore[attr-defined]

        handle = booster._handle
        start, ask = (getattr(_LIB, f"{_NAME}{end}") for end in ("Init", ""))
        close = _LIB.LGBM_FastConfigFree
    except (ImportError, AttributeError):
        return None
    num_codes, num_values = booster.num_feature(), booster.num_model_per_iteration()
    kept = ctypes.c_void_p()
    trees = booster.best_iteration if booster.best_iteration > 0 else _ALL_TREES
    options = ctypes.c_int(_RAW_SCORE), ctypes.c_int(0), ctypes.c_int(trees)
    shape = ctypes.c_int(_DOUBLES), ctypes.c_int32(num_codes)
    if start(handle, *options, *shape, _c_str("num_threads=1"), ctypes.byref(kept)):
        return None
    row_F, value_L = np.zeros(num_codes), np.zeros(num_values)
    num = ctypes.c_int64()
    put = ctypes.c_void_p(row_F.ctypes.data)
    got = ctypes.cast(value_L.ctypes.data, ctypes.POINTER(ctypes.c_double))
    told = ctypes.byref(num)

    def answer(codes_F: Floats) -> Floats:
        row_F[:] = codes_F
        return _slowly(booster, codes_F) if ask(kept, put, told, got) else value_L.copy()

    weakref.finalize(answer, close, kept)
    return answer


_NAME = "LGBM_BoosterPredictForMatSingleRowFast"
