from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from volano.models.rows import ArrowRows, table_of

ROWS = [{"a": 1, "b": "x"}, {"a": None, "b": "y"}, {"a": 3, "b": None}]


def test_rows_in_arrow_read_like_a_list_of_mappings() -> None:
    rows = ArrowRows(pa.Table.from_pylist(ROWS))
    assert (len(rows), list(rows), rows[1], rows[-1]) == (3, ROWS, ROWS[1], ROWS[2])
    assert list(rows[1:]) == ROWS[1:]
    assert list(rows[::-1]) == ROWS[::-1]
    assert list(rows.take([2, 0])) == [ROWS[2], ROWS[0]]
    assert list(rows.take(np.array([1]))) == [ROWS[1]]
    assert list(rows[5:]) == []
    with pytest.raises(IndexError):
        rows[3]


def test_a_column_that_a_row_lacks_is_null() -> None:
    table = table_of([{"a": 1}, {"b": "x"}], ["b", "a", "c"])
    assert table.to_pylist() == [{"b": None, "a": 1, "c": None}, {"b": "x", "a": None, "c": None}]
    again = table_of(ArrowRows(table), ["c", "d"])
    assert (again.column_names, again.num_rows) == (["c", "d"], 2)
    assert table_of([], ["a"]).num_rows == 0


def test_cells_of_several_kinds_become_texts() -> None:
    table = table_of([{"a": 1}, {"a": "x"}, {"a": True}, {"a": 2**80}], ["a"])
    assert table.column("a").to_pylist() == ["1", "x", "true", str(2**80)]


def test_times_finer_than_pythons_are_cut_alike_in_a_row_and_in_a_table() -> None:
    fine = pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns", "UTC"))
    rows = ArrowRows(pa.table({"at": fine, "took": pa.array([1999, None], pa.duration("ns"))}))
    assert rows[0]["took"] == datetime.timedelta(microseconds=1)
    assert rows.table.column("at").type == pa.timestamp("us", "UTC")
    assert rows[0] == next(iter(rows))
