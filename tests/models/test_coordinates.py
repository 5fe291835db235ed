"""Places on a map: which columns are one, and what trees see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from volano.models.coordinates import (
    find_places,
    share_of_columns,
    turned,
    with_axes,
)
from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.models.trees import TreesEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

NORTH, EAST = np.linspace(-60, 80, 50), np.linspace(-170, 175, 50)[::-1]


def fitted(names: Sequence[str], *, cells: Any = (NORTH, EAST)) -> TableFeaturiser:
    table = pa.table(dict(zip(names, cells, strict=True)) | {"rooms": np.arange(50) % 7})
    return TableFeaturiser.fit(table, table.column_names)


def places(names: Sequence[str], **more: Any) -> list[tuple[str, ...]]:
    made = fitted(names, **more)
    north, east = more.get("cells", (NORTH, EAST))
    rows = [{names[0]: n, names[1]: e} for n, e in zip(north, east, strict=True)]
    found = find_places(made, made.codes(rows))
    return [tuple(made.names[code] for code in place) for place in found]


@pytest.mark.parametrize("names", [
    ("latitude", "longitude"), ("Lat", "Long"), ("pickup_lat", "pickup_lon"), ("纬度", "经度"),
    ("GPSLatitude", "GPSLongitude"), ("门店纬度", "门店经度"), ("lat1", "lng1"),
])  # fmt: skip
def test_coordinates_are_known_by_their_names(names: tuple[str, str]) -> None:
    assert places(names) == [names]
    assert places(names[::-1], cells=(EAST, NORTH)) == [names]


@pytest.mark.parametrize("names", [
    ("latency", "longest"), ("flat", "along"), ("pickup_lat", "dropoff_lon"), ("lat", "x"),
    ("platform", "balloon"), ("lat", "latitude"), ("lat_lon", "lon_lat"),
])  # fmt: skip
def test_other_names_are_no_coordinates(names: tuple[str, str]) -> None:
    assert places(names) == []


def test_numbers_that_are_no_degrees_are_no_coordinates() -> None:
    assert places(("lat", "lon"), cells=(NORTH * 1000, EAST)) == []
    assert places(("lat", "lon"), cells=(NORTH, EAST * 2)) == []
    assert places(("lat", "lon"), cells=([f"word{n % 4}" for n in range(50)], EAST)) == []


def test_trees_that_see_a_place_turned_answer_alike_everywhere_and_their_reasons_add_up() -> None:
    draw = np.random.default_rng(1)
    lat, lon, rooms = draw.uniform(30, 40, 400), draw.uniform(100, 110, 400), np.arange(400) % 7
    lat[::25] = np.nan
    table = pa.table({"lat": pa.array(lat, from_pandas=True), "lon": lon, "rooms": rooms})
    made = TableFeaturiser.fit(table, table.column_names)
    rows = table.to_pylist()
    codes = made.codes(rows)
    found = find_places(made, codes)
    seen = turned(codes, found)
    assert seen.shape == (400, 3 + 6)
    truth = np.where(lat - lon + 70 > 0, 5.0, -5.0) + rooms  # a border that slants
    options = {"objective": "regression", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(seen, truth), 30)
    engine = TreesEngine(made, (booster,), (1.0,), places=found)
    values = engine.decide(rows)
    assert np.array_equal(values, engine.decide(ArrowRows(table)))
    assert all(np.array_equal(values[n], engine.decide([rows[n]])[0]) for n in range(40))
    for row, value in zip(rows[:40], values[:, 0], strict=False):
        reasons = dict(engine.reasons(row, 0, is_rival=False))
        assert set(reasons) == {"lat", "lon", "rooms", "(base)"}
        assert sum(reasons.values()) == pytest.approx(value, abs=1e-9)
    with pytest.raises(ValueError, match="fit no columns"):
        TreesEngine(made, (booster,), (1.0,))
    with pytest.raises(ValueError, match="is none of 3 codes"):
        TreesEngine(made, (booster,), (1.0,), places=((0, 3),))


def test_what_an_axis_brings_is_shared_by_its_two_columns() -> None:
    weights = np.array([1.0, 2.0, 4.0, *[0.5] * 6])
    assert share_of_columns(weights, ((2, 0),)).tolist() == [2.5, 2.0, 5.5]
    assert share_of_columns(weights, ()).tolist() == weights.tolist()


def test_what_leaves_out_a_coordinate_leaves_out_its_axes() -> None:
    places = ((0, 1), (2, 3))
    assert with_axes((), 4, places) == ()
    assert with_axes((2,), 4, places) == (2, *range(10, 16))
    assert with_axes((1, 3), 4, places) == (1, 3, *range(4, 16))
