from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.tiny_tables import COLUMNS, arrow, featuriser, messy_rows

from volano.core.errors import UserError
from volano.models.rows import ArrowRows, table_of
from volano.models.table_columns import shown
from volano.models.table_features import TableFeaturiser

ROWS = messy_rows()
FITTED = featuriser()


def fit(said: Any = {}, **columns: Any) -> TableFeaturiser:  # noqa: B006
    table = pa.table({name: pa.array(cells) for name, cells in columns.items()})
    return TableFeaturiser.fit(table, table.column_names, said)


def code(fitted: TableFeaturiser, **row: Any) -> float:
    return float(fitted.codes([row])[0, 0])


CELL = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=5),
    st.sampled_from(["?", " Paris", "paris", "1,200", "2024-03-05", "3/5/2024", "Yes", "是", "7",
                     "x y z", "2024-03-05T10:00:00+02:00", "缺失", "12%"]),
)  # fmt: skip
ROW = st.dictionaries(st.sampled_from(COLUMNS), CELL)


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=9))
def test_a_row_gives_the_same_bits_alone_and_in_any_batch(rows: list[dict[str, Any]]) -> None:
    codes, dense = FITTED.codes(rows), FITTED.dense(rows)
    assert np.isfinite(dense).all()
    for place, row in enumerate(rows):
        assert FITTED.codes([row])[0].tobytes() == codes[place].tobytes()
        assert FITTED.dense([row])[0].tobytes() == dense[place].tobytes()


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=9))
def test_rows_in_arrow_give_the_bits_of_their_mappings(rows: list[dict[str, Any]]) -> None:
    stands = ArrowRows(table_of(rows, COLUMNS))
    assert FITTED.codes(stands).tobytes() == FITTED.codes(list(stands)).tobytes()
    assert FITTED.dense(stands).tobytes() == FITTED.dense(list(stands)).tobytes()
    assert FITTED.codes(stands[:1]).tobytes() == FITTED.codes([stands[0]]).tobytes()


TYPED = {
    "b": pa.array([True, None, False]),
    "i8": pa.array([1, 2, None], pa.int8()),
    "u64": pa.array([2**63 + 1, 0, None], pa.uint64()),
    "f32": pa.array([0.1, float("nan"), float("inf")], pa.float32()),
    "dec": pa.array([None, "1.10", "2.25"]).cast(pa.decimal128(9, 2)),
    "ts": pa.array([1_700_000_000_123_456_789, None, 5], pa.timestamp("ns")),
    "tz": pa.array([1_700_000_000, None, 5], pa.timestamp("s", "Asia/Shanghai")),
    "day": pa.array([19000, None, 20000], pa.date32()),
    "clock": pa.array([3600, None, 7], pa.time32("s")),
    "took": pa.array([3600, None, 7], pa.duration("s")),
    "dict": pa.array(["a", None, "b"]).dictionary_encode(),
    "big": pa.array(["a", None, "b"], pa.large_string()),
    "null": pa.nulls(3),
    "list": pa.array([[1], None, [2]]),
    "bytes": pa.array([b"x", None, b"y"]),
}


def test_every_type_of_arrow_is_read_alike_in_a_table_and_in_a_mapping() -> None:
    table = pa.concat_tables([pa.table(TYPED)] * 20)
    rows = ArrowRows(table)
    for said in ({}, dict.fromkeys(TYPED, "category"), dict.fromkeys(TYPED, "number")):
        fitted = TableFeaturiser.fit(table, table.column_names, said)
        together = fitted.codes(rows)
        assert together.tobytes() == fitted.codes(list(rows)).tobytes()
        assert together[1:2].tobytes() == fitted.codes([rows[1]]).tobytes()


def test_a_row_sent_as_json_reads_as_it_stood_in_the_table() -> None:
    table = pa.concat_tables([pa.table({n: TYPED[n] for n in TYPED if n not in ("bytes",)})] * 20)
    fitted, rows = TableFeaturiser.fit(table, table.column_names), ArrowRows(table)
    for place in range(3):
        sent = json.loads(json.dumps(rows[place], default=str))
        assert fitted.codes([sent]).tobytes() == fitted.codes([rows[place]]).tobytes()


def test_settings_and_arrays_bring_back_the_same_featuriser() -> None:
    told = json.loads(json.dumps(FITTED.settings()))
    again = TableFeaturiser.load(told, FITTED.arrays())
    assert again.codes(ROWS).tobytes() == FITTED.codes(ROWS).tobytes()
    assert again.dense(ROWS).tobytes() == FITTED.dense(ROWS).tobytes()
    assert np.allclose(again.mean_D, FITTED.dense(arrow(ROWS)).mean(axis=0))
    assert (again.names, again.columns) == (FITTED.names, FITTED.columns)


@pytest.mark.parametrize("harm", ["lose a column", "lose a scale", "a scale of nan", "a kind"])
def test_parts_that_do_not_fit_together_are_refused(harm: str) -> None:
    told, arrays = FITTED.settings(), dict(FITTED.arrays())
    if harm == "lose a column":
        told["columns"] = told["columns"][:-1]
    elif harm == "lose a scale":
        arrays["table.mean"] = arrays["table.mean"][:-1]
    elif harm == "a scale of nan":
        arrays["table.mean"] = arrays["table.mean"] * np.nan
    else:
        del told["columns"][0]["kind"]
    with pytest.raises((KeyError, TypeError, ValueError)):
        TableFeaturiser.load(told, arrays)


def test_features_say_which_column_they_come_from() -> None:
    named = [FITTED.columns[place].name for place in FITTED.column_F]
    assert all(name.startswith(column) for name, column in zip(FITTED.names, named, strict=True))
    assert "customer_id" not in named
    assert set(FITTED.column_D.tolist()) == set(FITTED.column_F.tolist())
    assert FITTED.dense(ROWS).shape == (len(ROWS), FITTED.width)
    levels = [name for name, flag in zip(FITTED.names, FITTED.is_category_F, strict=True) if flag]
    assert levels == ["plan", "city", "branch"]


def test_levels_are_coded_by_frequency_and_fold_width_case_and_spaces() -> None:
    fitted = fit(city=["Rome"] * 5 + [" PARIS ", "paris", "ｐａｒｉｓ"] + ["Oslo"] * 2)
    assert [code(fitted, city=c) for c in ("rome", "Paris", "OSLO ")] == [0.0, 1.0, 2.0]


def test_rare_levels_are_merged_and_a_new_one_is_read_as_rare() -> None:
    fitted = fit(city=["a"] * 30 + ["b"] * 30 + ["c"] * 30 + ["once", "twice?"])
    assert code(fitted, city="once") == code(fitted, city="never seen") == 3.0
    whole = fit(city=["a"] * 30 + ["b"] * 30 + ["c"] * 30)
    assert np.isnan(code(whole, city="never seen"))
    assert not whole.dense([{"city": "never seen"}]).any()


def test_a_level_that_one_person_alone_has_is_not_named() -> None:
    table = pa.table({"works": ["mill", "bank", "Own Firm"] * 30})
    units = np.array([n if n % 3 else 0 for n in range(90)])
    units[2::3] = 7  # all rows of "Own Firm"
    units[0::3] = np.arange(30) % 2  # two people at the mill
    fitted = TableFeaturiser.fit(table, ["works"], {}, units)
    assert fitted.columns[0].levels == ("bank", "mill")
    assert code(fitted, works="own firm") == code(fitted, works="never seen") == 2.0
    assert "own firm" not in json.dumps(fitted.settings())
    assert TableFeaturiser.fit(table, ["works"]).columns[0].levels == ("bank", "mill", "own firm")


def test_a_missing_level_is_a_level_where_training_rows_lacked_it() -> None:
    fitted = fit(city=["a", "b", "?"] * 30)
    assert code(fitted, city=None) == code(fitted, city=" ") == code(fitted) == 2.0
    assert np.isnan(code(fit(city=["a", "b", "c"] * 30), city=None))


def test_hundreds_of_levels_give_few_dense_features() -> None:
    names = [f"l{i}" for i in range(700) for _ in range(2 + (700 - i) // 50)]
    fitted = fit(said={"level": "category"}, level=names)
    assert fitted.width < 250
    assert fitted.dense([{"level": "l0"}]).sum() == fitted.dense([{"level": "l699"}]).sum() == 1.0


def test_whole_numbers_of_a_category_are_one_level_however_they_are_sent() -> None:
    fitted = fit(zip=[10001, 10002, 10003] * 30)
    assert fitted.columns[0].kind == "category"
    found = {code(fitted, zip=cell) for cell in (10002, 10002.0, "10002", " 10002")}
    assert len(found) == 1
    assert found != {code(fitted, zip=10003)}


def test_numbers_are_standardised_and_long_tails_are_bent() -> None:
    rng = np.random.default_rng(0)
    fitted = fit(even=rng.normal(50, 3, 2000), long=rng.lognormal(3, 2, 2000))
    rows = {"even": rng.normal(50, 3, 2000), "long": rng.lognormal(3, 2, 2000)}
    dense = fitted.dense(ArrowRows(pa.table(rows)))[:, :2]
    assert np.allclose(dense.mean(axis=0), 0.0, atol=0.15)
    assert np.allclose(dense.std(axis=0), 1.0, atol=0.15)
    assert np.abs(dense).max() < 6.0  # as it came the tail would reach 30


@pytest.mark.parametrize("wild", [1e300, -1e300, float("inf"), float("nan"), 10**400, "1e999"])
def test_a_wild_number_gives_finite_features(wild: object) -> None:
    fitted = fit(x=[1.0, 2.0, None, 4.0] * 10)
    assert np.isfinite(fitted.dense([{"x": wild}])).all()


def test_a_column_of_wild_numbers_is_fitted() -> None:
    fitted = fit(x=[1e308, -1e308, 0.0, 5e-324] * 10, y=[1e308, 2.0, 3.0, 4.0] * 10)
    assert np.isfinite(fitted.dense([{"x": 1e308, "y": -1e308}])).all()


def test_numbers_are_cut_into_pieces_so_that_a_straight_model_can_bend() -> None:
    rng = np.random.default_rng(0)
    fitted = fit(x=rng.uniform(-3, 3, 2000))
    x = np.linspace(-3.5, 3.5, 300)
    dense = fitted.dense([{"x": cell} for cell in x])
    assert dense.shape == (300, 17)
    assert (np.diff(dense[:, 1:], axis=0) >= 0).all()
    assert ((dense[:, 1:] >= 0) & (dense[:, 1:] <= 1)).all()
    bent = np.linalg.lstsq(np.column_stack([dense, np.ones(300)]), np.abs(x) ** 1.5, rcond=None)[0]
    error = np.column_stack([dense, np.ones(300)]) @ bent - np.abs(x) ** 1.5
    assert error.std() < 0.1 * (np.abs(x) ** 1.5).std()


def test_a_number_of_few_values_is_cut_at_each() -> None:
    fitted = fit(hour=[h % 24 for h in range(1200)])
    dense = fitted.dense([{"hour": hour} for hour in range(24)])
    assert np.linalg.matrix_rank(np.column_stack([dense, np.ones(24)])) == 24


def test_few_rows_and_many_numbers_make_fewer_pieces() -> None:
    rng = np.random.default_rng(0)
    assert fit(x=rng.normal(size=40)).width == 1
    assert fit(x=rng.normal(size=110)).width == 1 + 4
    wide = fit(**{f"x{n}": rng.normal(size=2000) for n in range(60)})
    assert wide.width == 60 * (1 + 4)
    assert set(wide.column_D.tolist()) == set(range(60))


def test_a_missing_number_is_the_mean_with_a_flag() -> None:
    fitted = fit(x=[1.0, 2.0, None, 3.0] * 10)
    assert fitted.dense([{"x": None}]).tolist() == [[0.0, 1.0]]
    assert fitted.dense([{"x": "2"}])[0, 1] == 0.0


def test_dates_give_what_differs_of_days_months_weekdays_and_hours() -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(90)]
    fitted = fit(day=[d.isoformat() for d in days])
    assert fitted.names == ["day.days", "day.month", "day.day", "day.weekday"]
    assert fitted.codes([{"day": "2024年3月5日"}]).tolist() == [[19787.0, 3.0, 5.0, 1.0]]
    hours = fit(at=[f"2024-01-01T{i % 24:02}:00:00" for i in range(48)])
    assert hours.names == ["at.days", "at.hour"]


def test_a_column_decides_by_its_own_rows_whether_the_day_comes_first() -> None:
    fitted = fit(day=[f"{d}/{m}/2024" for d in range(1, 29) for m in (1, 2, 3)])
    place = fitted.names.index("day.month")
    assert fitted.codes([{"day": "3/2/2024"}])[0, place] == 2.0


def test_texts_give_length_words_and_digits() -> None:
    notes = [f"{i} apples were {'very ' * (i % 5)}ripe" for i in range(200)]
    fitted = fit(note=notes)
    assert fitted.names == ["note.length", "note.words", "note.digits"]
    assert fitted.codes([{"note": " 12 big pears "}]).tolist() == [[12.0, 3.0, 2.0]]


def test_ids_and_constants_are_kept_as_told_and_make_no_feature() -> None:
    fitted = fit(said={"x": "id"}, x=[1, 2] * 20, same=["a"] * 40, y=[1.5, 2.5] * 20)
    assert [(c.name, c.kind) for c in fitted.columns][:2] == [("x", "id"), ("same", "constant")]
    assert fitted.names == ["y"]


def test_a_table_of_nothing_but_constants_has_no_features() -> None:
    fitted = fit(same=["a"] * 5)
    assert fitted.codes([{}]).shape == (1, 0)
    assert fitted.dense([{}, {}]).shape == (2, 0)


def test_a_column_that_the_table_lacks_is_constant() -> None:
    fitted = TableFeaturiser.fit(pa.table({"a": [1, 2, 3]}), ["a", "gone"])
    assert [c.kind for c in fitted.columns] == ["number", "constant"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"tenure": "soon"}, r"'soon' cannot be read as a number, which column 'tenure' holds"),
        ({"tenure": [1]}, r"\[1\] cannot be read as a number"),
        ({"tenure": float("inf")}, "inf cannot be read as a number"),
        ({"joined": "yesterday"}, "'yesterday' cannot be read as a date such as 2024-03-05"),
        ({"active": "maybe"}, "'maybe' cannot be read as yes or no"),
        ({"plan": {"a": 1}}, "cannot be read as a single value"),
        ({"note": ["a"]}, "cannot be read as a single text"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_at_the_door(row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        FITTED.check(row, 3)
    assert caught.value.where == f"inputs[3].{next(iter(row))}"
    assert "需要" in caught.value.text("zh")


@pytest.mark.parametrize("row", [
    {}, {"tenure": None, "city": "?"}, {"tenure": "12.5"}, {"city": "never seen"}, {"plan": 7},
    {"active": True}, {"active": 1}, {"joined": datetime.date(2024, 1, 1)}, {"other": [1]},
    {"customer_id": ["x"]},
])  # fmt: skip
def test_a_cell_that_can_be_read_passes_the_door(row: dict[str, Any]) -> None:
    FITTED.check(row)


def test_what_training_rows_held_passes_the_door_too() -> None:
    fitted = fit(x=[*map(str, range(100)), "12 or so"])
    assert fitted.columns[0].kind == "number"
    fitted.check({"x": "about 3"})
    assert np.isnan(code(fitted, x="about 3"))


def test_junk_among_dates_and_yes_and_no_passes_the_door_as_well() -> None:
    days = [f"2024-01-{d:02}" for d in range(1, 29)] * 4
    fitted = fit(day=[*days, "soon", None], ok=["yes", "no"] * 57)
    fitted.check({"day": "later"})
    assert np.isnan(fitted.codes([{"day": "later"}])[0, 1])
    with pytest.raises(UserError, match="yes or no"):
        fitted.check({"ok": "later"})


def test_a_reason_shows_the_cell_as_it_came() -> None:
    assert shown("tenure", {"tenure": 2.0}) == "tenure = 2"
    assert shown("city", {"city": " São\n Paulo "}) == "city = São Paulo"
    assert shown("city", {}) == "city = ?"
    assert len(shown("note", {"note": "long " * 50})) < 60
    assert FITTED.shown("x", {"x": True}) == "x = True"


def test_readers_keep_a_bounded_number_of_spellings() -> None:
    fitted = fit(city=["a", "b", "c"] * 30 + ["rare"])
    for number in range(6000):
        code(fitted, city=f"new {number}")
    kept = fitted._readers[0][1]._spelt
    assert len(kept) < 4200
    assert code(fitted, city="new 5999") == code(fitted, city="rare") == 3.0


def test_a_changed_column_changes_the_layout() -> None:
    shorter = [replace(c, levels=c.levels[:-1]) if c.name == "plan" else c for c in FITTED.columns]
    with pytest.raises(ValueError, match="3 features for 2 levels"):
        TableFeaturiser(shorter, FITTED.scaling, FITTED.pieces, FITTED.mean_D)
