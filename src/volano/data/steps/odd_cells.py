"""Cells of a table that may not mean what they seem: -999 for nothing, numbers with a unit."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import is_missing
from volano.data.far_values import find_far_value
from volano.data.steps.table_leaks import written
from volano.data.targets import NumberTargets
from volano.models.column_kinds import flat, read_each, read_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from volano.data.frame import Frame, Step
    from volano.data.steps.kinds import Sample
    from volano.models.column_kinds import ColumnKind, Kind

__all__ = ["FAR", "MIXED", "UNIT", "UNREAD", "note_odd_cells"]

FAR = (
    "{value} stands in {share:.1%} of the rows of {name!r}, far from all other numbers ({low} to "
    "{high}): if it means that nothing is known, say so at the source: cells: {{missing: "
    "{{{written}: ['{value}']}}}}"
)
UNREAD = (
    "{share:.1%} of the cells of {name!r} are no numbers, as in line {line} of {source}, and are "
    "read as missing"
)
MIXED = (
    "{share:.1%} of the cells of {name!r} are no numbers, as in line {line} of {source}, so it is "
    "read as a category; data.fields.kinds: {{{written}: number}} reads them as missing"
)
UNIT = (
    "The column {name!r} holds numbers with {unit!r} behind them, and a model reads them as words: "
    "take it out at the source"
)
# "36 months", "7公里"; but not "A-7", "12 Main St", "7b", which are codes and names.
_MEASURED = re.compile(r"[+-]?(\d[\d,]*(?:\.\d+)?)(?:\s+([A-Za-z°µ²³/.]{1,12})|\s*([㐀-鿿]{1,4}))")
_FEWEST_LEVELS = 12  # different numbers; fewer are levels that a model tells one by one
_NEARLY_ALL = 0.95
_MOSTLY = 0.5  # share of words, from which on a column is one of words


def note_odd_cells(sample: Sample, kinds: Mapping[str, ColumnKind], target: str) -> Step:
    """Add a finding for each column that these rows show to be odd; for the target too."""

    def note(frame: Frame) -> Frame:
        for name, number_N in _numbers(frame, sample, kinds, target):
            far = find_far_value(number_N)
            # Sales of nothing are sales: no row is to lose its target by our word.
            if far is not None and (name != target or far.value != 0):
                frame = frame.with_finding(
                    "warn",
                    FAR,
                    name=name,
                    written=written([name]),
                    value=far.text,
                    share=round(far.share, 4),
                    low=f"{far.low:.6g}",
                    high=f"{far.high:.6g}",
                )
        for name in sample[1].column_names:
            frame = _note_words(frame, sample, name, kinds[name].kind)
            unit = _unit(sample[1][name]) if kinds[name].kind in ("category", "text") else ""
            if unit:
                frame = frame.with_finding("warn", UNIT, name=name, unit=unit)
        return frame

    return note


def _numbers(
    frame: Frame, sample: Sample, kinds: Mapping[str, ColumnKind], target: str
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name in sample[1].column_names:
        if kinds[name].kind == "number":
            yield name, read_numbers(sample[1][name])
    if isinstance(frame.targets, NumberTargets):
        labels = frame.numbers("_label")
        yield target, frame.targets.values[labels[labels >= 0]]


def _note_words(frame: Frame, sample: Sample, name: str, kind: Kind) -> Frame:
    """Where some cells of a column of numbers are words."""
    cells = flat(sample[1][name])
    if kind not in ("number", "category") or not pa.types.is_string(cells.type):
        return frame
    is_present = read_each(cells, lambda cell: not is_missing(cell)) > 0
    is_word = is_present & np.isnan(read_numbers(cells))
    if not is_word.any():
        return frame
    share = float(is_word.sum() / is_present.sum())
    levels = len(pc.unique(cells))
    if kind == "category" and (share > _MOSTLY or levels < _FEWEST_LEVELS):
        return frame
    place = sample[0][int(np.flatnonzero(is_word)[0])]
    return frame.with_finding(
        "warn",
        UNREAD if kind == "number" else MIXED,
        name=name,
        share=round(share, 4),
        line=frame["line"][place].as_py(),
        source=frame["source"][place].as_py(),
        **({} if kind == "number" else {"written": written([name])}),
    )


def _unit(column: pa.ChunkedArray) -> str:
    """What stands behind the number in nearly all cells; empty for nothing."""
    cells = [cell.strip() for cell in flat(column).to_pylist() if isinstance(cell, str) and cell]
    found = [match for cell in cells if (match := _MEASURED.fullmatch(cell))]
    if not found or len({one[1] for one in found}) < _FEWEST_LEVELS:
        return ""
    unit, num = Counter(one[2] or one[3] for one in found).most_common(1)[0]
    return unit if num >= _NEARLY_ALL * len(cells) else ""
