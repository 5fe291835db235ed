from __future__ import annotations

import random

import pyarrow as pa
import pytest

from volano.data.steps.wording import Wording, hash_cells, normal_cells


def normal(cells: list[object], kind: pa.DataType | None = None) -> list[str | None]:
    found: list[str | None] = normal_cells(pa.chunked_array([pa.array(cells, kind)])).to_pylist()
    return found


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "1.0", " 1.00", "+1", "01", "1e0"], ["1"] * 6),
        ([1.0, 2.5, None, float("nan")], ["1", "2.5", None, None]),
        ([1, None, 2**60], ["1", None, str(2**60)]),
        (["Yes", " yes", "ＹＥＳ"], ["yes"] * 3),
        (["?", "N/A", "", "  ", "缺失", None, "nan"], [None] * 7),
        (["unknown", "no-one"], ["unknown", "no-one"]),
        (["1.", ".5", "-0.50", "-0"], ["1", "0.5", "-0.5", "0"]),
        (["1,250", "12:30", "1e999", "5 %"], ["1,250", "12:30", "1e999", "5 %"]),
        ([True, False, None], ["true", "false", None]),
    ],
)
def test_a_cell_has_one_form_however_it_is_written(
    cells: list[object], expected: list[str | None]
) -> None:
    assert normal(cells) == expected


def test_rows_are_named_alike_as_tables_and_as_mappings() -> None:
    chance = random.Random(0)
    cells: list[list[object]] = [
        ["1.5", "x", None, "?", " Y "],
        [1, 2, None, 0, -7],
        [0.5, None, 2.0, 1e20, -3.25],
        [True, None, False],
        ["2024-01-05", "", "2024-1-5"],
    ]
    rows = [{f"c{n}": chance.choice(some) for n, some in enumerate(cells)} for _ in range(300)]
    table = pa.Table.from_pylist(rows)
    wording = Wording(tuple(table.column_names), is_table=True)
    assert wording.keys(table).to_pylist() == wording.keys_of(rows).to_pylist()


def test_the_order_of_columns_and_the_type_of_a_column_say_nothing() -> None:
    one = pa.table({"a": ["1", "2"], "b": [1.0, 2.0]})
    other = pa.table({"b": ["1", "2.0"], "a": [1, 2], "more": ["x", "y"]})
    assert hash_cells(one, "a", "b").equals(hash_cells(other, "b", "a"))


def test_a_cell_is_not_taken_for_its_neighbour() -> None:
    table = pa.table({"a": ["x", None], "b": [None, "x"]})
    first, second = hash_cells(table, "a", "b")["_key"].to_pylist()
    assert first != second


def test_rows_of_a_table_with_other_columns_are_compared_by_those_that_are_shared() -> None:
    wording = Wording(("a", "b", "c"), is_table=True)
    assert wording.within(["c", "a", "d"]).columns == ("a", "c")
    assert wording.within(["d", "a"]).columns == ()
    assert Wording(("text",)).within(["body"]).columns == ("text",)
