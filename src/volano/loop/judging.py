"""The last stages of a turn: the champion scored on the same examples, the verdict, the release."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from volano.core.errors import StoreError, UserError
from volano.core.hashing import SHORT, hash_json
from volano.core.nouns import Dataset, Model, Report, Verdict
from volano.loop.gate import History, fairness_limits
from volano.loop.reasons import CAME_BACK, RENAMED, SAME_MODEL, Reason, adding
from volano.store import releases, turns

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.loop.project import Project
    from volano.loop.steps import Steps

__all__ = ["judge_report", "release", "standing_report"]


def standing_report(steps: Steps, report: Report) -> Report | None:
    """The champion's report on the examples of ``report``; None where there is no champion.

    Raises:
        UserError: the champion reads a column that the data no longer has.
    """
    opponent = _opponent(steps, report.body["model"])
    if opponent is None:
        return None
    if opponent == report.body["model"]:
        return report
    data = steps.open(Dataset, report.body["dataset"])
    champion = steps.open(Model, opponent)
    _require_columns(champion, data, report)
    return steps.evaluate(champion, data)


def _opponent(steps: Steps, candidate: str) -> str | None:
    """The champion that this turn found when it began.

    It may have promoted its candidate and then been killed; the comparison is still with the
    champion before.
    """
    champion = steps.champion
    if champion == candidate and steps.run.resumed is not None:
        for stage in reversed(steps.run.resumed.stages):
            said = stage.output if stage.name == "judge" else {}
            if said.get("candidate") == candidate and said.get("decision") == "PROMOTE":
                return said["champion"] or None
    return champion


def _require_columns(champion: Model, data: Dataset, report: Report) -> None:
    """A champion whose column has gone would be judged on rows that it cannot see whole."""
    from volano.models.bundle import read_spec

    fields = pq.read_schema(data.folder / "examples.parquet").field("fields").type
    here = {fields.field(place).name for place in range(fields.num_fields)}
    spec = read_spec(champion.folder)
    gone = [name for name in spec.reads if name not in here]
    if gone:
        raise UserError(
            "the champion {champion} reads {column!r}, which the data no longer has",
            where="data.fields.text" if spec.text else "data.fields",
            fix="name the column as before, or volano promote model:{model} "
            '--because "the column was renamed"',
            champion=champion.ref,
            column=gone[0],
            model=report.body["model"][:SHORT],
        )


def judge_report(steps: Steps, report: Report, standing: Report | None) -> Verdict:
    """The verdict on the candidate behind ``report``, against the champion's ``standing``."""
    candidate = str(report.body["model"])
    if standing is not None and standing.body["model"] == candidate:
        same = Verdict("HOLD", (), candidate=candidate, champion=candidate)
        return adding(same, Reason(SAME_MODEL, {}))
    inputs = {
        "gate": steps.config.gate.model_dump(mode="json"),
        "task": steps.task_inputs,
        "report": report.hash,
        "champion": standing.hash if standing else "",
        "seed": steps.config.seed,
    }

    def work(_: Events) -> dict[str, Any]:
        return _compared(steps, report, standing).to_dict()

    key = steps.keys["judge"] = steps.key("loop", inputs)
    verdict = Verdict.from_dict(steps.run.run("judge", key, work))
    return _unless_replaced(steps, verdict)


def _compared(steps: Steps, report: Report, standing: Report | None) -> Verdict:
    from volano.loop.judge import judge
    from volano.loop.scored import scored_pair

    project, gate = steps.project, steps.config.gate
    fairness_limits(gate, project.task, steps.config.evaluate)
    candidate, champion = scored_pair(project.task, report, standing)
    history = History.of_examples(_earlier_tests(steps), _test_ids(report))
    verdict = judge(gate, project.task, candidate, champion, history, seed=steps.config.seed)
    verdict = replace(verdict, checks={**verdict.checks, "report": report.hash})
    renamed = _renamed(project, standing) if standing else ()
    if not renamed:
        return verdict
    return adding(verdict, Reason(RENAMED, {"names": ", ".join(renamed)}))


def _earlier_tests(steps: Steps) -> list[set[str]]:
    """The test examples of every earlier verdict, also of turns that were never finished."""
    seen = []
    for turn in turns.list_turns(steps.project.ledger):
        for stage in turn.stages:
            if stage.name == "judge" and not stage.skipped:
                try:
                    seen.append(_test_ids(steps.open(Report, stage.output["checks"]["report"])))
                except StoreError as fault:
                    steps.run.events.of("judge").warn(f"a verdict is not counted: {fault.what}")
    return seen


def _test_ids(report: Report) -> set[str]:
    import pyarrow.parquet as pq

    table = pq.read_table(report.folder / "answers.parquet", columns=["id", "truth"])
    return set(table.filter(table.column("truth").is_valid()).column("id").to_pylist())


def _renamed(project: Project, standing: Report) -> tuple[str, ...]:
    """What became of labels that the champion learned."""
    told = []
    for label in standing.body["labels"]:
        today = project.task.today((label,))
        if today != (label,):
            told.append(f"{label!r} is {today[0]!r}" if today else f"{label!r} is no more")
    return tuple(told)


def _unless_replaced(steps: Steps, verdict: Verdict) -> Verdict:
    """A model that was champion and gave way is brought back by a person, not by a turn."""
    if not verdict.promotes or steps.champion == verdict.candidate:
        return verdict
    past = releases.list_releases(steps.project.ledger)
    if all(release.model != verdict.candidate for release in past):
        return verdict
    reason = Reason(CAME_BACK, {"because": past[0].because})
    return adding(replace(verdict, decision="HOLD"), reason)


def release(steps: Steps, model: Model, verdict: Verdict) -> None:
    """Promote where the verdict says so; done twice, after a kill, it is one release."""
    from volano.loop.release import promote

    if not verdict.promotes:
        return

    def work(_: Events) -> dict[str, Any]:
        promote(steps.project, model, because=verdict, by="volano", forced=False)
        return {"model": model.hash}

    key = hash_json({"promote": model.hash, "judged": steps.keys.get("judge", "")})
    steps.run.run("promote", key, work)
