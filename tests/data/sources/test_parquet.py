from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import read_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_typed_columns_are_read_as_a_request_could_carry_them(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([date(2025, 1, 2), None]),
            "n": [1, 2],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    batch = read_whole(tmp_path / "a.parquet", SourceConfig(path="a.parquet"))
    assert batch.table.to_pylist()[0] == {"text": "a", "day": "2025-01-02", "n": 1}
    assert batch.lines.tolist() == [1, 2]


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("text,label\n", "utf-8")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_whole(tmp_path / "a.parquet", SourceConfig(path="a.parquet"))


def test_bytes_become_text_that_json_can_carry(tmp_path: Path) -> None:
    pq.write_table(pa.table({"raw": [b"\x00\xff", None]}), tmp_path / "a.parquet")
    batch = read_whole(tmp_path / "a.parquet", SourceConfig(path="a.parquet"))
    assert batch.table["raw"].to_pylist() == ["AP8=", None]
