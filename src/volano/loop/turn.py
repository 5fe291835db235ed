"""A turn: one pass of the wheel, as a transaction over keyed stages.

Kill it anywhere and run it again: it continues, skips what is unchanged and ends in the same
result. What a turn builds on (rows seen before, splits) is the last *finished* turn, so an
interrupted one leaves no trace in what comes after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.nouns import Estimate, Turn, Verdict
from volano.loop.bookkeeping import keep_books
from volano.loop.pages import write_pages
from volano.loop.steps import Steps
from volano.store import turns
from volano.store.locks import project_lock

if TYPE_CHECKING:
    from volano.core.nouns import Report
    from volano.loop.project import Project
    from volano.loop.steps import Trained

__all__ = ["turn", "turn_from"]


def turn(project: Project) -> Turn:
    """The whole wheel once; the result of the last turn where nothing has changed."""
    with project_lock(project.state / "turn.lock"):
        steps = Steps(project)
        trained = steps.train()
        report = steps.evaluate(trained.candidate)
        baseline = steps.evaluate(trained.baseline)
        verdict = steps.judge(report)
        steps.release(trained.candidate, verdict)
        if steps.last is not None and steps.is_unchanged(trained.candidate):
            return turn_from({**steps.last, "skipped": steps.skipped, "seconds": {}})
        return _finish(project, steps, trained, (report, baseline), verdict)


def _finish(
    project: Project,
    steps: Steps,
    trained: Trained,
    reports: tuple[Report, Report],
    verdict: Verdict,
) -> Turn:
    report, baseline = reports
    number = steps.run.begin()
    keep_books(project, steps, trained, reports)
    pages = write_pages(project, steps, trained, reports, verdict)
    result: dict[str, Any] = {
        "turn": number,
        "dataset": steps.prepare().hash,
        "model": trained.candidate.hash,
        "learner": trained.candidate.learner,
        "verdict": verdict.to_dict(),
        "metrics": report.body["metrics"],
        "baseline": {
            "learner": trained.baseline.learner,
            "model": trained.baseline.hash,
            "metrics": baseline.body["metrics"],
            "guess": report.body["guess"],
        },
        "skipped": steps.skipped,
        "seconds": steps.run.seconds,
        "reports": pages,
        # What later turns build on; people see the rest.
        "collected": steps.collect().hash,
        "report": report.hash,
        "report_of": {report.body["model"]: report.hash, baseline.body["model"]: baseline.hash},
        "keys": steps.keys,
        "num_test": report.body["num_examples"],
        "choice": trained.choice.to_dict(),
    }
    turns.finish_turn(project.ledger, number, "finished", result)
    return turn_from(result)


def turn_from(result: dict[str, Any]) -> Turn:
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
        reports=result["reports"],
    )
