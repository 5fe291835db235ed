"""The report in plain words: what the model does well, where it fails, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import Callout, Section, numbers
from volano.evals.automatic import automatic_finding
from volano.evals.findings import slice_name
from volano.evals.fitting import course_of
from volano.evals.forgetting import compare_skills
from volano.evals.robustness import robustness_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from volano.core.pages import Block, Translate
    from volano.evals.findings import Findings

__all__ = ["summary"]

_TRUSTED = 0.05  # calibration error up to which a confidence is taken at its word
_STRONG, _WEAK = 0.9, 0.8  # F1 of a label
_WORTH_SAYING = 0.02  # how far a slice must lie under the whole
_FEW_ROWS = 5  # test examples below which a label's or a slice's figure says little
_MOST = 3


def summary(say: Translate, found: Findings) -> Section:
    """Three boxes that a person reads instead of the report."""
    told: Sequence[tuple[Any, str, Callable[[Translate, Findings], Iterator[str]]]] = (
        ("good", say("What it does well"), _strengths),
        ("warn", say("Where it fails"), _faults),
        ("info", say("What to do next"), _advice),
    )
    join = say(" ")
    blocks: list[Block] = [
        Callout(kind, title, join.join(sentences))
        for kind, title, tell in told
        if (sentences := list(tell(say, found)))
    ]
    return Section(say("In short"), tuple(blocks))


def _strengths(say: Translate, found: Findings) -> Iterator[str]:
    body = found.body
    accuracy, floor = body["metrics"]["accuracy"]["value"], body["guess"]["metrics"]["accuracy"]
    text = "It answers {share} of {count} test examples right; guessing would get {floor}."
    if found.candidate.body["confusion"] == []:
        text = "It finds all labels of {share} of {count} test examples; guessing, of {floor}."
    share, least = numbers.percent(accuracy), numbers.percent(floor)
    yield say(text, share=share, count=numbers.count(body["num_examples"]), floor=least)
    best = [row for row in _ranked(found)[::-1] if row["f1"] >= _STRONG][:_MOST]
    if best and len(body["per_label"]) > _MOST:
        yield say("Best at {labels}.", labels=_names(say, best))
    error = body["metrics"]["calibration_error"]["value"]
    if error <= _TRUSTED:
        yield say(
            "Its confidence can be taken at its word: it is {points} off on average.",
            points=numbers.percent(error),
        )
    finding = automatic_finding(say, found)
    if finding is not None and finding[0]:
        yield finding[1]
    yield from (text for is_good, text in robustness_findings(say, found) if is_good)
    skills = compare_skills(found.candidate, found.champion)
    if skills is not None:
        yield say(
            "Compared with the champion it has learnt {learnt} examples and forgotten {forgotten}.",
            learnt=len(skills.learnt),
            forgotten=len(skills.forgotten),
        )


def _faults(say: Translate, found: Findings) -> Iterator[str]:
    body = found.body
    weak = _weak(found)
    if weak:
        told = [f"{row['label']} ({numbers.metric(row['f1'])})" for row in weak]
        yield say("Weakest by F1: {labels}.", labels=say(", ").join(told))
    mixed = _mixed_up(found)
    if mixed:
        yield say(
            "Its commonest mistake: “{decided}” where “{truth}” is right ({count} of {all}).",
            **mixed,
            all=next(r["support"] for r in body["per_label"] if r["label"] == mixed["truth"]),
        )
    worst = _worst_slice(found)
    if worst:
        yield say(
            "Clearly weaker than on the whole on “{slice}”: {figure} against {whole}, "
            "on {count} examples.",
            slice=slice_name(say, worst),
            figure=numbers.metric(worst[found.metric]["value"]),
            whole=numbers.metric(body["metrics"][found.metric]["value"]),
            count=numbers.count(worst["num_examples"]),
        )
    unknown = body["unknown"] or {}
    if unknown.get("recall") is not None and unknown["recall"] < _WEAK:
        yield say(
            "Of the texts that are “{label}” it notices {recall}.",
            label=unknown["label"],
            recall=numbers.percent(unknown["recall"]),
        )
    finding = automatic_finding(say, found)
    error = body["metrics"]["calibration_error"]["value"]
    # A threshold that was shown to hold asks nothing of the scale.
    if error > _TRUSTED and not (finding is not None and finding[0]):
        yield say(
            "Its confidence is {points} off on average: do not act on it alone.",
            points=numbers.percent(error),
        )
    if finding is not None and not finding[0]:
        yield finding[1]
    yield from (text for is_good, text in robustness_findings(say, found) if not is_good)


def _advice(say: Translate, found: Findings) -> Iterator[str]:
    verdict = found.verdict
    if verdict.decision == "PROMOTE":
        yield say("It answers requests from now on; volano rollback takes that back.")
    elif found.champion is not None:
        yield say("The champion keeps answering.")
    if verdict.labels_needed:
        yield say(
            "To decide, label about {count} more test examples: volano review hands them out.",
            count=numbers.count(verdict.labels_needed),
        )
    counts = found.body.get("training_counts", {})
    rare = sorted(_weak(found), key=lambda row: (counts.get(row["label"], 0), row["label"]))
    usual = sorted(counts.values())[len(counts) // 2] if counts else 0
    if rare and counts.get(rare[0]["label"], 0) < usual:
        yield say(
            "Collect more examples of “{label}”: it has {count} to learn from, "
            "a usual label has {usual}.",
            label=rare[0]["label"],
            count=counts.get(rare[0]["label"], 0),
            usual=usual,
        )
    mixed = _mixed_up(found)
    if mixed:
        yield say(
            "Read some examples of “{truth}” and of “{decided}” side by side: "
            "are they labelled alike, and are both labels needed?",
            truth=mixed["truth"],
            decided=mixed["decided"],
        )
    course = course_of(found.body.get("training", {}))
    if course is not None and course.is_still_falling:
        yield say("Train for more epochs: validation loss was still falling.")
    if found.body["errors"]:
        yield say("Look through the worst errors below: some are wrong labels.")


def _ranked(found: Findings) -> list[dict[str, Any]]:
    """Labels with enough test examples to speak of, the weakest first."""
    rows = [row for row in found.body["per_label"] if row["support"] >= _FEW_ROWS]
    return sorted(rows, key=lambda row: (row["f1"], row["support"], row["label"]))


def _weak(found: Findings) -> list[dict[str, Any]]:
    """The weakest labels: those that are weak, and weaker than this model is on the whole."""
    whole = found.body["metrics"].get("macro_f1", {"value": 1.0})["value"]
    return [row for row in _ranked(found) if row["f1"] < min(_WEAK, whole)][:_MOST]


def _names(say: Translate, rows: Sequence[dict[str, Any]]) -> str:
    return say(", ").join(str(row["label"]) for row in rows)


def _mixed_up(found: Findings) -> dict[str, Any] | None:
    """The commonest pair of a true and a wrong label, where it is more than chance."""
    wrong = [cell for cell in found.body["confusion"] if cell["truth"] != cell["decided"]]
    worst = min(wrong, key=lambda c: (-c["count"], c["truth"], c["decided"]), default=None)
    return worst if worst is not None and worst["count"] > 1 else None


def _worst_slice(found: Findings) -> dict[str, Any] | None:
    whole = found.body["metrics"].get(found.metric, {"value": 0.0})["value"]
    worse = [
        row
        for row in found.body["slices"]
        if row["num_examples"] >= 2 * _FEW_ROWS
        and found.metric in row
        and row[found.metric]["high"] < whole
        and row[found.metric]["value"] < whole - _WORTH_SAYING
    ]
    return min(worse, key=lambda row: (row[found.metric]["value"], row["value"]), default=None)
