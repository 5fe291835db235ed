"""What the columns of a table hold: by a sample of rows, and ids by all of them.

In a sample a value that stands in a few of a million rows stands once, as an id does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.data.frame import flat
from volano.data.spool import examples_of
from volano.data.steps.leaks import lowest
from volano.models.column_kinds import kinds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.data.frame import Frame
    from volano.models.column_kinds import ColumnKind, Kind

__all__ = ["Sample", "find_kinds", "sample_rows"]

SAMPLE = 20_000  # rows
_FEWEST = 50

Sample = tuple["NDArray[np.int64]", pa.Table]  # places in the frame, and what those rows say


def sample_rows(frame: Frame, columns: Sequence[str]) -> Sample:
    """Some rows in an order that says nothing: labelled ones, where there are enough of them."""
    places = np.flatnonzero(frame.numbers("_label") >= 0)
    if len(places) < _FEWEST:
        places = np.arange(len(frame))
    picked = places[lowest(frame["id"].take(pa.array(places)), SAMPLE)]
    said = frame.said(picked)
    return picked, said.select([name for name in columns if name in said.column_names])


def find_kinds(folder: Path, sample: pa.Table, said: Mapping[str, Kind]) -> dict[str, ColumnKind]:
    """What each column of the sample holds.

    Args:
        folder: of the Dataset with all rows.
        sample: some of them.
        said: what the project names.
    """
    kinds = kinds_of(sample, said)
    unsure = [name for name, one in kinds.items() if one.kind == "id" and name not in said]
    for name in unsure:  # one at a time: all of them together may be large
        rows = examples_of(folder, [f"fields.{name}"])
        if len(rows) > sample.num_rows:
            chunks = [chunk for _, part in rows for chunk in flat(part)[name].chunks]
            kinds |= kinds_of(pa.table({name: pa.chunked_array(chunks)}))
    return kinds
