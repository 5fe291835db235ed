"""The part of the page about mistakes: labels, confusion, order, calibration, the worst errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import (
    Bar,
    ChartBlock,
    Code,
    Details,
    Prose,
    Section,
    Table,
    charts,
    numbers,
)
from volano.evals.findings import one_line, said
from volano.evals.numbers import residuals
from volano.models.table_reasons import BASE, OTHERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.pages import Block, Cell, Translate

__all__ = ["mistakes"]

_PAIRS = 15
_LABELS = 30


def mistakes(say: Translate, body: Mapping[str, Any]) -> list[Section | None]:
    """Sections in the order in which a person asks."""
    return [
        _labels(say, body),
        _confusion(say, body),
        _order(say, body),
        _calibration(say, body),
        residuals(say, body),
        _errors(say, body),
    ]


def _labels(say: Translate, body: Mapping[str, Any]) -> Section | None:
    if not body["per_label"]:
        return None
    trained = body.get("training_counts", {})
    rows = sorted(
        body["per_label"],
        # Labels that nothing can be said about come last.
        key=lambda row: (row["f1"] is None, row["f1"] or 0.0, row["label"]),
    )
    cells = tuple(
        (
            row["label"],
            trained.get(row["label"], 0),
            row["support"],
            row["precision"],
            row["recall"],
            row["f1"],
        )
        for row in rows
    )
    names = ("Label", "to learn from", "to test on", "Precision", "Recall", "F1")
    table = Table(tuple(map(say, names)), cells, max_rows=_LABELS)
    return Section(say("Labels"), (table,), say("The weakest label first."))


def _confusion(say: Translate, body: Mapping[str, Any]) -> Section | None:
    cells = body["confusion"]
    if not cells:
        return None
    labels = sorted({cell["truth"] for cell in cells} | {cell["decided"] for cell in cells})
    place = {label: index for index, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for cell in cells:
        counts[place[cell["truth"]]][place[cell["decided"]]] = cell["count"]
    mixed = sorted(
        (cell for cell in cells if cell["truth"] != cell["decided"]),
        key=lambda cell: (-cell["count"], cell["truth"], cell["decided"]),
    )
    chart = ChartBlock(
        say("What was answered for what is true"),
        charts.confusion(labels, counts, truth_label=say("Truth"), answer_label=say("Answer")),
        alt=say("Share of each true label by the label that the model answered."),
    )
    rows = tuple((cell["truth"], cell["decided"], cell["count"]) for cell in mixed)
    columns = (say("Truth"), say("Answer"), say("Examples"))
    table = Table(columns, rows, say("Most often mixed up"), max_rows=_PAIRS)
    return Section(say("Confusion"), (chart, *((table,) if mixed else ())))


def _order(say: Translate, body: Mapping[str, Any]) -> Section | None:
    """How well scores put rows in order, and what each threshold would flag."""
    told = body.get("order")
    if not told or not told["curves"]:
        return None
    curves = told["curves"]
    named = [say("“{label}” ({count})", label=one["label"], count=one["count"]) for one in curves]
    roc = ChartBlock(
        say("ROC curve"),
        charts.curves(
            [(name, one["roc"]) for name, one in zip(named, curves, strict=True)],
            x_label=say("False alarms: share of the others that is flagged"),
            y_label=say("Share of them that is found"),
            is_diagonal=True,
        ),
        alt=say("The nearer a curve comes to the upper left corner, the better the order."),
    )
    precision = ChartBlock(
        say("Precision and recall"),
        charts.curves(
            [(name, one["precision_recall"]) for name, one in zip(named, curves, strict=True)],
            x_label=say("Share of them that is found"),
            y_label=say("Share of the flagged that is right"),
        ),
        alt=say("The longer a curve stays high, the more can be found with few false alarms."),
    )
    thresholds = told["thresholds"]
    blocks = (roc, precision, *((_thresholds(say, thresholds),) if thresholds else ()))
    note = say(
        "Rows in the order of their scores, whatever the threshold. For “{label}” and the others.",
        label=curves[0]["label"],
    )
    if len(curves) > 1:
        note = say("Rows in the order of their scores; each label against all others.")
    return Section(say("Order and thresholds"), blocks, note)


def _thresholds(say: Translate, rows: Sequence[Mapping[str, Any]]) -> Table:
    has_costs = "cost" in rows[0]
    cells: list[tuple[Cell, ...]] = [
        (
            say("as it answers now") if row["threshold"] is None else f"{row['threshold']:.2f}",
            Bar(row["share"]),
            row["precision"],
            row["recall"],
            row["false_alarms"],
            *((row["cost"],) if has_costs else ()),
        )
        for row in rows
    ]
    names = ("Flagged from score", "Share flagged", "Precision", "Recall", "False alarms")
    titles = (*names, *(("Cost of an answer",) if has_costs else ()))
    return Table(tuple(map(say, titles)), tuple(cells), say("What each threshold would flag"))


def _calibration(say: Translate, body: Mapping[str, Any]) -> Section | None:
    points = body["reliability"]
    if not points:
        return None
    chart = ChartBlock(
        say("Confidence against truth"),
        charts.reliability(
            [point["sure"] for point in points],
            [point["right"] for point in points],
            [int(point["count"]) for point in points],
            x_label=say("Confidence"),
            y_label=say("Share right"),
        ),
        alt=say("Where points lie on the diagonal, a confidence of 0.8 is right 8 times in 10."),
    )
    blocks: list[Block] = [chart]
    unknown = body["unknown"] or {}
    if unknown.get("recall") is not None:
        text = say(
            "Of {count} texts that are “{label}” it answered {recall} so; of the others, {alarms}.",
            count=unknown["num_unknown"],
            recall=numbers.percent(unknown["recall"]),
            label=unknown["label"],
            alarms=numbers.percent(unknown["false_alarms"] or 0.0),
        )
        blocks.append(Prose(text))
    elif unknown.get("flagged") is not None:
        text = say(
            "{share} of the answers are marked as unsure.",
            share=numbers.percent(unknown["flagged"]),
        )
        blocks.append(Prose(text))
    note = say("Points on the diagonal keep their word; larger points hold more answers.")
    return Section(say("Calibration"), tuple(blocks), note)


def _errors(say: Translate, body: Mapping[str, Any]) -> Section | None:
    if not body["errors"]:
        return None
    is_number = body.get("answers", "labels") == "number"
    is_table = body.get("input", "text") == "columns"
    blocks = tuple(
        Details(
            f"{said(row['truth'])} → {said(row['decided'])} ({_how_far(row)}): "
            f"{one_line(row['text'], is_table=is_table)}",
            (Code(row["text"]), *_reasons(say, row["about"], row.get("reasons", ()))),
        )
        for row in body["errors"]
    )
    note = say("Truth → answer, the surest mistakes first; some are wrong labels.")
    if is_number:
        note = say("Truth → answer and error, the largest first; some are wrong values.")
    if not all("reasons" in row for row in body["errors"]):
        join, slow = (
            say(" "),
            say("Only the first show reasons: this model takes a while over each."),
        )
        note = f"{note}{join}{slow}"
    return Section(say("Worst errors"), blocks, note)


def _how_far(row: Mapping[str, Any]) -> str:
    if "error" in row:
        return numbers.figure(row["error"], signed=True)
    return numbers.percent(row["confidence"])


def _reasons(say: Translate, about: str, reasons: Sequence[tuple[str, float]]) -> tuple[Block, ...]:
    if not reasons:
        return ()
    if not about:
        return (Prose(_sum_told(say, reasons)),)
    named = [(_piece(say, piece), weight) for piece, weight in reasons]
    for_it = [f"{piece} {weight:+.2f}" for piece, weight in named if weight > 0]
    against = [f"{piece} {weight:+.2f}" for piece, weight in named if weight < 0]
    told = [say("For “{label}”: {pieces}", label=about, pieces=" · ".join(for_it) or "–")]
    if against:
        told.append(say("Against it: {pieces}", pieces=" · ".join(against)))
    return (Prose("\n\n".join(told)),)


def _sum_told(say: Translate, reasons: Sequence[tuple[str, float]]) -> str:
    """What made up a number, piece by piece."""
    pieces = (
        f"{_piece(say, piece)} {numbers.figure(weight, signed=True)}" for piece, weight in reasons
    )
    return say("It adds up: {pieces}", pieces=" · ".join(pieces))


def _piece(say: Translate, piece: str) -> str:
    """A piece of a text or a column with its cell; what stands for several is said."""
    if piece == OTHERS:
        return say("all other columns")
    return say("where every row begins") if piece == BASE else piece
