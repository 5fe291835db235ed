"""The part of the page about mistakes: labels, confusion, calibration, the worst errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import ChartBlock, Code, Details, Prose, Section, Table, charts, numbers
from volano.evals.findings import one_line, said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.pages import Block, Translate

__all__ = ["mistakes"]

_PAIRS = 15
_LABELS = 30


def mistakes(say: Translate, body: Mapping[str, Any]) -> list[Section | None]:
    """Sections in the order in which a person asks."""
    return [
        _labels(say, body),
        _confusion(say, body),
        _calibration(say, body),
        _errors(say, body),
    ]


def _labels(say: Translate, body: Mapping[str, Any]) -> Section:
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


def _calibration(say: Translate, body: Mapping[str, Any]) -> Section:
    points = body["reliability"]
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
    blocks = tuple(
        Details(
            f"{said(row['truth'])} → {said(row['decided'])} "
            f"({numbers.percent(row['confidence'])}): {one_line(row['text'])}",
            (Code(row["text"]), *_reasons(say, row["about"], row.get("reasons", ()))),
        )
        for row in body["errors"]
    )
    note = say("Truth → answer, the surest mistakes first; some are wrong labels.")
    if not all("reasons" in row for row in body["errors"]):
        join, slow = (
            say(" "),
            say("Only the first show reasons: this model takes a while over each."),
        )
        note = f"{note}{join}{slow}"
    return Section(say("Worst errors"), blocks, note)


def _reasons(say: Translate, about: str, reasons: Sequence[tuple[str, float]]) -> tuple[Block, ...]:
    if not reasons:
        return ()
    for_it = [f"{piece} {weight:+.2f}" for piece, weight in reasons if weight > 0]
    against = [f"{piece} {weight:+.2f}" for piece, weight in reasons if weight < 0]
    told = [say("For “{label}”: {pieces}", label=about, pieces=" · ".join(for_it) or "–")]
    if against:
        told.append(say("Against it: {pieces}", pieces=" · ".join(against)))
    return (Prose("\n\n".join(told)),)
