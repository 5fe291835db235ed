"""Places on a map, turned: trees cut along the columns that they see, and coasts and valleys slant.

Where two columns are a latitude and a longitude, trees see them along six slanting axes as well,
each a weighted sum of the two. Found by name, since nothing else tells a place from two numbers.
Shape suffixes: N rows, F codes, A axes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.models.table_features import TableFeaturiser

__all__ = ["Place", "find_places", "num_turned", "share_of_columns", "turned", "with_axes"]

Floats = NDArray[np.float64]
Place = tuple[int, int]  # which codes are its latitude and its longitude

# Every 22.5 degrees but along the columns themselves; rounded, since cosines differ by machine.
_ANGLES_A = np.deg2rad([22.5, 45.0, 67.5, 112.5, 135.0, 157.5])
_NORTH_A, _EAST_A = np.round(np.sin(_ANGLES_A), 12), np.round(np.cos(_ANGLES_A), 12)
_NUM_AXES = len(_ANGLES_A)
_LATITUDE = re.compile(r"(?<![a-z])(latitude|lat)(?![a-z])|纬度|緯度")
_LONGITUDE = re.compile(r"(?<![a-z])(longitude|long|lon|lng)(?![a-z])|经度|經度")
_CASES = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MOST_NORTH, _MOST_EAST = 90.0, 180.0
_ON_EARTH = 0.95  # of the rows; of a device that errs some lie anywhere


def find_places(featuriser: TableFeaturiser, codes_NF: Floats) -> tuple[Place, ...]:
    """The pairs of codes that are coordinates by name, and nearly always in the range of degrees.

    A pair differs in nothing but that word: ``pickup_lat`` goes with ``pickup_lon``.
    """
    found: dict[str, dict[bool, int]] = {}
    for code, column in enumerate(featuriser.column_F.tolist()):
        told = featuriser.columns[column]
        name = _CASES.sub("_", told.name).lower()
        for is_north, pattern in ((True, _LATITUDE), (False, _LONGITUDE)):
            rest, num = pattern.subn("@", name)
            if num == 1 and told.kind == "number":
                found.setdefault(rest, {})[is_north] = code
    pairs = [(pair[True], pair[False]) for pair in found.values() if len(pair) == 2]
    return tuple(pair for pair in pairs if _is_on_earth(codes_NF, pair))


def num_turned(num_codes: int, places: Sequence[Place]) -> int:
    """How many ``turned`` codes there are of so many."""
    return num_codes + _NUM_AXES * len(places)


def turned(codes_NF: Floats, places: Sequence[Place]) -> Floats:
    """The codes, then each place along every axis: shape (N, F + A for each place).

    The same bits for a row alone and among others.
    """
    if not places:
        return codes_NF
    axes = [
        codes_NF[:, north, None] * _NORTH_A + codes_NF[:, east, None] * _EAST_A
        for north, east in places
    ]
    return np.concatenate([codes_NF, *axes], axis=1)


def share_of_columns(weight_F: Floats, places: Sequence[Place]) -> Floats:
    """Weights of ``turned`` codes as weights of the codes: an axis counts half for either column.

    Two that only work together share alike what they bring, as Shapley values do.
    """
    num_codes = len(weight_F) - num_turned(0, places)
    total_F = weight_F[:num_codes].copy()
    for number, place in enumerate(places):
        total_F[list(place)] += weight_F[_axes(num_codes, number)].sum() / 2
    return total_F


def with_axes(codes: Sequence[int], num_codes: int, places: Sequence[Place]) -> tuple[int, ...]:
    """Some of so many codes, with the axes of the places of which either coordinate is one."""
    axes = [
        _axes(num_codes, number) for number, place in enumerate(places) if set(place) & set(codes)
    ]
    return (*codes, *(axis for found in axes for axis in range(found.start, found.stop)))


def _axes(num_codes: int, number: int) -> slice:
    """Where the axes of a place stand among the ``turned`` codes."""
    return slice(num_codes + _NUM_AXES * number, num_codes + _NUM_AXES * (number + 1))


def _is_on_earth(codes_NF: Floats, place: Place) -> bool:
    for code, most in zip(place, (_MOST_NORTH, _MOST_EAST), strict=True):
        known_N = codes_NF[:, code]
        known_N = known_N[~np.isnan(known_N)]
        if not known_N.size or (np.abs(known_N) <= most).mean() < _ON_EARTH:
            return False
    return True
