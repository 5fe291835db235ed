"""A turn: one pass of the wheel, as a transaction over keyed stages.

Kill it anywhere and run it again: it continues, skips what is unchanged and ends in the same
result. What a turn builds on (rows seen before, splits) is the last *finished* turn, so an
interrupted one leaves no trace in what comes after.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.hashing import SHORT
from volano.core.nouns import Estimate, Turn, Verdict
from volano.loop.climb import checkpoints_of, open_named_bases
from volano.loop.judging import judge_report, release, standing_report
from volano.loop.stages import WouldRunError
from volano.loop.steps import Steps
from volano.store import erasures, turns
from volano.store.locks import project_lock
from volano.store.state import LOCK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from volano.core.nouns import Dataset, Report
    from volano.loop.project import Project
    from volano.loop.steps import Trained

__all__ = ["Results", "lock_of", "rehearse", "turn"]

_STAGES = ("collect", "prepare", "train", "export", "evaluate", "judge", "promote")


@dataclass(frozen=True)
class Results:
    """All that one turn made; ``standing`` is the champion's report on the same examples."""

    collected: Dataset
    data: Dataset
    trained: Trained
    report: Report
    baseline: Report
    standing: Report | None
    verdict: Verdict


def lock_of(project: Project) -> Path:
    """The lock that whoever runs stages of this project holds."""
    return project.state / LOCK


def turn(project: Project) -> Turn:
    """The whole wheel once; the result of the last turn where nothing has changed."""
    with project_lock(lock_of(project)):
        _warn_of_unfinished(project)
        steps = Steps(project)
        made = _walk(steps)
        release(steps, made.trained.candidate, made.verdict)
        # A training of other settings that was stopped is not gone on with after this.
        shutil.rmtree(checkpoints_of(project.state), ignore_errors=True)
        if steps.last is not None and steps.is_unchanged(
            made.data, made.trained.candidate, made.verdict
        ):
            last = steps.last
            stages = [name for name in _STAGES if name in {*last["seconds"], *last["skipped"]}]
            return _turn_from({**last, "skipped": stages, "seconds": {}}, project.root)
        return _finish(project, steps, made)


def _warn_of_unfinished(project: Project) -> None:
    """Nothing of somebody whose erasure was stopped is collected; what is kept may still be there.

    The turn goes on: it is the way to a model that never saw them.
    """
    for subject in erasures.unfinished(project.ledger):
        project.events.of("turn").warn(
            f"an erasure is unfinished (subject {subject[:SHORT]}): volano forget --subject ID, "
            "with the same ID, ends it"
        )


def _walk(steps: Steps) -> Results:
    open_named_bases(steps)
    collected = steps.collect()
    data = steps.prepare(collected)
    trained = steps.train(data)
    report = steps.evaluate(trained.candidate, data)
    baseline = steps.evaluate(trained.baseline, data)
    standing = standing_report(steps, report)
    verdict = judge_report(steps, report, standing)
    return Results(collected, data, trained, report, baseline, standing, verdict)


def rehearse(project: Project) -> tuple[str, ...]:
    """The stages from the first that would have to run; none where nothing has changed."""
    if not project.state.exists():
        return _STAGES
    with project_lock(lock_of(project)):
        steps = Steps(project, is_rehearsal=True)
        try:
            made = _walk(steps)
        except WouldRunError as first:
            return _STAGES[_STAGES.index(first.stage) :]
        return (
            ()
            if steps.is_unchanged(made.data, made.trained.candidate, made.verdict)
            else _STAGES[-1:]
        )


def _finish(project: Project, steps: Steps, made: Results) -> Turn:
    from volano.loop.bookkeeping import keep_books
    from volano.loop.pages import write_pages

    number = steps.run.begin()
    keep_books(project, made)
    pages = write_pages(project, made, number, steps.metric)
    spent = steps.run.close()
    candidate, baseline = made.report.body, made.baseline.body
    result: dict[str, Any] = {
        "turn": number,
        "dataset": made.data.hash,
        "model": made.trained.candidate.hash,
        "learner": made.trained.candidate.learner,
        "verdict": made.verdict.to_dict(),
        "metrics": candidate["metrics"],
        "baseline": {
            "learner": made.trained.baseline.learner,
            "model": made.trained.baseline.hash,
            "metrics": baseline["metrics"],
            "guess": candidate["guess"],
        },
        "feedback": _from_people(made),
        "skipped": list(spent.skipped),
        "seconds": spent.seconds,
        "reports": pages,
        # What later turns build on; people see the rest.
        "collected": made.collected.hash,
        "report": made.report.hash,
        "report_of": {
            candidate["model"]: made.report.hash,
            baseline["model"]: made.baseline.hash,
        },
        "keys": steps.keys,
        "grounds": steps.grounds,
        "facts": steps.facts,
        "language": project.config.language,
        "suspects": project.config.train.suspects,
        "automatic_precision": project.config.automatic_precision,
        "labels": _labels(made) if project.task.answers == "labels" else [],
        "num_test": candidate["num_examples"],
        "choice": made.trained.choice.to_dict(),
    }
    turns.finish_turn(project.ledger, number, "finished", result)
    return _turn_from(result, project.root)


def _labels(made: Results) -> list[str]:
    """Labels of the data, of the candidate and of the champion it was compared with."""
    known = set(made.data.counts("target"))
    known.update(made.report.body["labels"])
    if made.standing is not None:
        known.update(made.standing.body["labels"])
    return sorted(known)


def _from_people(made: Results) -> dict[str, int]:
    """How many prepared Examples have their label from users and reviewers, and how they came."""
    came = made.data.counts("label_from")
    laid: Mapping[str, int] = made.collected.card.get("feedback", {})
    return {
        "from_feedback": came["feedback"],
        "from_review": came["review"],
        "corrected": laid.get("replaced", 0),
        "added": laid.get("added", 0),
    }


def _turn_from(result: Mapping[str, Any], root: Path) -> Turn:
    """The Turn that a ledger's result tells of."""
    return Turn(
        number=result["turn"],
        dataset=result["dataset"],
        model=result["model"],
        learner=result["learner"],
        verdict=Verdict.from_dict(result["verdict"]),
        metrics={name: Estimate(**found) for name, found in result["metrics"].items()},
        baseline=result["baseline"],
        skipped=tuple(result["skipped"]),
        seconds=result["seconds"],
        # Kept relative, so that a project can be moved.
        reports={name: str(root / path) for name, path in result["reports"].items()},
        feedback=result["feedback"],
    )
