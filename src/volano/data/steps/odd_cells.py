"""Cells of a table that may not mean what they seem: -999 for nothing, numbers with a unit."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.cells import is_missing
from volano.data.far_values import find_far_value
from volano.data.steps.table_leaks import written
from volano.data.targets import NumberTargets
from volano.models.column_kinds import flat, read_each, read_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from volano.data.config import FieldsConfig
    from volano.data.frame import Frame, Step
    from volano.data.steps.kinds import Sample
    from volano.models.column_kinds import ColumnKind, Kind

__all__ = ["FAR", "MIXED", "MORE", "UNIT", "UNREAD", "note_odd_cells"]

FAR = (
    "{value} stands in {share:.1%} of the rows of {name!r}, far from all other numbers: if it "
    "means that nothing is known, say so at the source: cells: {{missing: {{{written}: "
    "['{value}']}}}}"
)
UNREAD = (
    "{share:.1%} of the cells of {name!r} are no numbers, as in line {line} of {source}, and are "
    "read as missing"
)
MIXED = (
    "{share:.1%} of the cells of {name!r} are no numbers, as in line {line} of {source}, so it is "
    "read as a category; data.fields.kinds: {{{written}: number}} reads them as missing"
)
MORE = "The same is true of {count} more columns: {names}"
UNIT = (
    "The column {name!r} holds numbers with {unit!r} behind them, and a model reads them as words: "
    "take it out at the source"
)
# "36 months", "7公里"; but not "A-7", "12 Main St", "7b", which are codes and names.
_MEASURED = re.compile(r"[+-]?(\d[\d,]*(?:\.\d+)?)(?:\s+([A-Za-z°µ²³/.]{1,12})|\s*([㐀-鿿]{1,4}))")
_FEWEST_LEVELS = 12  # different numbers; fewer are levels that a model tells one by one
_MOST_TOLD, _MOST_NAMED = 5, 20  # columns, one by one and by name
_NEARLY_ALL = 0.95
_FEWEST_PEOPLE = 5  # who have a number that is quoted
_MOSTLY = 0.5  # share of words, from which on a column is one of words


def note_odd_cells(sample: Sample, kinds: Mapping[str, ColumnKind], fields: FieldsConfig) -> Step:
    """Add a finding for each column that these rows show to be odd; for the target too."""

    def note(frame: Frame) -> Frame:
        guessed = _of_kind(kinds, "category") - fields.kinds.keys()
        for text, found in (
            (FAR, _far_values(frame, sample, kinds, fields.target)),
            (UNREAD, _words(frame, sample, _of_kind(kinds, "number"))),
            (MIXED, _words(frame, sample, guessed, most=_MOSTLY, fewest=_FEWEST_LEVELS)),
            (UNIT, _units(sample, _of_kind(kinds, "category", "text"))),
        ):
            for values in found[:_MOST_TOLD]:
                frame = frame.with_finding("warn", text, **values)
            names = [values["name"] for values in found[_MOST_TOLD:]]
            if names:
                shown = ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")
                frame = frame.with_finding("warn", MORE, count=len(names), names=shown)
        return frame

    return note


def _of_kind(kinds: Mapping[str, ColumnKind], *wanted: Kind) -> set[str]:
    return {name for name, one in kinds.items() if one.kind in wanted}


def _far_values(
    frame: Frame, sample: Sample, kinds: Mapping[str, ColumnKind], target: str
) -> list[dict[str, Any]]:
    places, table = sample
    numbers = [(name, read_numbers(table[name])) for name in table.column_names
               if kinds[name].kind == "number"]  # fmt: skip
    if isinstance(frame.targets, NumberTargets):
        labels = frame.numbers("_label")[places]
        known = np.append(frame.targets.values, np.nan)  # -1, of no label, is the last
        numbers.append((target, known[labels]))
    people = frame["subject"].take(pa.array(places)).to_numpy(zero_copy_only=False)
    found = [
        (name, far)
        for name, number_N in numbers
        if (far := find_far_value(number_N)) and _is_of_several(people[number_N == far.value])
    ]
    return [
        {
            "name": name,
            "written": written([name]),
            "value": far.text,
            "share": round(far.share, 4),
        }
        for name, far in found
        # Sales of nothing are sales: no row is to lose its target by our word.
        if name != target or far.value != 0
    ]


def _is_of_several(people: NDArray[np.object_]) -> bool:
    """Whether a cell is no single person's, since a report outlives its rows.

    Rows of nobody who is named are of one each.
    """
    named = {person for person in people if person}
    return len(named) + sum(not person for person in people) >= _FEWEST_PEOPLE


def _words(
    frame: Frame,
    sample: Sample,
    names: Collection[str],
    *,
    most: float = 1.0,
    fewest: int = 1,
) -> list[dict[str, Any]]:
    """Columns of numbers with some words among them, and where the first word stands.

    At ``most`` such a share of the cells may be words, and ``fewest`` different cells there are.
    """
    places, table = sample
    found = []
    for name in table.column_names:
        cells = flat(table[name])
        if name not in names or not pa.types.is_string(cells.type):
            continue
        is_present = read_each(cells, lambda cell: not is_missing(cell)) > 0
        is_word = is_present & np.isnan(read_numbers(cells))
        share = float(is_word.sum() / max(is_present.sum(), 1))
        if not 0 < share <= most or len(pc.unique(cells)) < fewest:
            continue
        place = places[int(np.flatnonzero(is_word)[0])]
        found.append({
            "name": name,
            "written": written([name]),
            "share": round(share, 4),
            "line": frame["line"][place].as_py(),
            "source": frame["source"][place].as_py(),
        })  # fmt: skip
    return found


def _units(sample: Sample, names: Collection[str]) -> list[dict[str, Any]]:
    table = sample[1]
    found = [(name, _unit(table[name])) for name in table.column_names if name in names]
    return [{"name": name, "unit": unit} for name, unit in found if unit]


def _unit(column: pa.ChunkedArray) -> str:
    """What stands behind the number in nearly all cells; empty for nothing."""
    cells = [cell.strip() for cell in flat(column).to_pylist() if isinstance(cell, str) and cell]
    found = [match for cell in cells if (match := _MEASURED.fullmatch(cell))]
    if not found or len({one[1] for one in found}) < _FEWEST_LEVELS:
        return ""
    unit, num = Counter(one[2] or one[3] for one in found).most_common(1)[0]
    return unit if num >= _NEARLY_ALL * len(cells) else ""
