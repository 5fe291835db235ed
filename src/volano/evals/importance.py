"""Which columns of a table a model looks at, and what each value of the strongest does.

Importance: the mean size of what a column adds to an answer (exact contributions, as in the reasons
of an answer). Effects: the mean answer over a sample of rows when one column is set to a value and
the others stay as they are (partial dependence, Friedman 2001). Both are of the model, not of the
world: columns that go together share their weight, and values are set that may never meet.

Shape suffixes: N rows.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from volano.core.cells import is_missing
from volano.core.pages import ChartBlock, Details, Section, Series, charts
from volano.models.column_kinds import read_each, read_numbers
from volano.models.rows import ArrowRows, table_of
from volano.models.statistics import day_text, days_of, rounded_apart
from volano.models.table_columns import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from volano.core.events import Events
    from volano.core.pages import Block, Translate
    from volano.evals.findings import Findings
    from volano.evals.trial import Trial
    from volano.models.calibration import Floats

__all__ = ["columns_looked_at", "measure_importance", "strongest"]

_SECONDS = 20.0  # for the contributions of a sample, and again for the effects
_FEWEST = 20  # rows of a sample, however slow the model is
_EFFECT_ROWS = 200
_EFFECTS = 6  # columns
_STEPS = 12  # values of a column
_LEVELS = 10
_FEW = 5  # people among the test rows that a level needs to be shown
_ANSWERS = 4  # labels whose scores are followed
_BARS = 20
_SAID = 3


def measure_importance(
    trial: Trial, size: int, speed: float, events: Events
) -> dict[str, Any] | None:
    """The part of the report; None for texts, and for no rows.

    Args:
        trial: the test rows and their answers.
        size: how many rows say which columns matter.
        speed: rows that the model answers in a second.
        events: hears of progress.
    """
    columns = trial.predictor.spec.columns
    if not size or not columns:
        return None
    weights, num = _weights(trial, trial.sample(size, "importance"), events)
    ranked = sorted(weights.items(), key=lambda one: (-one[1], one[0]))
    wanted = [name for name, weight in ranked if weight > 0][:_EFFECTS]
    rows = int(min(_EFFECT_ROWS, max(_FEWEST, _SECONDS * speed / (_EFFECTS * _STEPS))))
    effects = (_effect(trial, name, trial.kinds[name], rows) for name in wanted)
    return {
        "num_examples": num,
        "columns": [{"column": name, "weight": weight} for name, weight in ranked],
        "effects": [effect for effect in effects if effect is not None],
    }


def _weights(trial: Trial, sample: Sequence[int], events: Events) -> tuple[dict[str, float], int]:
    """Mean size of what each column adds to the answer that was given, and over how many rows."""
    predictor = trial.predictor
    is_rival = predictor.spec.answers == "labels" and not predictor.spec.is_multiple
    # As in the reasons of an answer: of two labels the lead over the mean is half the log-odds.
    scale = (2.0 if len(predictor.labels) == 2 else 1.0) / predictor.calibration.temperature
    total = dict.fromkeys(predictor.spec.columns, 0.0)
    end, num = time.monotonic() + _SECONDS, 0
    for place, row in zip(sample, trial.take(sample), strict=True):
        if num >= _FEWEST and time.monotonic() > end:
            break
        scores = trial.asked[place].scores
        label = max(range(len(predictor.labels)), key=lambda at: scores[predictor.labels[at]],
                    default=0)  # fmt: skip
        for name, weight in predictor.engine.reasons(row, label, is_rival=is_rival):
            if name in total:
                total[name] += abs(weight) * scale
        num += 1
        events.progress("answers explained", num, len(sample))
    return {name: weight / max(num, 1) for name, weight in total.items()}, num


def _effect(trial: Trial, column: str, kind: str, num_rows: int) -> dict[str, Any] | None:
    """What the mean answer is at each value of a column; None where it has no values to step."""
    values = _values(trial, column, kind)
    if len(values) < 2:
        return None
    rows = trial.take(trial.sample(num_rows, "effects"))
    table = table_of(rows, trial.predictor.spec.columns)
    place = table.column_names.index(column)
    blocks = [
        table.set_column(place, column, pa.array([value] * table.num_rows)) for value in values
    ]
    answers = [_mean_answer(trial, ArrowRows(block)) for block in blocks]
    names = list(answers[0])
    return {
        "column": column,
        "kind": kind,
        "values": [value if kind == "number" else str(value) for value in values],
        "answers": [{"label": name, "means": [told[name] for told in answers]} for name in names],
    }


def _mean_answer(trial: Trial, rows: ArrowRows) -> dict[str, float]:
    """By label; under an empty name for a number."""
    predictor = trial.predictor
    if predictor.spec.answers == "number":
        return {"": float(predictor.values(rows).mean())}
    mean_C = predictor.scores(rows).mean(axis=0)
    return {label: float(mean_C[predictor.labels.index(label)]) for label in _followed(trial)}


def _followed(trial: Trial) -> list[str]:
    """The rarer of two labels, or those answered most."""
    labels = trial.predictor.labels
    counts = Counter(label for answer in trial.asked for label in answer.labels)
    if len(labels) == 2:
        known = trial.labelled if trial.is_proven else None
        if known is not None and set(labels) <= set(known.labels):
            counts = Counter({one: int(known.truth_NC[:, known.labels.index(one)].sum())
                              for one in labels})  # fmt: skip
        return [min(labels, key=lambda one: (counts[one], one))]
    return [label for label, _ in counts.most_common(_ANSWERS)]


def _values(trial: Trial, column: str, kind: str) -> list[Any]:
    """The values that a column is set to: places along its scale, else levels of several people.

    A report outlives its rows, so none is a person's cell: numbers and dates are rounded.
    """
    cells = table_of(trial.rows, [column]).column(0)
    first_U, person_N = np.unique(trial.units, return_index=True, return_inverse=True)[1:]
    if kind == "number":
        return _scale(read_numbers(cells)[first_U])
    if kind == "date":
        featuriser = trial.predictor.featuriser
        assert featuriser is not None
        habit = any(one.is_day_first for one in featuriser.columns if one.name == column)
        day_N = read_each(cells, lambda cell: days_of(cell, is_day_first=habit))
        return list(dict.fromkeys(day_text(day) for day in _scale(day_N[first_U])))
    if kind not in ("category", "boolean"):
        return []
    spelt: dict[str, Any] = {}  # each level as it stood first: a cell may be a list or a mapping
    seen: dict[tuple[str, int], None] = {}
    for cell, person in zip(cells.to_pylist(), person_N.tolist(), strict=True):
        if not is_missing(cell):
            level = key_of(cell)
            spelt.setdefault(level, cell)
            seen[level, person] = None
    people = Counter(level for level, _ in seen)
    return [spelt[level] for level, num in people.most_common(_LEVELS) if num >= _FEW]


def _scale(number_U: Floats) -> list[float]:
    """Rounded quantiles of a number for each person."""
    known = number_U[np.isfinite(number_U)]
    if not known.size:
        return []
    shares = np.linspace(0.02, 0.98, _STEPS)
    found = np.unique(np.quantile(known, shares, method="nearest"))
    if len(found) < _STEPS // 2:  # most have the same number: steps over those that differ
        found = np.unique(np.quantile(np.unique(known), shares, method="nearest"))
    return list(dict.fromkeys(rounded_apart(found)))


# The page ---------------------------------------------------------------------------------------


def strongest(say: Translate, body: Mapping[str, Any]) -> str:
    """The columns that matter most, in a sentence; empty where nobody measured."""
    told = body.get("importance")
    named = [row["column"] for row in (told or {}).get("columns", ()) if row["weight"] > 0]
    if len(named) <= 1:
        return ""
    return say("It looks most at {columns}.", columns=say(", ").join(named[:_SAID]))


def columns_looked_at(say: Translate, found: Findings) -> Section | None:
    """The section of the page: which columns matter, and what the strongest do."""
    told = found.body.get("importance")
    if not told:
        return None
    rows = [row for row in told["columns"] if row["weight"] > 0][:_BARS]
    if not rows:
        return None
    chart = ChartBlock(
        say("What each column adds to an answer, on average"),
        charts.bars(
            [row["column"] for row in rows],
            Series("", tuple(row["weight"] for row in rows)),
            format="metric",
        ),
        alt=say("The longer a bar, the more answers depend on that column."),
    )
    effects = tuple(_effect_charts(say, found, told["effects"]))
    blocks: list[Block] = [chart]
    if effects:
        blocks.append(Details(say("What the values of the strongest columns do"), effects))
    note = say(
        "Over {count} test rows; of labels in log-odds, of numbers in their own unit. It says what "
        "the model does, not what causes what: columns that go together share their weight.",
        count=told["num_examples"],
    )
    return Section(say("Columns"), tuple(blocks), note)


def _effect_charts(
    say: Translate, found: Findings, effects: Sequence[Mapping[str, Any]]
) -> Iterator[Block]:
    for effect in effects:
        named = say("Answer") if found.is_number else say("Mean score")
        values, answers = effect["values"], effect["answers"]
        if effect["kind"] in ("category", "boolean"):  # no order of their own: the largest first
            order = sorted(range(len(values)), key=lambda at: -answers[0]["means"][at])
        else:
            order = list(range(len(values)))
        series = [
            Series(one["label"] or named, tuple(one["means"][at] for at in order))
            for one in answers
        ]
        title = say("{answer} by {column}", answer=", ".join(one.name for one in series),
                    column=effect["column"])  # fmt: skip
        alt = say("The mean answer over a sample of rows, each with this value of the column.")
        format: charts.Format = "metric" if found.is_number else "percent"
        shown = [values[at] for at in order]
        if effect["kind"] == "number":
            about = {"x_label": effect["column"], "y_label": named}
            option = charts.lines(shown, series, **about, format=format)
        else:
            option = charts.dots(shown, series, x_label=named, format=format)
        yield ChartBlock(title, option, alt=alt)
