"""Which training rows are the latest, and may be kept to choose by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from volano.train.latest import hold_latest, moments_of

DAYS = [f"2024-01-{n + 1:02}" for n in range(10)]


def rows_of(**columns: list[str | None]) -> pa.Table:
    told = {"split": ["train"] * 10, "time": DAYS, "label_from": ["source"] * 10, **columns}
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in told.items()})


def held(table: pa.Table, share: float = 0.2, units: list[int] | None = None) -> list[int]:
    found = hold_latest(table, np.array(units or range(10)), share)
    assert found.column_names == table.column_names
    return [n for n, split in enumerate(found["split"].to_pylist()) if split == "validation"]


def test_the_latest_share_of_the_rows_is_held() -> None:
    assert held(rows_of()) == [8, 9]
    assert held(rows_of(time=DAYS[::-1])) == [0, 1]
    assert held(rows_of(), share=0.0) == []


def test_rows_of_one_time_or_of_one_unit_stay_together() -> None:
    assert held(rows_of(time=[*DAYS[:7], *DAYS[7:8] * 3])) == [7, 8, 9]
    assert held(rows_of(), units=[9, *range(1, 10)]) == [0, 9]


def test_nothing_is_held_where_that_would_leave_too_few_or_was_done() -> None:
    assert held(rows_of(time=["2024"] * 10)) == []
    assert held(rows_of(time=[None] * 10)) == []
    divided = ["train"] * 8 + ["validation"] * 2
    assert held(rows_of(split=divided)) == [8, 9]


def test_what_users_sent_and_what_has_no_time_is_learnt_from() -> None:
    assert held(rows_of(label_from=["source"] * 9 + ["feedback"])) == [7, 8]
    assert held(rows_of(time=[*DAYS[:9], None])) == [7, 8]


@pytest.mark.parametrize(
    "times",
    [
        ["2023-12-31T23:59:00", "2024-01-01", "2024-01-01T00:00:01Z"],
        ["2024/1/2", "2024/1/10", "2024/2/1"],
        ["9", "10", "100.5"],
    ],
)
def test_times_are_in_their_order_however_they_are_written(times: list[str]) -> None:
    moments = moments_of(pa.chunked_array([[*times, None, "", times[0]]]))
    assert (np.diff(moments[:3]) > 0).all()
    assert np.isnan(moments[3:5]).all()
    assert moments[5] == moments[0]
