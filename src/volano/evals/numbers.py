"""What a report says of numbers: how errors lie along the answers, and whether intervals hold.

The points of the picture are read from ``answers.parquet`` when the page is made, so that a person
who is erased leaves it.

Shape suffixes: N examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from volano.core.pages import Bar, Callout, ChartBlock, Prose, Section, Table, charts, numbers
from volano.evals.thinning import interval_of
from volano.tasks.numbers import INTERVAL, NUMBER_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.nouns import Report
    from volano.core.pages import Block, Translate
    from volano.evals.findings import Findings
    from volano.tasks.numbers import NumberOutcomes
    from volano.tasks.resampling import Draws

__all__ = ["coverage_finding", "intervals", "residuals", "residuals_of", "truth_against_answer"]

_PARTS = 10  # of the answers, by size
_FEWEST = 20  # examples in each part
_POINTS = 1000
_GENEROUS = 0.02  # over what is promised, and nobody minds
_COVERED = NUMBER_METRICS["coverage"]


def residuals_of(outcomes: NumberOutcomes, draws: Draws) -> dict[str, Any]:
    """The part of the report: errors and intervals in parts of the answers, the smallest first."""
    order = np.argsort(outcomes.value_N, kind="stable")
    parts = np.array_split(order, max(1, min(_PARTS, len(outcomes) // _FEWEST)))
    return {
        "scale": outcomes.scale,
        "coverage": interval_of(_COVERED, outcomes, draws).to_dict(),
        "width": float(np.median(outcomes.high_N - outcomes.low_N)),
        "parts": [_part(outcomes.at(rows)) for rows in parts if rows.size],
    }


def _part(found: NumberOutcomes) -> dict[str, float]:
    low, middle, high = np.quantile(found.error_N, (0.05, 0.5, 0.95)).tolist()
    return {
        "answer": float(found.value_N.mean()),
        "num_examples": len(found),
        "low": low,
        "middle": middle,
        "high": high,
        "mean_error": float(found.error_N.mean()),
        "absolute_error": float(np.abs(found.error_N).mean()),
        "coverage": _COVERED.of(found),
    }


# The page ---------------------------------------------------------------------------------------


def truth_against_answer(say: Translate, found: Findings) -> Section | None:
    """The section of the page: each answer beside its truth."""
    if not found.body.get("numbers"):
        return None
    points = _points(found.candidate)
    chart = ChartBlock(
        say("Truth against answer"),
        charts.against(points, x_label=say("Truth"), y_label=say("Answer")),
        alt=say("The closer points lie to the diagonal, the better the answers."),
        height=420,
    )
    note = say("A point is a test example; at most {count} are shown.", count=_POINTS)
    return Section(say("Truth and answers"), (chart,), note)


def _points(report: Report) -> list[tuple[float, float]]:
    """Truth and answer, spread evenly over the examples."""
    table = pq.read_table(report.folder / "answers.parquet", columns=["truth", "value"])
    places = np.unique(np.linspace(0, table.num_rows - 1, min(_POINTS, table.num_rows)).astype(int))
    rows = table.take(places).to_pylist()
    return [(float(row["truth"][0]), row["value"]) for row in rows]


def residuals(say: Translate, body: Mapping[str, Any]) -> Section | None:
    """The section of the page: where answers are too high, too low, or only far off."""
    parts = (body.get("numbers") or {}).get("parts", ())
    if len(parts) < 2:
        return None
    named = {"high": "95 % are below this", "middle": "the middle one", "low": "5 % are below this"}
    series = [
        charts.Series(say(title), tuple(part[name] for part in parts))
        for name, title in named.items()
    ]
    chart = ChartBlock(
        say("Errors by the size of the answer"),
        charts.lines(
            [part["answer"] for part in parts],
            series,
            x_label=say("Answer"),
            y_label=say("Answer less truth"),
        ),
        alt=say("Where the middle line leaves zero, answers of that size are too high or too low."),
    )
    rows = tuple(
        (
            part["answer"],
            part["num_examples"],
            part["mean_error"],
            part["absolute_error"],
            Bar(part["coverage"]),
        )
        for part in parts
    )
    names = ("Answer", "Examples", "Mean error", "Mean absolute error", "Truth inside its interval")
    note = say("Answers are parted by their size; an error is the answer less the truth.")
    return Section(say("Errors"), (chart, Table(tuple(map(say, names)), rows)), note)


def coverage_finding(say: Translate, body: Mapping[str, Any]) -> tuple[bool, str] | None:
    """Whether intervals keep their word, in a sentence, and whether that is good news."""
    told = body.get("numbers")
    if not told:
        return None
    coverage = told["coverage"]
    values = {
        "share": numbers.percent(coverage["value"]),
        "low": numbers.percent(coverage["low"]),
        "high": numbers.percent(coverage["high"]),
        "asked": numbers.percent(INTERVAL),
    }
    if coverage["high"] < INTERVAL:
        return False, say(
            "Its intervals promise to hold the truth in {asked} and hold it in {share} only "
            "({low} to {high}): they are too narrow.",
            **values,
        )
    if coverage["low"] > INTERVAL + _GENEROUS:
        return True, say(
            "Its intervals promise to hold the truth in {asked} and hold it in {share} "
            "({low} to {high}): they are wider than they need be.",
            **values,
        )
    return True, say(
        "Its intervals keep their word: they promise to hold the truth in {asked} and hold it in "
        "{share} ({low} to {high}).",
        **values,
    )


def intervals(say: Translate, body: Mapping[str, Any]) -> Section | None:
    """The section of the page: how often the truth lies in the interval of its answer."""
    finding = coverage_finding(say, body)
    if finding is None:
        return None
    told = body["numbers"]
    blocks: list[Block] = [Callout("good" if finding[0] else "warn", finding[1])]
    width = numbers.figure(told["width"])
    spread = numbers.figure(told["scale"])
    text = "The middle interval is {width} wide; the standard deviation of the truth is {spread}."
    blocks.append(Prose(say(text, width=width, spread=spread)))
    return Section(say("Intervals"), tuple(blocks))
