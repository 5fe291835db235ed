"""The report in plain words: what the model does well, where it fails, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import Callout, Section, numbers
from volano.evals.automatic import automatic_finding
from volano.evals.fairness import fairness_findings
from volano.evals.findings import slice_name
from volano.evals.fitting import course_of
from volano.evals.forgetting import compare_skills
from volano.evals.importance import strongest
from volano.evals.numbers import coverage_finding
from volano.evals.robustness import robustness_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
    yield from _numbers_right(say, body) if found.is_number else _labels_right(say, found)
    columns = strongest(say, body)
    if columns:
        yield columns
    finding = automatic_finding(say, found)
    if finding is not None and finding[0]:
        yield finding[1]
    yield from (text for is_good, text in fairness_findings(say, found) if is_good)
    yield from (text for is_good, text in robustness_findings(say, found) if is_good)
    skills = compare_skills(found.candidate, found.champion)
    if skills is not None:
        yield say(
            "Compared with the champion it has learnt {learnt} examples and forgotten {forgotten}.",
            learnt=len(skills.learnt),
            forgotten=len(skills.forgotten),
        )


def _labels_right(say: Translate, found: Findings) -> Iterator[str]:
    """How many answers are right, how well rows are put in order, what it is best at."""
    body = found.body
    metrics = body["metrics"]
    if "accuracy" not in metrics:
        return
    yield from (text for is_good, text in _against_guessing(say, body) if is_good)
    curves = (body.get("order") or {}).get("curves", ())
    if len(curves) == 1 and "roc_auc" in metrics:
        yield say(
            "Of two rows of which one is “{label}”, it gives that one the higher score in {share}; "
            "a coin would in {floor}.",
            label=curves[0]["label"],
            share=numbers.percent(metrics["roc_auc"]["value"]),
            floor=numbers.percent(0.5),
        )
    best = [row for row in _ranked(found)[::-1] if row["f1"] >= _STRONG][:_MOST]
    if best and len(body["per_label"]) > _MOST:
        yield say("Best at {labels}.", labels=_names(say, best))
    error = metrics["calibration_error"]["value"]
    if error <= _TRUSTED:
        yield say(
            "Its confidence can be taken at its word: it is {points} off on average.",
            points=numbers.percent(error),
        )


def _against_guessing(say: Translate, body: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """How often it is right, and whether more often than the best answer without reading."""
    if "accuracy" not in body["metrics"]:
        return
    accuracy = body["metrics"]["accuracy"]["value"]
    floor = body["guess"]["metrics"]["accuracy"]
    text = "It answers {share} of {count} test examples right; guessing would get {floor}."
    if body["confusion"] == []:
        text = "It finds all labels of {share} of {count} test examples; guessing, of {floor}."
    share, least = numbers.percent(accuracy), numbers.percent(floor)
    told = say(text, share=share, count=numbers.count(body["num_examples"]), floor=least)
    yield accuracy > floor, told


def _numbers_right(say: Translate, body: Mapping[str, Any]) -> Iterator[str]:
    """How far off answers are, how much of the truth they explain, whether intervals hold."""
    metrics, guess = body["metrics"], body["guess"]["metrics"]
    if "mae" in metrics:
        yield say(
            "Its answers are {error} off on average on {count} test examples; guessing would be "
            "{floor} off.",
            error=numbers.figure(metrics["mae"]["value"]),
            count=numbers.count(body["num_examples"]),
            floor=numbers.figure(guess["mae"]),
        )
    if metrics.get("r2", {"value": 0.0})["value"] > 0:
        share = numbers.percent(metrics["r2"]["value"])
        yield say("It explains {share} of how much the truth varies.", share=share)
    finding = coverage_finding(say, body)
    if finding is not None and finding[0]:
        yield finding[1]


def _faults(say: Translate, found: Findings) -> Iterator[str]:
    body = found.body
    if not body.get("proven", True):
        yield _unproven(say, body)
    elif (seen := body.get("looked_at")) and seen["known"] < seen["rows"]:
        yield say(
            "Figures are of the {known} of {rows} test examples that somebody has looked at.",
            known=numbers.count(seen["known"]),
            rows=numbers.count(seen["rows"]),
        )
    judged = *_against_guessing(say, body), *fairness_findings(say, found)
    yield from (text for is_good, text in judged if not is_good)
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
    worst, metric = _worst_slice(found), found.metric
    if worst:
        yield say(
            "Clearly weaker than on the whole on “{slice}”: {figure} against {whole}, "
            "on {count} examples.",
            slice=slice_name(say, worst),
            figure=numbers.metric(worst[metric]["value"]),
            whole=numbers.metric(body["metrics"][metric]["value"]),
            count=numbers.count(worst["num_examples"]),
        )
    unknown = body["unknown"] or {}
    if unknown.get("recall") is not None and unknown["recall"] < _WEAK:
        yield say(
            "Of the texts that are “{label}” it notices {recall}.",
            label=unknown["label"],
            recall=numbers.percent(unknown["recall"]),
        )
    coverage = coverage_finding(say, body)
    if coverage is not None and not coverage[0]:
        yield coverage[1]
    finding = automatic_finding(say, found)
    error = body["metrics"].get("calibration_error", {"value": 0.0})["value"]
    # A threshold that was shown to hold asks nothing of the scale.
    if error > _TRUSTED and not (finding is not None and finding[0]):
        yield say(
            "Its confidence is {points} off on average: do not act on it alone.",
            points=numbers.percent(error),
        )
    if finding is not None and not finding[0]:
        yield finding[1]
    yield from (text for is_good, text in robustness_findings(say, found) if not is_good)


def _unproven(say: Translate, body: Mapping[str, Any]) -> str:
    num = body.get("looked_at", {}).get("known", 0)
    if not num:
        return say("There is no truth to compare its answers with: nothing is proven of them.")
    return say(
        "{count} test examples have a label, too few to compare its answers with: "
        "nothing is proven of them.",
        count=numbers.count(num),
    )


def _advice(say: Translate, found: Findings) -> Iterator[str]:
    verdict = found.verdict
    if verdict.decision == "PROMOTE":
        yield say("It answers requests from now on; volano rollback takes that back.")
    elif found.champion is not None:
        yield say("The champion keeps answering.")
    if not found.body.get("proven", True):
        yield say(
            "Look at rows and say what they are, in the file or by volano review: from five test "
            "examples of each label on there are figures."
        )
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
        yield _side_by_side(say, mixed, num_labels=len(found.body["per_label"]))
    course = course_of(found.body.get("training", {}))
    if course is not None and course.is_still_falling:
        yield say("Train for more epochs: validation loss was still falling.")
    if found.body["errors"] and found.is_number:
        yield say("Look through the worst errors below: some are wrong values.")
    elif found.body["errors"]:
        yield say("Look through the worst errors below: some are wrong labels.")


def _side_by_side(say: Translate, mixed: Mapping[str, Any], *, num_labels: int) -> str:
    named = {"truth": mixed["truth"], "decided": mixed["decided"]}
    if num_labels == 2:  # both are needed: one says what the other is not
        return say(
            "Read some examples of “{truth}” that it calls “{decided}”: "
            "are they labelled right, and what could have told them apart?",
            **named,
        )
    return say(
        "Read some examples of “{truth}” and of “{decided}” side by side: "
        "are they labelled alike, and are both labels needed?",
        **named,
    )


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
    metric = found.metric
    whole = found.body["metrics"].get(metric, {"value": 0.0})["value"]
    sign, nearest = (1, "high") if found.is_higher_better(metric) else (-1, "low")
    worse = [
        row
        for row in found.body["slices"]
        if row["num_examples"] >= 2 * _FEW_ROWS
        and metric in row
        and sign * row[metric][nearest] < sign * whole
        and sign * (whole - row[metric]["value"]) > _WORTH_SAYING * found.unit(metric)
    ]
    return min(worse, key=lambda row: (sign * row[metric]["value"], row["value"]), default=None)
