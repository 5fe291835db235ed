from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from volano.models.odd_scale import OddScale
from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.models.tails import Tails
from volano.train.anomalies.detectors import fit_detector

if TYPE_CHECKING:
    from collections.abc import Mapping


def fitted(cells: Mapping[str, object], said: Mapping[str, str] | None = None) -> Tails:
    table = pa.table(dict(cells))
    featuriser = TableFeaturiser.fit(table, table.column_names, said or {})  # type: ignore[arg-type]
    found = fit_detector("tails", featuriser, featuriser.codes(ArrowRows(table)), 0)
    assert isinstance(found, Tails)
    return found


def odd(tails: Tails, **row: object) -> float:
    return float(tails.oddness(tails.featuriser.codes([row]))[0])


def ecod(cells_NF: np.ndarray) -> np.ndarray:
    """As the paper writes it, on the training rows themselves."""
    num = len(cells_NF)
    ranked = np.sort(cells_NF, axis=0)
    left, right, longer = np.zeros((3, num))
    for ranks, value_N in zip(ranked.T, cells_NF.T, strict=True):
        low = -np.log(np.searchsorted(ranks, value_N, "right") / num)
        high = -np.log(1 - np.searchsorted(ranks, value_N, "left") / num)
        left, right = left + low, right + high
        longer = longer + (low if ((value_N - value_N.mean()) ** 3).mean() < 0 else high)
    return np.max([left, right, longer], axis=0)


def test_few_values_give_exactly_what_the_paper_says() -> None:
    draw = np.random.default_rng(0)
    cells = np.stack([draw.integers(0, 90, 300) ** 2, -draw.poisson(20, 300)], axis=1) * 1.0
    tails = fitted({"a": cells[:, 0], "b": cells[:, 1]}, {"a": "number", "b": "number"})
    table = pa.table({"a": cells[:, 0], "b": cells[:, 1]})
    found = tails.oddness(tails.featuriser.codes(ArrowRows(table)))
    np.testing.assert_allclose(found, ecod(cells), rtol=1e-12)


def test_many_values_come_close_to_what_the_paper_says() -> None:
    cells = np.random.default_rng(0).lognormal(size=(20_000, 2))
    tails = fitted({"a": cells[:, 0], "b": cells[:, 1]})
    table = pa.table({"a": cells[:, 0], "b": cells[:, 1]})
    found = tails.oddness(tails.featuriser.codes(ArrowRows(table)))
    gap_N = np.abs(found - ecod(cells))
    assert gap_N.max() < 0.15
    assert gap_N.mean() < 0.005


def test_what_lies_beyond_all_of_training_costs_most() -> None:
    tails = fitted({"a": np.arange(1000.0)})
    assert odd(tails, a=500) < odd(tails, a=990) < odd(tails, a=1e9)
    assert odd(tails, a=1e9) == pytest.approx(math.log(1001))
    assert odd(tails, a=math.inf) == odd(tails, a=1e300) == odd(tails, a=1e9)


def test_a_rare_level_and_a_missing_cell_are_odd() -> None:
    plans = ["basic"] * 600 + ["plus"] * 395 + ["gold"] * 3 + [""] * 2
    tails = fitted({"plan": plans, "a": np.arange(1000) % 7}, {"plan": "category"})
    common, rare, absent = (odd(tails, plan=plan, a=3) for plan in ("basic", "gold", ""))
    assert common < rare < absent
    assert odd(tails, plan="basic", a=None) > odd(tails, plan="basic", a=3)


def test_the_parts_of_columns_add_up_exactly() -> None:
    draw = np.random.default_rng(1)
    tails = fitted({"a": draw.normal(size=500), "b": draw.gamma(1.0, size=500)})
    codes_F = tails.featuriser.codes([{"a": 9.0, "b": 0.1}])[0]
    parts, base = tails.parts(codes_F)
    assert parts.sum() + base == pytest.approx(odd(tails, a=9.0, b=0.1), abs=1e-12)
    assert parts[0] > parts[1]


def test_a_scale_says_the_share_of_training_rows_that_are_less_odd() -> None:
    value_N = np.random.default_rng(2).gamma(2.0, size=50_000)
    scale = OddScale.fit(value_N)
    assert len(scale.value_Q) <= 1000
    asked = np.quantile(value_N, [0.1, 0.5, 0.9, 0.99, 0.999])
    share = 1 / (1 + np.exp(-scale.logits(asked)))
    np.testing.assert_allclose(share, [0.1, 0.5, 0.9, 0.99, 0.999], atol=2e-4)


def test_a_scale_keeps_the_order_beyond_its_ends() -> None:
    scale = OddScale.fit(np.random.default_rng(2).normal(size=1000))
    asked = np.array([-1e6, -50.0, -4.0, 0.0, 4.0, 4.001, 50.0, 1e6])
    share = 1 / (1 + np.exp(-scale.logits(asked)))
    assert (np.diff(share) > 0).all()


def test_a_scale_of_equal_rows_says_half() -> None:
    scale = OddScale.fit(np.full(20, 3.0))
    assert scale.logits(np.array([3.0]))[0] == 0.0
    assert scale.logits(np.array([4.0]))[0] > 0.0


def test_a_damaged_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="does not rise"):
        OddScale(np.array([1.0, 1.0]), np.array([0.0, 1.0]), 1.0)
