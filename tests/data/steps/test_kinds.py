from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.data.steps.kinds import find_kinds

if TYPE_CHECKING:
    from pathlib import Path


def test_what_stands_thrice_in_many_rows_is_no_id_though_a_sample_shows_it_once(
    tmp_path: Path,
) -> None:
    count = 60_000
    order = np.random.default_rng(0).permutation(count)
    table = pa.table(
        {
            "account": np.char.add("a", (order // 3).astype(str)),
            "receipt": np.char.add("r", order.astype(str)),
        }
    )
    fields = pa.table({"fields": table.to_struct_array()})
    pq.write_table(fields, tmp_path / "examples.parquet", row_group_size=16_384)
    found = find_kinds(tmp_path, table.slice(0, 600), {})
    assert {name: one.kind for name, one in found.items()} == {
        "account": "category",
        "receipt": "id",
    }
    said = find_kinds(tmp_path, table.slice(0, 600), {"account": "id"})
    assert said["account"].kind == "id"
