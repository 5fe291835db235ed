"""Rows of a table altered by rule: a cell left empty, noise on numbers, a category never seen.

Which columns are numbers and which are categories the model says that is to answer them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from volano.core.cells import is_missing, read_number
from volano.models.column_kinds import read_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    import pyarrow as pa

    from volano.models.column_kinds import Kind
    from volano.models.rows import Row

__all__ = ["CELL_KINDS", "NEVER_SEEN", "Cells", "row_text"]

CELL_KINDS = ("blank", "jitter", "unseen")
NEVER_SEEN = "(never seen)"
_NOISE = 0.05  # of a column's spread
_SHOWN = 200  # characters of a cell


@dataclass(frozen=True)
class Cells:
    """What is known of the columns that rows are altered in.

    Attributes:
        read: columns that a model learns from.
        categories: those of them that hold words.
        spread: of each column of numbers: half the distance that holds two thirds of it.
        whole: columns of whole numbers, which stay whole.
    """

    read: tuple[str, ...]
    categories: tuple[str, ...]
    spread: Mapping[str, float]
    whole: frozenset[str]

    @classmethod
    def of(cls, table: pa.Table, kinds: Mapping[str, Kind]) -> Self:
        """From rows, and what the model takes each column for."""
        numeric = [name for name, kind in kinds.items() if kind == "number"]
        read = {name: read_numbers(table.column(name)) for name in numeric}
        known = {name: found[np.isfinite(found)] for name, found in read.items()}
        ends = {name: np.quantile(known[name], (0.16, 0.84)) for name in known if known[name].size}
        return cls(
            read=tuple(name for name, kind in kinds.items() if kind not in ("id", "constant")),
            categories=tuple(name for name, kind in kinds.items() if kind == "category"),
            spread={
                name: float(high - low) / 2 or float(known[name].std())
                for name, (low, high) in ends.items()
            },
            whole=frozenset(
                name for name, found in known.items() if (found == np.rint(found)).all()
            ),
        )

    def alter(self, row: Row, kind: str, draw: Random) -> tuple[str, dict[str, object]]:
        """The column that was altered, or ``numbers`` for all of these, and the altered row.

        An empty name where the kind has nothing to alter in this row.
        """
        written = dict(row)
        if kind == "jitter":
            for name, spread in self.spread.items():
                number = read_number(row.get(name))
                if math.isfinite(number):
                    moved = number + draw.gauss(0.0, _NOISE * spread)
                    written[name] = float(round(moved)) if name in self.whole else moved
            changed = any(read_number(row.get(name)) != written[name] for name in self.spread
                          if math.isfinite(read_number(row.get(name))))  # fmt: skip
            return ("numbers" if changed else ""), written
        columns = self.read if kind == "blank" else self.categories
        filled = [name for name in columns if not is_missing(row.get(name))]
        if not filled:
            return "", written
        name = draw.choice(filled)
        written[name] = None if kind == "blank" else NEVER_SEEN
        return name, written


def row_text(row: Row, columns: Sequence[str]) -> str:
    """A row as a person reads it: a column and its cell on each line."""
    return "\n".join(f"{name}: {_cell_text(row.get(name))}" for name in columns)


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return " ".join(str(cell)[:_SHOWN].split())
