"""Whether the test rows are like those that the model learnt from: columns that have moved.

Measured against the statistics that lie beside the bundle, by the population stability index. Rows
that were drawn by chance have not moved; where a split is by time, or the test rows are a file of
their own, the data may have changed under the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from volano.core.pages import Bar, Callout, Details, Prose, Section, Table, numbers
from volano.models.rows import table_of
from volano.models.statistics import MOVED, Statistics, day_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.core.pages import Block, Cell, Translate
    from volano.evals.findings import Findings
    from volano.evals.trial import Trial
    from volano.models.statistics import Measure

__all__ = ["measure_drift", "moved_columns"]

_PARTS = {"missing": "missing", "others": "all others", "present": "has a value"}
_ASPECTS = {
    "value": "value",
    "length": "length in characters",
    "language": "Language",
    "presence": "whether there is one",
    "label": "label",
    "confidence": "Confidence",
}


def measure_drift(trial: Trial, folder: Path) -> dict[str, Any] | None:
    """The part of the report; None of a model whose training rows nobody measured.

    Args:
        trial: the test rows and their answers.
        folder: of the bundle that answered.
    """
    known = Statistics.read(folder)
    if known is None:
        return None
    measures = (*known.columns, *known.answers)
    people, columns = len(set(trial.units)), table_of(trial.rows, trial.predictor.spec.reads)
    told = []
    for measure in measures:
        cells = _cells(trial, columns, measure)
        if cells is not None:
            told.append(_told(measure, cells, people, len(measures)))
    return {"num_examples": trial.test.num_rows, "num_rows": known.num_rows, "measures": told}


def _cells(trial: Trial, columns: pa.Table, measure: Measure) -> pa.Array | None:
    """What a measure is of; None where the test rows do not say it."""
    match measure.aspect:
        case "language":
            named = "language" in trial.test.column_names
            return trial.test.column("language") if named else None
        case "label":
            return pa.array([label for one in trial.asked for label in one.labels], pa.string())
        case "confidence":
            return pa.array([one.confidence for one in trial.asked], pa.float64())
    if measure.column:
        return columns.column(measure.column)
    return pa.array([one.value for one in trial.asked], pa.float64())


def _told(measure: Measure, cells: pa.Array, people: int, num_measures: int) -> dict[str, Any]:
    move = measure.moved(measure.count(cells), people, num_measures)
    return {
        "column": measure.column,
        "aspect": measure.aspect,
        "psi": move.psi,
        "chance": move.chance,
        "moved": move.is_moved,
        "usual": _usual(measure),
        "part": _part(measure, move.part),
        "before": move.before,
        "now": move.now,
    }


def _usual(measure: Measure) -> list[str]:
    """The two ends of the range that all but few people's values are in; nothing of levels."""
    if measure.low is None or measure.high is None:
        return []
    return [_written(measure, measure.low), _written(measure, measure.high)]


def _written(measure: Measure, value: float) -> str:
    return day_text(value) if measure.kind == "date" else numbers.figure(value)


def _part(measure: Measure, place: int) -> dict[str, str]:
    """A level, the ends of a bin (the first and the last have one), or the name of another part."""
    if place == measure.num_parts - 1:
        return {"name": "missing"}
    if not measure.is_ordered:
        if place < len(measure.levels):
            return {"level": measure.levels[place]}
        return {"name": "present" if measure.aspect == "presence" else "others"}
    ends = {}
    if place:
        ends["over"] = _written(measure, measure.edges[place - 1])
    if place < len(measure.edges):
        ends["upto"] = _written(measure, measure.edges[place])
    return ends


# The page ---------------------------------------------------------------------------------------


def moved_columns(say: Translate, found: Findings) -> Section | None:
    """The section of the page: what has moved, and by how much; all measures below."""
    told = found.body.get("drift")
    if not told or not told["measures"]:
        return None
    rows = sorted(told["measures"], key=lambda one: (not one["moved"], -one["psi"]))
    moved = [one for one in rows if one["moved"]]
    blocks: list[Block] = []
    if moved:
        named = say(", ").join(dict.fromkeys(_name(say, one) for one in moved))
        text = say(
            "Test rows differ from training rows in: {columns}. Figures above are of rows like "
            "these. Look at where the columns come from; where the world has changed, train often.",
            columns=named,
        )
        blocks += [Callout("warn", say("Columns have moved"), text), _table(say, moved)]
    else:
        blocks.append(Prose(say("No column of the test rows has moved from the training rows.")))
    if len(moved) < len(rows):
        blocks.append(Details(say("All that was compared"), (_table(say, rows),)))
    note = say(
        "The stability index (PSI, Siddiqi 2006) compares the shares of rows by tenths of the "
        "training rows, or by level. {least} and more is a move, where chance alone does not bring "
        "as much: “by chance” is what {count} test rows reach once in a hundred reports.",
        least=MOVED,
        count=told["num_examples"],
    )
    return Section(say("Test rows against training rows"), tuple(blocks), note)


def _table(say: Translate, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = (
        say("Column"), say("What"), say("PSI"), say("by chance"), say("usual in training"),
        say("changed most"), say("share in training"), say("share in the test"),
    )  # fmt: skip
    return Table(columns, tuple(tuple(_row(say, one)) for one in rows))


def _row(say: Translate, one: Mapping[str, Any]) -> Iterator[Cell]:
    yield _name(say, one)
    yield say(_ASPECTS[one["aspect"]])
    yield round(one["psi"], 3)
    yield round(one["chance"], 3)
    usual, part = one["usual"], one["part"]
    yield say("{low} to {high}", low=usual[0], high=usual[1]) if usual else ""
    if "name" in part:
        yield say(_PARTS[part["name"]])
    elif "level" in part:
        yield part["level"]
    elif len(part) == 2:
        yield say("{low} to {high}", low=part["over"], high=part["upto"])
    elif part:
        yield f"> {part['over']}" if "over" in part else f"≤ {part['upto']}"
    else:  # too few people for bins
        yield say(_PARTS["present"])
    yield Bar(one["before"])
    yield Bar(one["now"])


def _name(say: Translate, one: Mapping[str, Any]) -> str:
    return one["column"] or say("Answer")
