from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.data import spool
from volano.data.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_rows_come_back_in_any_order_whatever_kinds_they_were_written_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", 3)
    rows = Spool(tmp_path)
    rows.add(pa.table({"n": list(range(10))}))
    rows.add(pa.table({"n": [str(n) for n in range(10, 15)], "more": ["x"] * 5}))
    rows.add(pa.table({"n": [15]}))
    slices = rows.slices(pa.schema([("n", pa.string()), ("more", pa.string())]))
    places = np.random.default_rng(0).permutation(16)
    assert slices.take(places)["n"].to_pylist() == [str(n) for n in places]
    read = [(w.start, t["n"].to_pylist()) for w, t in slices.windows(np.arange(14, 7, -1))]
    assert read == [(0, ["14", "13", "12"]), (3, ["11", "10", "9"]), (6, ["8"])]
    rows.add(pa.table({"n": [16]}))
    assert rows.slices(None, 16, 17).take(np.array([16])).to_pylist() == [{"n": 16}]


def test_rows_on_disk_are_mapped_not_read(tmp_path: Path) -> None:
    rows = Spool(tmp_path)
    rows.add(pa.table({"key": ["a", "b", "c"]}))
    before = pa.total_allocated_bytes()
    mapped = rows.mapped(np.array([2, 0]))
    assert mapped["key"].to_pylist() == ["c", "a"]
    assert pa.total_allocated_bytes() <= before + 1_000
