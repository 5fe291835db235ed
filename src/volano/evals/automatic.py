"""Automatic answers: how many a model may give alone at a precision, and whether it keeps it.

A threshold comes from held-out answers in the bundle, never from test rows; these only check it.
The report holds what was tested, whatever the project's target: another one needs no new report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from volano.core.pages import (
    Callout,
    ChartBlock,
    Interval,
    Prose,
    Section,
    Table,
    charts,
    numbers,
)
from volano.models.routing import Curve, sureness
from volano.tasks.resampling import number_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Answer, Report
    from volano.core.pages import Block, Cell, Translate
    from volano.evals.findings import Findings
    from volano.models import Predictor
    from volano.models.calibration import Floats
    from volano.models.routing import Target

__all__ = [
    "SURE",
    "automatic",
    "automatic_figures",
    "automatic_finding",
    "reading",
    "reading_of",
    "sureness_of",
    "tested_curve",
]

SURE = "sure"  # the column of ``answers.parquet``
_TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)
_SHARES = tuple(place / 40 for place in range(1, 41))


def sureness_of(predictor: Predictor, asked: Sequence[Answer]) -> Floats:
    """How sure each answer is as a whole, from the scores as the predictor gave them."""
    if not asked:
        return np.zeros(0)
    labels = predictor.labels
    scores_NC = np.array([[answer.scores[label] for label in labels] for answer in asked])
    decided_NC = np.array([[label in answer.labels for label in labels] for answer in asked])
    return sureness(scores_NC, decided_NC, is_multiple=predictor.spec.is_multiple)


def tested_curve(
    asked: Sequence[Answer], sure_N: Floats, right_N: NDArray[np.bool_], unit_N: NDArray[np.int64]
) -> Curve:
    """Every threshold that parts the test answers."""
    may_N = ~np.array([answer.unknown for answer in asked], dtype=bool)
    return Curve.of(sure_N, right_N, unit_N, may_N, points=sure_N.size)


def automatic_figures(held_out: Curve | None, tested: Curve) -> dict[str, Any]:
    """The part of the report: what held-out and test answers show at usual targets and shares."""
    return {
        "is_known": held_out is not None,
        "targets": [reading(held_out, tested, target) for target in _TARGETS],
        "curve": [
            {"share": share, "held_out": _precision(held_out, share), "test": precision}
            for share in _SHARES
            if (precision := _precision(tested, share)) is not None
        ],
        "held_out": None if held_out is None else held_out.to_dict(),
    }


def _precision(curve: Curve | None, share: float) -> float | None:
    """Of the surest ``share`` of all answers."""
    found = curve.surest(share) if curve is not None else None
    return None if found is None else found.precision


def reading(held_out: Curve | None, tested: Curve, target: float) -> dict[str, Any]:
    """What a target comes to: the threshold that was found, and how it did on the test answers."""
    found = held_out.find(target) if held_out is not None else None
    nearest = held_out.nearest() if held_out is not None else None
    shown = tested.above(found.threshold) if found is not None else None
    return {
        "target": target,
        "threshold": found.threshold if found else None,
        "held_out": found.to_dict() if found else None,
        "nearest": nearest.to_dict() if nearest and not found else None,
        "share": shown.share if shown else 0.0,
        "num": shown.num if shown else 0,
        "precision": {"value": shown.precision, "low": shown.low, "high": shown.high}
        if shown
        else None,
    }


def reading_of(report: Report, target: Target) -> dict[str, Any] | None:
    """The reading at a project's own target; None where it names none, or in an older report."""
    told = report.body.get("automatic")
    if target == "off" or told is None:
        return None
    held_out = None if told["held_out"] is None else Curve.from_dict(told["held_out"])
    return reading(held_out, _read_tested(report), target)


def _read_tested(report: Report) -> Curve:
    names = ["truth", "labels", "unknown", "unit", SURE]
    table = pq.read_table(report.folder / "answers.parquet", columns=names)
    pairs = zip(table.column("truth").to_pylist(), table.column("labels").to_pylist(), strict=True)
    right_N = np.array([sorted(truth) == sorted(said) for truth, said in pairs], dtype=bool)
    unit_N = number_units(table.column("unit").to_pylist())
    may_N = ~table.column("unknown").to_numpy(zero_copy_only=False).astype(bool)
    sure_N = table.column(SURE).to_numpy()
    return Curve.of(sure_N, right_N, unit_N, may_N, points=sure_N.size)


def automatic_finding(say: Translate, found: Findings) -> tuple[bool, str] | None:
    """What the summary says of the project's target, and whether it is good news."""
    asked = found.automatic
    if asked is None:
        return None
    precision = asked["precision"]
    values = {"target": numbers.percent(asked["target"]), "share": numbers.percent(asked["share"])}
    if asked["threshold"] is None:
        text = "No confidence is shown to keep a precision of {target}: all goes to people."
        return False, say(text, target=values["target"])
    if precision is None:
        text = "None of the test examples is answered surely enough for a precision of {target}."
        return False, say(text, target=values["target"])
    values["precision"] = numbers.percent(precision["value"])
    if precision["high"] < asked["target"]:
        text = (
            "Of the {share} of its answers that it would give alone only {precision} are right on "
            "the test examples; the target is {target}."
        )
        return False, say(text, **values)
    text = (
        "It can give {share} of its answers alone: {precision} of these are right on the test "
        "examples, the target is {target}."
    )
    return True, say(text, **values)


def automatic(say: Translate, found: Findings) -> Section | None:
    """The section of the page: what the target comes to, the curve, and other targets."""
    told = found.body.get("automatic")
    if told is None or not told["curve"]:
        return None
    blocks: list[Block] = []
    asked, finding = found.automatic, automatic_finding(say, found)
    if finding is not None:
        blocks.append(Callout("good" if finding[0] else "warn", finding[1]))
    if asked is not None and asked["nearest"]:
        blocks.append(Prose(_how_far(say, asked["nearest"])))
    if not told["is_known"]:
        blocks.append(Prose(say("This model was made without held-out answers to find it from.")))
    blocks.append(_chart(say, found, told))
    if told["is_known"]:
        rows = {row["target"]: row for row in told["targets"]} | (
            {asked["target"]: asked} if asked is not None else {}
        )
        blocks.append(_targets(say, [rows[target] for target in sorted(rows)]))
    note = say(
        "The threshold is chosen on held-out answers so that precision is at least the target "
        "with 95 % confidence; the test examples only check it. Answers “none of these” are never "
        "automatic."
    )
    return Section(say("Automatic answers"), tuple(blocks), note)


def _how_far(say: Translate, nearest: Mapping[str, float]) -> str:
    return say(
        "The nearest: of the {count} surest held-out answers {precision} were right, which shows "
        "at least {low}.",
        count=numbers.count(int(nearest["num"])),
        precision=numbers.percent(nearest["precision"]),
        low=numbers.percent(nearest["low"]),
    )


def _chart(say: Translate, found: Findings, told: Mapping[str, Any]) -> ChartBlock:
    points = told["curve"]
    series = [charts.Series(say("test examples"), tuple(point["test"] for point in points))]
    if all(point["held_out"] is not None for point in points):
        held_out = tuple(point["held_out"] for point in points)
        series.append(charts.Series(say("held-out answers"), held_out))
    if found.target != "off":
        series.append(charts.Series(say("target"), (found.target,) * len(points)))
    option = charts.lines(
        [point["share"] for point in points],
        series,
        x_label=say("Share of answers given alone, the surest first"),
        y_label=say("Share of these that are right"),
        format="percent",
        x_format="percent",
    )
    return ChartBlock(
        say("Precision of automatic answers"),
        option,
        alt=say("The more answers are given alone, the fewer of them are right."),
    )


def _targets(say: Translate, rows: Sequence[Mapping[str, Any]]) -> Table:
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        precision = row["precision"]
        cells.append(
            (
                numbers.percent(row["target"]),
                row["threshold"],
                None if row["held_out"] is None else numbers.percent(row["held_out"]["share"]),
                None if row["threshold"] is None else numbers.percent(row["share"]),
                None if precision is None else Interval(**precision),
            )
        )
    names = (
        "Target",
        "From confidence",
        "Given alone, held out",
        "Given alone, test",
        "Right of these, test",
    )
    return Table(tuple(map(say, names)), tuple(cells), say("Targets, and what they come to"))
