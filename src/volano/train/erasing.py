"""What a bundle as trained quotes of one person: reference rows, and names of suspect rows.

Weights hold no text: n-grams are hashed. A bundle that was exported quotes nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from volano.core.nouns import Model

__all__ = ["count_quotes", "write_without"]

_REFERENCE, _SUSPECTS = "reference.parquet", "suspects.parquet"


def count_quotes(model: Model, texts: Collection[str] | None, ids: Collection[str]) -> int:
    """How many rows of ``model`` are about these texts or ids; texts None: about any text."""
    return sum(
        int(pc.sum(_theirs(file, pq.read_table(path), texts, ids)).as_py() or 0)
        for file in (_REFERENCE, _SUSPECTS)
        if (path := model.folder / file).exists()
    )


def write_without(
    model: Model, texts: Collection[str] | None, ids: Collection[str], draft: Path
) -> None:
    """Write the files that quote into ``draft``, without those rows."""
    for file in (_REFERENCE, _SUSPECTS):
        path = model.folder / file
        if path.exists():
            table = pq.read_table(path)
            left = table.filter(pc.invert(_theirs(file, table, texts, ids)))
            pq.write_table(left.combine_chunks(), draft / file, compression="zstd")


def _theirs(file: str, table: pa.Table, texts: Collection[str] | None, ids: Collection[str]) -> Any:
    if file == _SUSPECTS or "id" in table.column_names:  # of a table every row has its id beside it
        return pc.fill_null(pc.is_in(table["id"], pa.array(sorted(ids), pa.string())), False)
    if texts is None:
        return pa.array([True] * table.num_rows, pa.bool_())
    # White space is squeezed on both sides: columns may be joined by a line end or a space.
    found = [" ".join(text.split()) in texts for text in table["text"].to_pylist()]
    return pa.array(found, pa.bool_())
