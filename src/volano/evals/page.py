"""The model report as a page: the verdict, a summary in words, and the evidence behind them.

Takes what reports and verdict already hold and computes no metric; the JSON twin of the page is
made from the same object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import (
    Callout,
    ChartBlock,
    Details,
    Fact,
    Page,
    Prose,
    Section,
    Table,
    charts,
    numbers,
    translate,
)
from volano.evals.automatic import automatic
from volano.evals.drift import moved_columns
from volano.evals.fairness import fairness
from volano.evals.findings import (
    Findings,
    interval,
    metric_name,
    one_line,
    said,
    slice_name,
)
from volano.evals.fitting import fitting
from volano.evals.forgetting import compare_skills
from volano.evals.importance import columns_looked_at
from volano.evals.mistakes import mistakes
from volano.evals.numbers import intervals, truth_against_answer
from volano.evals.robustness import robustness
from volano.evals.serving import serving
from volano.evals.summary import summary
from volano.tasks.numbers import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.pages import Block, Cell, Interval, Kind, Language, Translate
    from volano.evals.forgetting import Change

__all__ = ["Findings", "report_page"]

_KIND: Mapping[str, Kind] = {"PROMOTE": "good", "HOLD": "warn", "REJECT": "bad"}
_FEW_EXAMPLES = 10  # an interval of fewer shows nothing
_SHOWN = 10  # forgotten and learnt examples, slices of the verdict


def report_page(found: Findings, project: str, language: Language) -> Page:
    """One page a person reads in two minutes, with the details behind it."""
    say = translate(language)
    body = found.body
    sections = (
        summary(say, found),
        _erased(say, body),
        _comparison(say, found),
        _metrics(say, found),
        _learners(say, found),
        fitting(say, found),
        truth_against_answer(say, found),
        intervals(say, body),
        _slices(say, found),
        fairness(say, found),
        _skills(say, found),
        columns_looked_at(say, found),
        moved_columns(say, found),
        *mistakes(say, body),
        robustness(say, found),
        automatic(say, found),
        serving(say, found),
    )
    return Page(
        title=say("{project}: model {model}", project=project, model=body["model"][:12]),
        subtitle=say(
            "Learner {learner}; {count} frozen test examples, answered as in service",
            learner=body["learner"],
            count=numbers.count(body["num_examples"]),
        ),
        headline=Callout(
            _KIND[found.verdict.decision],
            say(found.verdict.decision),
            "\n\n".join(found.because or found.verdict.because),
        ),
        facts=_facts(say, found),
        sections=tuple(section for section in sections if section is not None),
        language=language,
    )


def _erased(say: Translate, body: Mapping[str, Any]) -> Section | None:
    if not body.get("erased"):
        return None
    text = say(
        "Answers to {count} test examples were taken out since, because a person was erased. The "
        "figures are those that were measured with them.",
        count=body["erased"],
    )
    return Section(say("Erased"), (Callout("info", say("Erased"), text),))


def _facts(say: Translate, found: Findings) -> tuple[Fact, ...]:
    body = found.body
    metrics, guess, cost = body["metrics"], body["guess"]["metrics"], body["cost"]
    usual = ["mae", "r2"] if found.is_number else ["accuracy", "macro_f1"]
    chosen = [name for name in dict.fromkeys([found.metric, *usual])
              if name in metrics and name in guess]  # fmt: skip
    facts = [
        Fact(
            metric_name(say, name),
            interval(metrics[name]),
            say("guessing {figure}", figure=numbers.metric(guess[name])),
        )
        for name in chosen[:2]
    ]
    fast, slow = cost["p50_ms"], cost["p95_ms"]
    if "calibration_error" in metrics:
        error, trust = metrics["calibration_error"]["value"], say("confidence against truth")
        facts.append(Fact(metric_name(say, "calibration_error"), error, trust))
    if "coverage" in metrics:
        share = numbers.percent(metrics["coverage"]["value"])
        promised = say("promised: {share}", share=numbers.percent(INTERVAL))
        facts.append(Fact(metric_name(say, "coverage"), share, promised))
    median = say("{ms} ms", ms=f"{fast:.2f}")
    facts.append(Fact(say("One answer"), median, say("95 % under {ms} ms", ms=f"{slow:.2f}")))
    return tuple(facts)


def _comparison(say: Translate, found: Findings) -> Section | None:
    verdict = found.verdict
    if verdict.effect is None:
        return None
    has_champion = bool(verdict.champion)
    gains = [(say("All test examples"), interval(verdict.effect.to_dict(), signed=True))]
    shared = verdict.checks.get("labels", {}).get("shared")
    if shared:
        on_known = say("Labels that the champion knows")
        gains.append((on_known, interval(shared["gain"], signed=True)))
    labels, values = zip(*gains, strict=True)
    chart = ChartBlock(
        say("Gain over the champion, with its 95 % interval")
        if has_champion
        else say("Gain over guessing, with its 95 % interval"),
        charts.intervals(labels, values, x_label=metric_name(say, found.metric)),
        alt=say("An interval that lies wholly to the right of the line is a proven gain."),
    )
    slices = _slices_compared(say, verdict.checks.get("slices", ()))
    return Section(
        say("Against the champion") if has_champion else say("Against guessing"),
        (chart, *slices, *_reuse(say, verdict.checks.get("reuse", {}))),
        say("Both answered the same frozen examples, as in service."),
    )


def _slices_compared(say: Translate, slices: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    if not slices:
        return ()
    rows: list[tuple[Cell, ...]] = [
        (
            slice_name(say, row),
            row["num_examples"],
            row["candidate"],
            row["champion"],
            row["p_corrected"],
            say("worse") if row["is_worse"] else say("not worse"),
        )
        for row in slices
    ]
    names = ("Slice", "Examples", "candidate", "champion", "p, corrected", "Finding")
    caption = say("Share of credit by slice, the most doubtful first")
    return (Table(tuple(map(say, names)), tuple(rows), caption, max_rows=_SHOWN),)


def _reuse(say: Translate, reuse: Mapping[str, Any]) -> tuple[Block, ...]:
    if not reuse:
        return ()
    text = say(
        "This is verdict number {verdicts} on these test examples. The chance that at least one "
        "promotion among them was luck is at most {luck}. After {budget} verdicts a gain must be "
        "surer; new test examples renew that budget.",
        verdicts=f"{reuse['verdicts']:g}",
        luck=numbers.percent(reuse["luck"]),
        budget=reuse["budget"],
    )
    return (Prose(text),)


def _metrics(say: Translate, found: Findings) -> Section | None:
    if not found.body["metrics"]:
        return None
    told = [(say("candidate"), found.body)]
    if found.champion is not None:
        told.append((say("champion"), found.champion.body))
    if not found.is_baseline:
        learner = found.baseline.body["learner"]
        told.append((say("baseline ({learner})", learner=learner), found.baseline.body))
    guess = found.body["guess"]["metrics"]
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(found.body["metrics"], key=lambda name: name != found.metric):
        figures = [body["metrics"].get(name) for _, body in told]
        cells: list[Cell] = [None if one is None else interval(one) for one in figures]
        rows.append((metric_name(say, name), *cells, guess.get(name)))
    columns = (say("Metric"), *(name for name, _ in told), say("guessing"))
    return Section(
        say("Metrics"),
        (Table(columns, tuple(rows)),),
        say("With 95 % intervals; rows of one person are drawn together."),
    )


def _learners(say: Translate, found: Findings) -> Section | None:
    choice = found.choice
    if not choice:
        return None
    if not choice["figures"]:
        text = "No held-out truth tells learners apart: {learner} is the one to take then."
        unknown = Prose(say(text, learner=found.body["learner"]))
        return Section(say("Learners tried"), (unknown,))
    gains = choice.get("gains", {})
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            figure,
            interval(gains[name], signed=True) if name in gains else None,
            say("chosen") if name == found.body["learner"] else "",
        )
        for name, figure in choice["figures"].items()
    ]
    columns = (
        say("Learner"),
        say("{metric}, held out", metric=metric_name(say, found.metric)),
        say("Gain over the best cheaper one"),
        "",
    )
    return Section(
        say("Learners tried"),
        (Table(columns, tuple(rows)), Prose(_beats_baseline(say, found))),
        say("The cheapest first. A dearer one is taken only where its gain is proven."),
    )


def _beats_baseline(say: Translate, found: Findings) -> str:
    metric, baseline = found.metric, found.baseline.body
    if metric not in found.body["metrics"] or metric not in baseline["metrics"]:
        return say("The test examples are too few or too alike to score on.")
    if found.is_baseline:
        return say(
            "No dearer learner has proven to be better than the baseline, {learner}.",
            learner=baseline["learner"],
        )
    return say(
        "On the test examples {learner} scores {figure} and the baseline, {baseline}, {least}.",
        learner=found.body["learner"],
        figure=numbers.metric(found.body["metrics"][metric]["value"]),
        baseline=baseline["learner"],
        least=numbers.metric(baseline["metrics"][metric]["value"]),
    )


def _slices(say: Translate, found: Findings) -> Section | None:
    rows = [row for row in found.body["slices"] if row["num_examples"] >= _FEW_EXAMPLES]
    if not rows:
        return None
    metric = next(key for key in rows[0] if key not in ("field", "value", "num_examples"))
    names = [f"{slice_name(say, row)} ({numbers.count(row['num_examples'])})" for row in rows]
    values: list[Interval] = [interval(row[metric]) for row in rows]
    whole = found.body["metrics"][metric]["value"]
    title = metric_name(say, metric)
    chart = ChartBlock(
        say("{metric} by slice", metric=title),
        charts.intervals(
            names,
            values,
            x_label=title,
            reference=whole,
            less_is_better=not found.is_higher_better(metric),
        ),
        alt=say("Each slice with its interval; the line is the figure of the whole test set."),
    )
    note = say(
        "In brackets: examples. The line is the whole test set. Slices of fewer than {few} "
        "examples are left out here.",
        few=_FEW_EXAMPLES,
    )
    return Section(say("Slices"), (chart,), note)


def _skills(say: Translate, found: Findings) -> Section | None:
    skills = compare_skills(found.candidate, found.champion)
    if skills is None:
        return None
    counts: tuple[tuple[Cell, ...], ...] = (
        (say("still right"), skills.still_right),
        (say("learnt"), len(skills.learnt)),
        (say("forgotten"), len(skills.forgotten)),
        (say("still wrong"), skills.still_wrong),
    )
    blocks: list[Block] = [Table((say("Against the champion"), say("Examples")), counts)]
    if skills.forgotten:
        blocks.append(_changes(say, found, skills.forgotten))
    if skills.forgotten_by_label:
        by_label = tuple(skills.forgotten_by_label.items())
        labels = Table((say("Label"), say("forgotten")), by_label, max_rows=_SHOWN)
        blocks.append(Details(say("Labels forgotten most"), (labels,)))
    if skills.learnt:
        blocks.append(Details(say("What was learnt"), (_changes(say, found, skills.learnt),)))
    if skills.num_retired:
        text = say(
            "Of {count} test examples that have left the data since, the champion answers {before} "
            "right and the candidate {after}.",
            count=skills.num_retired,
            before=skills.retired_right_before,
            after=skills.retired_right,
        )
        blocks.append(Prose(text))
    note = say("What the champion could do, and what became of it.")
    if found.is_number:
        note = say(
            "What the champion could do, and what became of it. An answer is right where it is a "
            "fifth of the truth's standard deviation off, or less."
        )
    return Section(say("Old skills"), tuple(blocks), note)


def _changes(say: Translate, found: Findings, changes: Sequence[Change]) -> Table:
    rows = tuple(
        (
            one_line(found.texts.get(change.id, change.id), is_table=found.is_table),
            said(change.truth),
            said(change.before),
            said(change.now),
        )
        for change in changes
    )
    example = say("Row") if found.is_table else say("Text")
    columns = (example, say("Truth"), say("champion"), say("candidate"))
    return Table(columns, rows, max_rows=_SHOWN)
