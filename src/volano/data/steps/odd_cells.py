"""Cells of a table that may not mean what they seem: -999 for nothing, numbers with a unit."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from volano.data.far_values import find_far_value
from volano.data.targets import NumberTargets
from volano.models.column_kinds import flat, read_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.data.frame import Frame, Step
    from volano.data.steps.kinds import Sample
    from volano.models.column_kinds import ColumnKind

__all__ = ["FAR", "UNIT", "note_odd_cells"]

FAR = (
    "{value} stands in {count} rows of {name!r}, far from all other numbers ({low} to {high}): if "
    "it means that nothing is known, say so at the source: cells: {{missing: ['{value}']}}"
)
UNIT = (
    "The column {name!r} holds numbers with {unit!r} beside them, and a model reads them as words: "
    "take it out at the source"
)
_MEASURED = re.compile(r"(\D{0,12}?)\s*([+-]?\d[\d,]*(?:\.\d+)?)\s*(\D{0,12})")
_FEWEST_LEVELS = 12  # different numbers; fewer are levels that a model tells one by one
_NEARLY_ALL = 0.95


def note_odd_cells(sample: Sample, kinds: Mapping[str, ColumnKind], target: str) -> Step:
    """Add a finding for each column that these rows show to be odd; for the target too."""

    def note(frame: Frame) -> Frame:
        for name, number_N in _numbers(frame, sample, kinds, target):
            far = find_far_value(number_N)
            if far is not None:
                told = {"value": f"{far.value:.15g}", "low": f"{far.low:.6g}"}
                frame = frame.with_finding(
                    "warn", FAR, name=name, count=far.num_rows, high=f"{far.high:.6g}", **told
                )
        for name in sample[1].column_names:
            unit = _unit(sample[1][name]) if kinds[name].kind in ("category", "text", "id") else ""
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


def _unit(column: pa.ChunkedArray) -> str:
    """What stands beside the number in nearly all cells; empty for nothing."""
    cells = [cell.strip() for cell in flat(column).to_pylist() if isinstance(cell, str) and cell]
    found = [match for cell in cells if (match := _MEASURED.fullmatch(cell))]
    if len(found) < _NEARLY_ALL * len(cells) or len({one[2] for one in found}) < _FEWEST_LEVELS:
        return ""
    (before, after), num = Counter((one[1], one[3]) for one in found).most_common(1)[0]
    is_one = num >= _NEARLY_ALL * len(cells)
    return f"{before}…{after}".strip("…") if is_one and (before or after) else ""
