from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import IsolationForest

from volano.models.forest import Forest
from volano.models.neighbours import Neighbours
from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.train.anomalies.detectors import _whole_trees, fit_detector

DRAW = np.random.default_rng(0)
CELLS = np.concatenate([DRAW.normal(size=(800, 4)), DRAW.uniform(-6, 6, (20, 4))])
TABLE = pa.table({f"c{place}": CELLS[:, place] for place in range(4)})
FEATURISER = TableFeaturiser.fit(TABLE, TABLE.column_names, {})
CODES = FEATURISER.codes(ArrowRows(TABLE))


@pytest.fixture(scope="module")
def forest() -> Forest:
    found = fit_detector("forest", FEATURISER, CODES, 0)
    assert isinstance(found, Forest)
    return found


def test_whole_trees_say_what_scikit_learn_says(forest: Forest) -> None:
    inputs = forest.inputs(CODES)
    trees = IsolationForest(n_estimators=50, random_state=3).fit(inputs)
    feature_TI, cut_TI, path_TL = _whole_trees(trees)
    ours = Forest(*list(vars(forest).values())[:8], feature_TI, cut_TI, path_TL)
    np.testing.assert_allclose(2.0 ** ours.oddness(CODES), -trees.score_samples(inputs), atol=1e-5)


def test_scattered_rows_are_odder_than_the_crowd(forest: Forest) -> None:
    odd_N = forest.oddness(CODES)
    assert odd_N[800:].mean() > np.quantile(odd_N[:800], 0.95)


def test_what_typical_cells_would_change_adds_up(forest: Forest) -> None:
    codes_F = np.array([8.0, 0.0, 0.0, 0.1])
    parts, base = forest.parts(codes_F)
    assert parts.sum() + base == pytest.approx(float(forest.oddness(codes_F[None])[0]))
    assert parts.argmax() == 0


def test_rare_levels_missing_cells_and_huge_numbers_are_odd() -> None:
    draw = np.random.default_rng(1)
    plans = draw.choice(["basic", "plus", "pro"], 1000, p=[0.6, 0.39, 0.01])
    sizes = [None if place % 250 == 0 else float(place % 50) for place in range(1000)]
    table = pa.table({"plan": plans, "size": sizes, "far": draw.normal(size=1000) * 1e300})
    kinds = {"plan": "category"}
    featuriser = TableFeaturiser.fit(table, table.column_names, kinds)  # type: ignore[arg-type]
    forest = fit_detector("forest", featuriser, featuriser.codes(ArrowRows(table)), 0)
    usual = {"plan": "basic", "size": 25, "far": 0.0}
    rows = [usual, usual | {"plan": "pro"}, usual | {"size": ""}, usual | {"far": 1e308}]
    odd_N = forest.oddness(featuriser.codes(rows))
    assert np.isfinite(odd_N).all()
    assert (odd_N[1:] > odd_N[0]).all()


def test_neighbours_see_what_is_strange_only_in_its_combination() -> None:
    draw = np.random.default_rng(2)
    one = draw.normal(size=2000)
    table = pa.table({"one": one, "two": one + 0.05 * draw.normal(size=2000)})
    featuriser = TableFeaturiser.fit(table, table.column_names, {})
    found = fit_detector("neighbours", featuriser, featuriser.codes(ArrowRows(table)), 0)
    assert isinstance(found, Neighbours)
    codes = featuriser.codes([{"one": 1.0, "two": 1.0}, {"one": 1.0, "two": -1.0}])
    usual, torn = found.oddness(codes)
    assert torn > 2 * usual
    parts, base = found.parts(codes[1])
    assert parts.sum() + base == pytest.approx(torn, abs=1e-6)


def test_the_nearest_row_is_the_nearest() -> None:
    found = fit_detector("neighbours", FEATURISER, CODES, 0)
    assert isinstance(found, Neighbours)
    dense = FEATURISER.dense_of(CODES[:50])[:, : found.sample_TSD.shape[2]]
    far = np.linalg.norm(dense[:, None, None] - found.sample_TSD, axis=-1)
    np.testing.assert_allclose(found.oddness(CODES[:50]), far.min(axis=2).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("part", ["forest.cut", "forest.path", "forest.start", "forest.level"])
def test_a_damaged_forest_is_refused(forest: Forest, part: str) -> None:
    arrays = forest.arrays()
    with pytest.raises(ValueError, match="forest"):
        Forest.load(FEATURISER, {**arrays, part: arrays[part][:-1] if part != "forest.level"
                                 else np.ones(3)})  # fmt: skip
