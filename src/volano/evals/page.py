"""The report as a page: the verdict, the figures with their intervals, the evidence behind them.

Takes what reports and verdict already hold and computes no metric; the JSON twin of the page is
made from the same object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.pages import (
    Callout,
    ChartBlock,
    Code,
    Details,
    Fact,
    Interval,
    Page,
    Prose,
    Section,
    Table,
    charts,
    translate,
)
from volano.evals.forgetting import compare_skills

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Report, Verdict
    from volano.core.pages import Block, Cell, Kind, Language, Translate

__all__ = ["Findings", "report_page"]

_KIND: Mapping[str, Kind] = {"PROMOTE": "good", "HOLD": "warn", "REJECT": "bad"}
_NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}


@dataclass(frozen=True)
class Findings:
    """What a page tells of: the candidate, whom it was compared with, and what was decided."""

    candidate: Report
    verdict: Verdict
    baseline: Report
    champion: Report | None = None
    metric: str = "accuracy"
    choice: str = ""
    because: tuple[str, ...] = ()  # the verdict's reasons in the reader's language


def report_page(found: Findings, project: str, language: Language) -> Page:
    """One page a person reads in two minutes, with the details behind it."""
    say = translate(language)
    body = found.candidate.body
    return Page(
        title=say("{project}: model {model}", project=project, model=body["model"][:12]),
        subtitle=say(
            "{learner}, {count} frozen test examples, as served",
            learner=body["learner"],
            count=body["num_examples"],
        ),
        headline=Callout(
            _KIND[found.verdict.decision],
            say(found.verdict.decision),
            "\n".join(found.because or found.verdict.because),
        ),
        facts=_facts(say, found),
        sections=tuple(
            section
            for section in (
                _comparison(say, found),
                _metrics(say, found),
                _slices(say, found),
                _skills(say, found),
                _confusion(say, body),
                _calibration(say, body),
                _labels(say, body),
                _errors(say, body),
                _cost(say, found),
            )
            if section is not None
        ),
        language=language,
    )


def _interval(figure: Mapping[str, float], *, signed: bool = False) -> Interval:
    return Interval(figure["value"], figure["low"], figure["high"], signed)


def _name(say: Translate, metric: str) -> str:
    return say(_NAMES.get(metric, metric))


def _facts(say: Translate, found: Findings) -> tuple[Fact, ...]:
    body = found.candidate.body
    metrics = body["metrics"]
    chosen = dict.fromkeys([found.metric, "accuracy", "macro_f1"])
    guess = body["guess"]["metrics"]
    facts = [
        Fact(
            _name(say, name),
            _interval(metrics[name]),
            say("guessing {figure}", figure=f"{guess[name]:.3f}"),
        )
        for name in list(chosen)[:2]
    ]
    facts.append(
        Fact(
            _name(say, "calibration_error"),
            metrics["calibration_error"]["value"],
            say("how far confidence is from truth"),
        )
    )
    cost = body["cost"]
    facts.append(
        Fact(
            say("One answer"),
            say("{ms} ms", ms=f"{cost['p50_ms']:.2f}"),
            say("95 % under {ms} ms", ms=f"{cost['p95_ms']:.2f}"),
        )
    )
    return tuple(facts)


def _comparison(say: Translate, found: Findings) -> Section | None:
    verdict = found.verdict
    rows: list[tuple[str, Interval]] = []
    if verdict.effect is not None:
        against = say("champion") if found.champion is not None else say("guessing")
        label = say("candidate - {other}", other=against)
        rows.append((label, _interval(verdict.effect.to_dict(), signed=True)))
    for row in verdict.checks.get("slices", ()):
        if "effect" in row:
            effect = row["effect"]
            rows.append((f"{row['field']}: {row['value']}", _interval(effect, signed=True)))
    if not rows:
        return None
    labels, values = zip(*rows, strict=True)
    chart = ChartBlock(
        say("Gain, with its 95 % interval"),
        charts.intervals(labels, values, x_label=_name(say, found.metric)),
        alt=say("The gain over the champion, overall and by slice."),
        height="auto",
    )
    reuse = verdict.checks.get("reuse", {})
    note = say("Both models answered the same frozen examples, as served.")
    blocks: tuple[Block, ...] = (chart,)
    if reuse:
        blocks += (Prose(" ".join(f"{key}: {value}" for key, value in reuse.items())),)
    return Section(say("Against the champion"), blocks, note)


def _metrics(say: Translate, found: Findings) -> Section:
    columns = [say("Metric"), say("candidate")]
    bodies = [found.candidate.body]
    if found.champion is not None:
        columns.append(say("champion"))
        bodies.append(found.champion.body)
    if found.baseline.body["model"] != found.candidate.body["model"]:
        columns.append(say("baseline ({learner})", learner=found.baseline.body["learner"]))
        bodies.append(found.baseline.body)
    columns.append(say("guessing"))
    guess = found.candidate.body["guess"]["metrics"]
    rows: list[tuple[Cell, ...]] = []
    for name in found.candidate.body["metrics"]:
        cells: list[Cell] = [_interval(body["metrics"][name]) for body in bodies]
        rows.append((_name(say, name), *cells, guess[name]))
    blocks: list[Block] = [Table(tuple(columns), tuple(rows))]
    if found.choice:
        blocks.append(Prose(found.choice))
    fit = _over_fitting(say, found)
    if fit:
        blocks.append(Prose(fit))
    return Section(
        say("Metrics"), tuple(blocks), say("95 % intervals; the same people's rows move together.")
    )


def _over_fitting(say: Translate, found: Findings) -> str:
    body = found.candidate.body
    held_out = body["training"].get("out_of_fold", {}).get(found.metric)
    if held_out is None:
        return ""
    tested = body["metrics"][found.metric]
    values = {"fold": f"{held_out:.3f}", "test": f"{tested['value']:.3f}"}
    if held_out > tested["high"]:
        return say(
            "Out of fold, the training rows scored {fold}; the test rows {test}, clearly less: "
            "the test rows differ from the training rows, or the settings fit them too closely.",
            **values,
        )
    return say(
        "Out of fold, the training rows scored {fold} and the test rows {test}: "
        "no sign of over-fitting.",
        **values,
    )


def _slices(say: Translate, found: Findings) -> Section | None:
    rows = found.candidate.body["slices"]
    if not rows:
        return None
    metric = next(key for key in rows[0] if key not in ("field", "value", "num_examples"))
    labels = [f"{row['field']}: {row['value']} ({row['num_examples']})" for row in rows]
    whole = found.candidate.body["metrics"][metric]["value"]
    chart = ChartBlock(
        say("{metric} by slice", metric=_name(say, metric)),
        charts.intervals(
            labels,
            [_interval(row[metric]) for row in rows],
            x_label=_name(say, metric),
            reference=whole,
        ),
        alt=say("Each slice's figure with its interval; the line is the figure of the whole."),
        height="auto",
    )
    return Section(
        say("Slices"), (chart,), say("In brackets: examples. The line marks the whole test set.")
    )


def _skills(say: Translate, found: Findings) -> Section | None:
    skills = compare_skills(found.candidate, found.champion)
    if skills is None:
        return None
    rows: tuple[tuple[Cell, ...], ...] = (
        (say("still right"), skills.still_right),
        (say("learnt"), len(skills.learnt)),
        (say("forgotten"), len(skills.forgotten)),
        (say("still wrong"), skills.still_wrong),
    )
    blocks: list[Block] = [Table((say("Against the champion"), say("examples")), rows)]
    blocks += [
        Details(say("Labels forgotten most"), (_counts(say, skills.forgotten_by_label),))
    ] * bool(skills.forgotten_by_label)
    if skills.num_retired:
        blocks.append(
            Prose(
                say(
                    "Of {count} test examples that have left the data since, the champion "
                    "answers {before} right and the candidate {after}.",
                    count=skills.num_retired,
                    before=skills.retired_right_before,
                    after=skills.retired_right,
                )
            )
        )
    return Section(
        say("Old skills"), tuple(blocks), say("What the champion could do, and what became of it.")
    )


def _counts(say: Translate, counts: Mapping[str, int]) -> Table:
    return Table((say("Label"), say("examples")), tuple(counts.items()), max_rows=20)


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
    rows = tuple((cell["truth"], cell["decided"], cell["count"]) for cell in mixed)
    chart = ChartBlock(
        say("What was said for what is true"),
        charts.confusion(labels, counts, truth_label=say("Truth"), answer_label=say("Answer")),
        alt=say("Share of each true label by the label that the model answered."),
        height="auto",
    )
    table = Table((say("Truth"), say("Answer"), say("examples")), rows, max_rows=15)
    return Section(say("Confusion"), (chart, Details(say("Most confused"), (table,))))


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
    unknown = body["unknown"]
    if unknown and unknown.get("recall") is not None:
        blocks.append(
            Prose(
                say(
                    "Of {count} texts that are none of the known labels, {recall} were answered "
                    '"{label}"; of the others, {alarms}.',
                    count=unknown["num_unknown"],
                    recall=f"{100 * unknown['recall']:.0f} %",
                    label=unknown["label"],
                    alarms=f"{100 * unknown['false_alarms']:.1f} %",
                )
            )
        )
    return Section(say("Calibration"), tuple(blocks))


def _labels(say: Translate, body: Mapping[str, Any]) -> Section:
    rows = sorted(body["per_label"], key=lambda row: (row["f1"] is None, row["f1"], row["label"]))
    cells = tuple(
        (row["label"], row["support"], row["precision"], row["recall"], row["f1"]) for row in rows
    )
    columns = (say("Label"), say("examples"), say("Precision"), say("Recall"), "F1")
    return Section(
        say("Labels"), (Table(columns, cells, max_rows=100),), say("The weakest label first.")
    )


def _errors(say: Translate, body: Mapping[str, Any]) -> Section | None:
    if not body["errors"]:
        return None
    blocks = [
        Details(
            f"{_said(row['truth'])} → {_said(row['decided'])} ({row['confidence']:.2f}): "
            f"{_short(row['text'])}",
            (Code(row["text"]), *_reasons(say, row["reasons"])),
        )
        for row in body["errors"]
    ]
    return Section(
        say("Worst errors"),
        tuple(blocks),
        say("The mistakes that the model was surest of; some are wrong labels."),
    )


def _reasons(say: Translate, reasons: Sequence[Sequence[Any]]) -> tuple[Block, ...]:
    if not reasons:
        return ()
    rows = tuple((str(text), float(weight)) for text, weight in reasons)
    return (Table((say("Piece of text"), say("Weight")), rows),)


def _said(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "-"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"


def _cost(say: Translate, found: Findings) -> Section:
    body = found.candidate.body
    cost, parity = body["cost"], body["parity"]
    rows: list[tuple[Cell, ...]] = [
        (say("One request, median"), say("{ms} ms", ms=f"{cost['p50_ms']:.2f}")),
        (say("One request, 95 %"), say("{ms} ms", ms=f"{cost['p95_ms']:.2f}")),
        (say("Rows a second, in batches"), round(cost["rows_per_second"])),
        (say("Size"), say("{mb} MB", mb=f"{cost['bytes'] / 1e6:.1f}")),
    ]
    rows += [(say("Parity: {name}", name=name), value) for name, value in sorted(parity.items())]
    note = say("Parity is the gap between the model as trained and the bundle that is served.")
    return Section(
        say("Cost and parity"), (Table((say("Figure"), say("Value")), tuple(rows)),), note
    )
