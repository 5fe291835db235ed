from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.data.columns import content_hash, hash_rows, unite

CELL = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.just('a "quoted"\\\n\tline\x01\x7f\u2028'),
)
COLUMNS = {
    "text": CELL,
    "Ä\n": CELL,
    "n": st.one_of(st.none(), st.integers(-(2**60), 2**60)),
    "f": st.one_of(st.none(), st.floats(allow_nan=False)),
    "is": st.booleans(),
    "tags": st.one_of(st.none(), st.lists(CELL, max_size=2)),
    "o": st.one_of(st.none(), st.fixed_dictionaries({"b": CELL, "a": st.booleans()})),
}
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("Ä\n", pa.string()),
        ("n", pa.int64()),
        ("f", pa.float64()),
        ("is", pa.bool_()),
        ("tags", pa.list_(pa.string())),
        ("o", pa.struct([("b", pa.string()), ("a", pa.bool_())])),
    ]
)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries(COLUMNS), max_size=4), leave_out=st.sampled_from("nx"))
def test_hashes_of_a_table_are_those_of_its_rows(
    rows: list[dict[str, Any]], leave_out: str
) -> None:
    table = pa.Table.from_pylist(rows, SCHEMA)
    found = [digest.tobytes().hex() for digest in hash_rows(table, leave_out)]
    assert found == [content_hash(row, leave_out) for row in table.to_pylist()]


def test_columns_of_several_kinds_become_one_that_holds_them_all() -> None:
    tables = [
        pa.table({"n": [1], "t": ["x"], "s": [{"a": 1}], "l": [[1]], "m": [[1]]}),
        pa.table({"n": [0.5], "t": [True], "s": [{"b": "y"}], "l": [[0.5]], "m": ["z"]}),
        pa.table({"n": pa.nulls(1)}),
    ]
    assert unite(tables).to_pylist() == [
        {"n": 1.0, "t": "x", "s": {"a": 1, "b": None}, "l": [1.0], "m": "[1]"},
        {"n": 0.5, "t": "true", "s": {"a": None, "b": "y"}, "l": [0.5], "m": "z"},
        {"n": None, "t": None, "s": None, "l": None, "m": None},
    ]
