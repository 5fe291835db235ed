"""What a bundle as trained quotes of one person: reference rows, suspect rows, held-out answers.

Nothing else does: n-grams of texts are hashed, a level that one person alone has is not named, and
statistics are over people. A bundle that was exported quotes nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volano.train.held_out import HELD_OUT
from volano.train.train import unit_code

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.nouns import Model

__all__ = ["count_quotes", "write_without"]

_REFERENCE, _SUSPECTS = "reference.parquet", "suspects.parquet"


def count_quotes(
    model: Model, texts: Collection[str] | None, name: str, ids: Collection[str]
) -> int:
    """How many rows of ``model`` are about the person.

    Args:
        model: with or without files that quote.
        texts: what the person's rows say; None: any text may be theirs.
        name: of the person, as ``subject_name`` writes it.
        ids: of the person's rows.
    """
    tables = sum(
        int(pc.sum(_theirs(file, pq.read_table(path), texts, ids)).as_py() or 0)
        for file in (_REFERENCE, _SUSPECTS)
        if (path := model.folder / file).exists()
    )
    return tables + sum(int(theirs.sum()) for _, theirs in _held_out(model, name, ids))


def write_without(
    model: Model, texts: Collection[str] | None, name: str, ids: Collection[str], draft: Path
) -> None:
    """Write the files that quote into ``draft``, without those rows."""
    from safetensors.numpy import save

    for file in (_REFERENCE, _SUSPECTS):
        path = model.folder / file
        if path.exists():
            table = pq.read_table(path)
            left = table.filter(pc.invert(_theirs(file, table, texts, ids)))
            pq.write_table(left.combine_chunks(), draft / file, compression="zstd")
    for arrays, theirs_H in _held_out(model, name, ids):
        left_H = {part: np.ascontiguousarray(found[~theirs_H]) for part, found in arrays.items()}
        (draft / HELD_OUT).write_bytes(save(left_H))


def _held_out(
    model: Model, name: str, ids: Collection[str]
) -> list[tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]]:
    """The arrays of held-out rows, if there are any, and which rows are the person's."""
    from safetensors.numpy import load_file

    path = model.folder / HELD_OUT
    if not path.exists():
        return []
    arrays = load_file(path)
    codes = [unit_code(name, None, ""), *(unit_code(None, None, row) for row in ids)]
    return [(arrays, np.isin(arrays["unit"], np.array(codes, np.int64)))]


def _theirs(file: str, table: pa.Table, texts: Collection[str] | None, ids: Collection[str]) -> Any:
    if file == _SUSPECTS or "id" in table.column_names:  # of a table every row has its id beside it
        return pc.fill_null(pc.is_in(table["id"], pa.array(sorted(ids), pa.string())), False)
    if texts is None:
        return pa.array([True] * table.num_rows, pa.bool_())
    # White space is squeezed on both sides: columns may be joined by a line end or a space.
    found = [" ".join(text.split()) in texts for text in table["text"].to_pylist()]
    return pa.array(found, pa.bool_())
