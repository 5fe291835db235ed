"""How a project stands: champion, last turn, what waits, live accuracy; lists to look through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from volano.core.nouns import Dataset, Model, Report
from volano.core.refs import Ref
from volano.feedback import live_accuracy
from volano.store import lineage, predictions, releases, reviews, turns

if TYPE_CHECKING:
    from volano.loop.project import Project

__all__ = ["describe", "describe_status", "difference", "list_nouns"]


def describe_status(project: Project) -> dict[str, Any]:
    """How the project stands now."""
    ledger = project.ledger
    champion = releases.champion(ledger)
    last = turns.find_turn(ledger, "latest", state="finished")
    logged = predictions.list_predictions(ledger)
    signals = predictions.list_feedback(ledger)
    answered = reviews.answered_reviews(ledger)
    live = live_accuracy(project.task, {found.id: found for found in logged}, answered)
    result = last.result if last and last.result else None
    return {
        "project": project.root.name,
        "task": project.config.task,
        "champion": {
            "model": champion.model,
            "since": when(champion.at),
            "because": champion.because,
            "forced": champion.forced,
        }
        if champion
        else None,
        "turn": {
            "number": last.number,
            "at": when(last.ended_at),
            "decision": result["verdict"]["decision"],
            "because": result["verdict"]["because"],
            "model": result["model"],
            "reports": result["reports"],
        }
        if last and result
        else None,
        "predictions": len(logged),
        "feedback": len(signals),
        "reviews": {"open": len(reviews.open_reviews(ledger)), "answered": len(answered)},
        "live_accuracy": live.to_dict() if live else None,
    }


def when(at: float | None) -> str:
    """A moment as people read it."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def list_nouns(project: Project, noun: str) -> list[dict[str, Any]]:
    """Every one of ``models``, ``datasets``, ``reports``, ``turns``, ``releases``; newest first."""
    ledger = project.ledger
    if noun == "turns":
        return [
            {
                "turn": record.number,
                "state": record.state,
                "started": when(record.started_at),
                "decision": (record.result or {}).get("verdict", {}).get("decision", ""),
                "model": (record.result or {}).get("model", "")[:12],
            }
            for record in turns.list_turns(ledger)
        ]
    if noun == "releases":
        return [
            {
                "model": release.model[:12],
                "at": when(release.at),
                "by": release.by,
                "forced": release.forced,
                "because": release.because,
            }
            for release in releases.list_releases(ledger)
        ]
    kinds: dict[str, type[Any]] = {"models": Model, "datasets": Dataset, "reports": Report}
    champion = releases.champion(ledger)
    return [
        _row(artifact, champion.model if champion else "")
        for artifact in project.store.list(kinds[noun])
    ]


def _row(artifact: Any, champion: str) -> dict[str, Any]:
    card = artifact.card
    row: dict[str, Any] = {artifact.noun: artifact.short}
    if artifact.noun == "model":
        row |= {
            "learner": card.get("learner", ""),
            "form": card.get("form", "native"),
            "labels": len(card.get("labels", ())),
            "champion": "*" if artifact.hash == champion else "",
        }
    elif artifact.noun == "dataset":
        row |= {"stage": card.get("stage", ""), "rows": card.get("counts", {}).get("rows", "")}
    else:
        row |= {"model": card.get("model", "")[:12], "examples": card.get("num_examples", "")}
    return row


def describe(project: Project, name: str) -> dict[str, Any]:
    """One thing by its reference, with its lineage."""
    ref = Ref.parse(name)
    if ref.noun == "turn":
        number = int(ref.name) if ref.name.isdigit() else None
        record = turns.find_turn(project.ledger, "latest" if number is None else number)
        if record is None:
            from volano.core.errors import UnknownNameError

            known = [str(found.number) for found in turns.list_turns(project.ledger)]
            raise UnknownNameError.among("turn", ref.name, known)
        return {"turn": record.number, "state": record.state, **(record.result or {})}
    kinds: dict[str, type[Any]] = {"model": Model, "dataset": Dataset, "report": Report}
    artifact = project.find(kinds[ref.noun], name)
    found: dict[str, Any] = artifact.to_dict()
    found["folder"] = str(artifact.folder)
    found["parents"] = [_edge(edge) for edge in lineage.parents(project.ledger, artifact.hash)]
    found["children"] = [_edge(edge) for edge in lineage.children(project.ledger, artifact.hash)]
    if isinstance(artifact, Report):
        found["metrics"] = artifact.body["metrics"]
    return found


def _edge(edge: Any) -> dict[str, str]:
    return {"hash": edge.hash, "role": edge.role}


def difference(project: Project, one: str, other: str) -> dict[str, Any]:
    """Two models side by side: settings, labels, metrics on the latest data."""
    first, second = (project.find(Model, name) for name in (one, other))
    reports = {model.hash: project.evaluate(model) for model in dict.fromkeys((first, second))}
    metrics = {
        name: {
            "first": reports[first.hash].metrics[name].to_dict(),
            "second": reports[second.hash].metrics[name].to_dict(),
            "gain": reports[second.hash].metrics[name].value - figure.value,
        }
        for name, figure in reports[first.hash].metrics.items()
    }
    labels = [set(model.card["labels"]) for model in (first, second)]
    return {
        "first": {"model": first.hash, "learner": first.learner},
        "second": {"model": second.hash, "learner": second.learner},
        "same": first.hash == second.hash,
        "labels_only_first": sorted(labels[0] - labels[1]),
        "labels_only_second": sorted(labels[1] - labels[0]),
        "metrics": metrics,
        "training": {
            "first": first.card.get("training", {}),
            "second": second.card.get("training", {}),
        },
    }
