"""A volano plugin: reads fastText training files, one `__label__topic text` on each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.data.sources import Batch, BrokenRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.core.hooks import Hub
    from volano.data.config import SourceConfig

MARK = "__label__"


def register(hub: Hub) -> None:
    """Say what this plugin adds."""
    hub.add_reader(".ft", read_fasttext)


def read_fasttext(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """The columns ``label`` and ``text``; a line without a label is kept aside as broken."""
    rows, lines, broken = [], [], []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        label, _, text = line.partition(" ")
        if label.startswith(MARK) and text:
            rows.append({"label": label.removeprefix(MARK), "text": text})
            lines.append(number)
        elif line.strip():
            broken.append(BrokenRow(number, f"it does not begin with {MARK}", line))
    table = pa.Table.from_pylist(rows, pa.schema([("label", pa.string()), ("text", pa.string())]))
    yield Batch(table, np.array(lines, np.int64), tuple(broken), {"format": "fastText"})
