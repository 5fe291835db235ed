"""The pages of past turns, written anew from what is left of their datasets and reports."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from volano.core.errors import StoreError
from volano.core.nouns import Dataset, Model, Report, Verdict
from volano.loop.pages import write_pages
from volano.loop.steps import Trained
from volano.loop.turn import Results
from volano.store import turns
from volano.train.choose import Choice

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from volano.loop.project import Project
    from volano.store.turns import TurnRecord

__all__ = ["rewrite_pages"]


def rewrite_pages(
    project: Project, affected: Collection[str], successors: Mapping[str, str]
) -> None:
    """Write the pages of every turn anew that was built on one of these artifacts.

    Pages that cannot be written again, since prune took what they show, are deleted.

    Args:
        project: whose pages.
        affected: hashes of artifacts that held the person, gone already or not.
        successors: what to show instead of those that are still there.
    """
    for record in turns.list_turns(project.ledger, state="finished"):
        result = record.result or {}
        shown = {result.get("collected"), result.get("dataset"), *result["report_of"].values()}
        shown |= {stage.output.get("report") for stage in record.stages}
        folder = project.state / "reports" / f"turn-{record.number}"
        if not shown & set(affected) or not folder.is_dir():
            continue
        try:
            made = _made(project, record, successors)
        except (StoreError, KeyError):
            shutil.rmtree(folder)
            continue
        write_pages(project, made, record.number, made.verdict.metric or _metric(project))


def _made(project: Project, record: TurnRecord, successors: Mapping[str, str]) -> Results:
    """What a turn made, as far as its pages show it."""
    result: dict[str, Any] = dict(record.result or {})

    def opened(noun: type[Any], name: str) -> Any:
        return project.store.open(noun, successors.get(name, name))

    data = opened(Dataset, result["dataset"])
    left_out = data.card["suppressed"]
    facts = {**result["facts"]["prepare"], "suppressed": left_out}
    candidate, baseline = result["model"], result["baseline"]["model"]
    verdict = Verdict.from_dict(result["verdict"])
    standing = _standing(record, verdict.champion)
    return Results(
        collected=opened(Dataset, result["collected"]),
        data=replace(data, card={**data.card, **facts}),
        trained=Trained(
            opened(Model, candidate), opened(Model, baseline), (), (), Choice(**result["choice"])
        ),
        report=opened(Report, result["report"]),
        baseline=opened(Report, result["report_of"][baseline]),
        standing=opened(Report, standing) if standing else None,
        verdict=verdict,
    )


def _standing(record: TurnRecord, champion: str) -> str:
    """The report of the champion that the candidate was compared with."""
    for stage in record.stages:
        if champion and stage.name == f"evaluate.{champion[:12]}":
            return str(stage.output["report"])
    return ""


def _metric(project: Project) -> str:
    from volano.loop.gate import gate_metric

    return gate_metric(project.config.gate, project.task).name
