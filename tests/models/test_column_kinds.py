from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.core.cells import is_missing, read_boolean, read_number
from volano.core.errors import Term
from volano.models.column_kinds import kinds_of, read_numbers
from volano.models.dates import read_date, says_day_first

RNG = np.random.default_rng(0)
N = 400


def kind_of(name: str, cells: Any) -> str:
    table = pa.table({name: cells if isinstance(cells, pa.Array) else pa.array(cells)})
    return kinds_of(table)[name].kind


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("month", RNG.integers(1, 13, N), "number"),
        ("education-num", RNG.integers(1, 17, N), "number"),
        ("year", RNG.integers(1990, 2024, N), "number"),
        ("price", [f"{x:,.2f}" for x in RNG.gamma(2, 4000, N)], "number"),
        ("rate", [f"{x:.1f}%" for x in RNG.random(N) * 100], "number"),
        ("TotalCharges", [" ", "?", *map(str, RNG.random(N))], "number"),
        ("mostly", [*map(str, range(N)), "n/a", "see note"], "number"),
        ("amount", [Decimal(f"{x:.2f}") for x in RNG.random(N)], "number"),
        ("clock", [f"{x // 60}:{x % 60:02}" for x in range(N)], "number"),
        ("Number of dependants", RNG.integers(0, 5, N), "number"),
        ("zip", RNG.integers(10000, 10050, N), "category"),
        ("zip_code", [f"0{x}" for x in RNG.integers(1000, 1050, N)], "category"),
        ("PULocationID", RNG.integers(1, 265, 5000), "category"),
        ("门店编号", RNG.integers(1, 20, N), "category"),
        ("邮编", RNG.integers(100000, 100030, N), "category"),
        ("city", [("Paris", "Rome", "上海")[i % 3] for i in range(N)], "category"),
        ("native-country", [f" country {i % 90}" for i in range(N)], "category"),
        ("level", [f"L{i % 300}" for i in range(N * 5)], "category"),
        ("plan", pa.array(["a", "b"] * 20).dictionary_encode(), "category"),
        ("seen", ["yes", None] * 20, "boolean"),
        ("note", ["only this", None] * 20, "category"),
        ("active", ["Yes", "no", " YES "] * 20, "boolean"),
        ("活跃", ["是", "否", ""] * 20, "boolean"),
        ("flag", [1, 0, 1] * 20, "boolean"),
        ("flag", [1.0, 0.0, None] * 20, "boolean"),
        ("ok", [True, False, None] * 20, "boolean"),
        ("joined", [f"2024-0{i % 9 + 1}-1{i % 9}" for i in range(N)], "date"),
        ("日期", [f"2024年{i % 12 + 1}月{i % 28 + 1}日" for i in range(N)], "date"),
        ("issue_d", [f"{m}-2015" for m in ("Jan", "Feb", "Mar", "Dec")] * 20, "date"),
        ("Date", [20240100 + i % 28 + 1 for i in range(N)], "date"),
        ("at", [datetime.datetime(2024, 1, 1 + i % 28, 3) for i in range(N)], "date"),
        ("at", pa.array([10**18 + i * 10**13 for i in range(40)], pa.timestamp("ns")), "date"),
        ("day", [datetime.date(2024, 1, 1 + i % 28) for i in range(N)], "date"),
        ("day", RNG.integers(1, 32, N), "number"),
        ("customer_id", [f"C{i:05}" for i in range(N)], "id"),
        ("customerID", RNG.permutation(N), "id"),
        ("RowNumber", list(range(N)), "id"),
        ("Unnamed: 0", list(range(N)), "id"),
        ("", list(range(N)), "id"),
        ("订单编号", [10**9 + i for i in range(N)], "id"),
        ("hash", [f"{i * 7919:x}zz" for i in range(N)], "id"),
        ("review", [f"the {i}th parcel came late and was broken" for i in range(N)], "text"),
        ("备注", [f"第{i}个包裹来晚了而且还坏了" for i in range(N)], "text"),
        ("empty", pa.nulls(40), "constant"),
        ("blank", ["", "?", None] * 20, "constant"),
        ("same", ["x"] * 40, "constant"),
        ("same", [3.0] * 40, "constant"),
        ("few", ["a", "b", "c"], "category"),
        ("tags", [["a"], ["b"], ["a"]] * 20, "category"),
    ],
)
def test_the_kind_of_a_column_is_guessed(name: str, cells: Any, kind: str) -> None:
    assert kind_of(name, cells) == kind


def test_what_the_project_says_is_not_doubted_and_every_kind_has_its_reason() -> None:
    table = pa.table({"branch": [1, 2, 3] * 20, "age": [30, 40, 50] * 20})
    found = kinds_of(table, {"age": "category"})
    assert [found[name].kind for name in table.column_names] == ["category", "category"]
    assert found["age"].because == "the project file says so"
    assert isinstance(found["branch"].because, Term)
    assert found["branch"].because.said("zh") == "从列名看，这些数字是代码"


@pytest.mark.parametrize("cell", ["", " ", "?", " ? ", "NA", "n/a", "NULL", "None", "nan", "-",
                                  "缺失", "无", None, math.nan, np.float64("nan")])  # fmt: skip
def test_missing_is_missing_in_every_spelling(cell: object) -> None:
    assert is_missing(cell)
    assert math.isnan(read_number(cell))
    assert math.isnan(read_boolean(cell))


@pytest.mark.parametrize("cell", ["unknown", "0", 0, False, "no", "未知"])
def test_what_somebody_may_have_answered_is_not_missing(cell: object) -> None:
    assert not is_missing(cell)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("12.5", 12.5), (" 1,234,567.8 ", 1234567.8), ("-1,000", -1000.0), ("12%", 0.12), ("$9", 9.0),
     ("￥1,200.5", 1200.5), ("1200元", 1200.0), ("1e3", 1000.0), ("１２", 12.0), (True, 1.0),
     ("9:30", 34200.0), (datetime.time(9, 30), 34200.0), (datetime.timedelta(hours=1), 3600.0),
     (Decimal("0.1"), 0.1), (np.int32(4), 4.0), ("35%", 0.35), ("3.5万", 35000.0),
     ("-1.5 亿元", -150000000.0), ("(1,234.5)", -1234.5), ("1 234 567", 1234567.0),
     ("1\u202f234.5", 1234.5), ("1'000", 1000.0), ("($1,234.5)", -1234.5), ("$ (9)", -9.0),
     ("0.07万", 700.0), ("0.29亿", 29000000.0), ("0.007%", 0.00007),
     ("89.5平米", 89.5), ("1,200 平方米", 1200.0), ("95㎡", 95.0), ("58,000元/平", 58000.0),
     ("3.5万元/平米", 35000.0)],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(cell: object, number: float) -> None:
    assert read_number(cell) == number


@pytest.mark.parametrize("cell", ["1_000", "inf", "-Infinity", "12,34", "1,2345", "12 apples",
                                  "平米", "3年", "5公里", "2平", "(89平米)",
                                  "0x10", math.inf, 10**400, [1], {"a": 1}, "1.2.3",
                                  "1 23", "1,234 567", "万", "(x)", "()", "(5) (6)",
                                  "0,123", "020 123 456"])  # fmt: skip
def test_what_is_no_number_is_none(cell: object) -> None:
    assert math.isnan(read_number(cell))


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(-(2**70), 2**70), st.booleans(), st.text(max_size=6),
    st.sampled_from(["1,234.5", "12%", "?", " 7 ", "1_0", "$3", "NaN", "1e400", "09:15", "2.5万"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(CELLS, max_size=12))
def test_a_column_is_read_as_its_cells_to_the_last_bit(cells: list[Any]) -> None:
    texts = pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
    numbers = [float(cell) for cell in cells if isinstance(cell, float)]
    whole = [cell for cell in cells if type(cell) is int and abs(cell) < 2**62]
    columns = [
        texts, texts.dictionary_encode(), texts.cast(pa.large_string()),
        pa.chunked_array([texts[:3], texts[3:]]), pa.chunked_array([], pa.string()),
        pa.array(numbers), pa.array(numbers, pa.float32(), from_pandas=True),
        pa.array(whole, pa.int64()), pa.array([*whole, None], pa.int64()),
        pa.array([cell for cell in cells if isinstance(cell, bool)], pa.bool_()),
        pa.nulls(len(cells)),
    ]  # fmt: skip
    for column in columns:
        expected = np.array([read_number(cell) for cell in column.to_pylist()], dtype=np.float64)
        assert read_numbers(column).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-03-05", (2024, 3, 5)), ("2024/3/5", (2024, 3, 5)), ("2024.3.5", (2024, 3, 5)),
        ("2024年3月5日", (2024, 3, 5)), ("2024年3月", (2024, 3, 1)), ("2024-03", (2024, 3, 1)),
        ("2024年3月5日 下午3时20分", (2024, 3, 5, 15, 20)), ("5 Mar 2024", (2024, 3, 5)),
        ("March 5, 2024 4:05 PM", (2024, 3, 5, 16, 5)), ("Dec-2015", (2015, 12, 1)),
        ("3/5/2024", (2024, 3, 5)), ("5.3.2024", (2024, 3, 5)), ("3.13.2024", (2024, 3, 13)),
        ("13/3/24", (2024, 3, 13)), (20240305, (2024, 3, 5)),
        ("2024-03-05T09:30:00Z", (2024, 3, 5, 9, 30)),
        ("2024-03-05T09:30:00+08:00", (2024, 3, 5, 1, 30)),
        ("2024/3/5 09:30:00 +0800", (2024, 3, 5, 1, 30)),
        (datetime.date(2024, 3, 5), (2024, 3, 5)),
    ],
)  # fmt: skip
def test_a_date_is_read_in_the_usual_forms(cell: object, moment: tuple[int, ...]) -> None:
    assert read_date(cell) == datetime.datetime(*moment)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["2024-13-01", "32/1/2024", "hello", "1.2.3", 5, 3.5, True, None,
                                  "0001-01-01T00:00:00+08:00x", "9" * 60])  # fmt: skip
def test_what_is_no_date_is_none(cell: object) -> None:
    assert read_date(cell) is None


def test_a_day_beyond_twelve_tells_how_a_column_writes_its_dates() -> None:
    assert says_day_first(["3/5/2024", "25/5/2024"])
    assert not says_day_first(["3/5/2024", "5/25/2024"])
    assert read_date("3/5/2024", is_day_first=True) == datetime.datetime(2024, 5, 3)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=30), st.datetimes().map(str), st.floats(), st.integers()))
def test_no_cell_breaks_a_reader(cell: object) -> None:
    assert isinstance(read_number(cell), float)
    assert isinstance(read_boolean(cell), float)
    assert read_date(cell) is None or isinstance(read_date(cell), datetime.datetime)
