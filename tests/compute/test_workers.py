from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from volano.compute import in_order, workers_for

if TYPE_CHECKING:
    from collections.abc import Iterator


def doubled(table: pa.Table, *names: str) -> pa.Table:
    return pa.table({name: [2 * value for value in table[name].to_pylist()] for name in names})


def refused(table: pa.Table) -> pa.Table:
    raise ValueError(f"{table.num_rows} rows")


def killed_elsewhere(table: pa.Table, pid: str) -> pa.Table:
    if os.getpid() != int(pid):
        os._exit(9)
    return table


def slow_elsewhere(table: pa.Table, pid: str) -> pa.Table:
    if os.getpid() != int(pid):
        time.sleep(600)
    return table


def where(table: pa.Table) -> pa.Table:
    time.sleep(0.05)
    return table.append_column("pid", pa.array([os.getpid()] * table.num_rows))


def some(count: int) -> Iterator[pa.Table]:
    for number in range(count):
        yield pa.table({"a": [number, -number], "b": ["我", ""]})


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_work_comes_back_in_the_order_of_the_tables(workers: int) -> None:
    found = list(in_order(doubled, some(20), "a", "b", workers=workers))
    assert [table["a"].to_pylist() for table in found] == [[2 * n, -2 * n] for n in range(20)]
    assert {tuple(table["b"].to_pylist()) for table in found} == {("我我", "")}


def test_a_worker_and_this_process_share_the_work() -> None:
    found = list(in_order(where, some(60), workers=1))
    processes = {pid for table in found for pid in table["pid"].to_pylist()}
    assert len(processes) == 2
    assert os.getpid() in processes


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_worker_is_raised_here(workers: int) -> None:
    with pytest.raises(ValueError, match="2 rows"):
        list(in_order(refused, some(5), workers=workers))


def test_an_error_of_the_reader_is_raised_and_ends_the_workers() -> None:
    def broken() -> Iterator[pa.Table]:
        yield from some(3)
        raise RuntimeError("the disk")

    with pytest.raises(RuntimeError, match="the disk"):
        list(in_order(doubled, broken(), "a", workers=2))


def test_the_work_of_a_worker_that_the_system_killed_is_done_here() -> None:
    found = list(in_order(killed_elsewhere, some(9), str(os.getpid()), workers=2))
    assert [table["a"][0].as_py() for table in found] == list(range(9))


def test_whoever_stops_asking_does_not_wait_for_a_worker() -> None:
    began = time.monotonic()
    # The worker sleeps over both tables.
    with pytest.raises(KeyboardInterrupt):
        list(in_order(slow_elsewhere, interrupted(), str(os.getpid()), workers=1))
    assert time.monotonic() - began < 20


def interrupted() -> Iterator[pa.Table]:
    yield from some(2)
    raise KeyboardInterrupt


def test_few_rows_start_no_worker() -> None:
    assert workers_for(1_000) == 0
    assert workers_for(10_000_000) >= 0
