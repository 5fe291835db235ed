"""How a project stands: champion, last turn, what waits, live accuracy; lists to look through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from volano.core.errors import UnknownNameError
from volano.core.hashing import SHORT
from volano.core.nouns import Dataset, Model, Report
from volano.core.refs import Ref
from volano.feedback import live_accuracy
from volano.loop.curves import curves_of, read_curves, tell_curve
from volano.store import erasures, lineage, predictions, releases, reviews, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.events import Event
    from volano.loop.project import Project
    from volano.store.ledger import Ledger

__all__ = ["Described", "describe", "describe_status", "difference", "list_nouns"]

_TRAINED_ON = "trained on a person who was erased"
_HELD = "held a person who was erased"


def describe_status(project: Project) -> dict[str, Any]:
    """How the project stands now."""
    ledger = project.ledger
    champion = releases.champion(ledger)
    last = turns.find_turn(ledger, "latest", state="finished")
    answered = reviews.answered_reviews(ledger)
    spoken_of = predictions.find_predictions(ledger, [review.ref for review in answered])
    of = champion.model if champion else ""
    live = live_accuracy(project.task, spoken_of, answered, of) if champion else None
    result = last.result if last and last.result else None
    routes = predictions.count_routes(ledger, of) if champion else {}
    alone = {ref: p for ref, p in spoken_of.items() if p.output.get("route") == "automatic"}
    live_alone = live_accuracy(project.task, alone, answered, of) if routes else None
    return {
        "project": project.root.name,
        "task": project.config.task,
        "champion": {
            "model": champion.model,
            "since": when(champion.at),
            "because": champion.because,
            "forced": champion.forced,
            "erased": erased_since(ledger, champion.model),
        }
        if champion
        else None,
        "unfinished_erasures": [
            {"subject": subject, "since": when(at)}
            for subject, at in erasures.unfinished(ledger).items()
        ],
        "turn": {
            "number": last.number,
            "at": when(last.ended_at),
            "decision": result["verdict"]["decision"],
            "because": result["verdict"]["because"],
            "model": result["model"],
            "erased": erased_since(ledger, result["model"]),
            "reports": {name: str(project.root / path) for name, path in result["reports"].items()},
            "feedback": result["feedback"],
        }
        if last and result
        else None,
        "unfinished_turn": _unfinished(ledger),
        "predictions": _count(project, "predictions"),
        "feedback": _count(project, "feedback"),
        "reviews": {"open": len(reviews.open_reviews(ledger)), "answered": len(answered)},
        "live_accuracy": live.to_dict() if live else None,
        "automatic": {
            "target": project.config.automatic_precision,
            **{name: routes.get(name, 0) for name in ("automatic", "person")},
            "live_precision": live_alone.to_dict() if live_alone else None,
        }
        if routes
        else None,
    }


def _unfinished(ledger: Ledger) -> dict[str, Any] | None:
    """A turn that runs, or was stopped: nobody knows here; and how far its training has come."""
    record = turns.find_turn(ledger, "latest", state=turns.RUNNING)
    if record is None:
        return None
    done = {stage.name for stage in record.stages}
    trainings = {
        stage: tell_curve(curves)
        for stage, curves in read_curves(ledger, record.number).items()
        if stage not in done and stage.rpartition(".")[0] not in done  # parts of one stage
    }
    return {
        "number": record.number,
        "since": when(record.started_at),
        "stages": [stage.name for stage in record.stages],
        "training": trainings,
    }


def erased_since(ledger: Ledger, model: str) -> str:
    """When somebody was erased whom a model was trained on; empty where nobody was."""
    return when(erasures.marked_models(ledger).get(model[:SHORT]))


def _count(project: Project, table: str) -> int:
    with project.ledger.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


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
                "state": _state(record),
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
    marked = erasures.marked_models(ledger)
    return [
        _row(artifact, champion.model if champion else "", marked)
        for artifact in project.store.list(kinds[noun])
    ]


def _state(record: turns.TurnRecord) -> str:
    """What people are told: nobody knows here whether the process is still alive."""
    return "unfinished" if record.state == turns.RUNNING else record.state


def _row(artifact: Any, champion: str, marked: Mapping[str, float]) -> dict[str, Any]:
    card = artifact.card
    row: dict[str, Any] = {artifact.noun: artifact.short}
    if artifact.noun == "model":
        row |= {
            "learner": card.get("learner", ""),
            "form": card.get("form", "native"),
            "labels": len(card.get("labels", ())),
            "champion": "*" if artifact.hash == champion else "",
            "erased": _TRAINED_ON if artifact.short in marked else "",
        }
    elif artifact.noun == "dataset":
        row |= {"stage": card.get("stage", ""), "rows": card.get("counts", {}).get("rows", "")}
        row |= {"erased": _HELD if card.get("erased") else ""}
    else:
        row |= {"model": card.get("model", "")[:12], "examples": card.get("num_examples", "")}
    return row


@dataclass(frozen=True)
class Described:
    """One noun to look at: as a screen, and as JSON can carry it."""

    text: str
    facts: dict[str, Any]


def describe(project: Project, name: str) -> Described:
    """One model, dataset, report or turn, with where it came from.

    Raises:
        UnknownNameError: there is none of that name.
    """
    ref = Ref.parse(name)
    if ref.noun == "turn":
        return _describe_turn(project, ref.name)
    kinds: dict[str, type[Any]] = {"model": Model, "dataset": Dataset, "report": Report}
    artifact = project.find(kinds[ref.noun], name)
    ledger = project.ledger
    parents = [_end(e.parent, e, ledger) for e in lineage.parents(ledger, artifact.hash)]
    children = [_end(e.child, e, ledger) for e in lineage.children(ledger, artifact.hash)]
    facts: dict[str, Any] = artifact.to_dict()
    facts |= {"folder": str(artifact.folder), "parents": parents, "children": children}
    facts["erased"] = _erased(project, artifact, ref.name)
    if isinstance(artifact, Report):
        facts["metrics"] = artifact.body["metrics"]
    lines = [str(artifact)]
    if facts["erased"]:
        lines.append(f"  erased    {facts['erased']}")
    lines += [f"  from      {_short_of(end)} ({end['role']})" for end in parents]
    lines += [f"  gave      {_short_of(end)} ({end['role']})" for end in children]
    return Described("\n".join([*lines, f"  files     {artifact.folder}"]), facts)


def _erased(project: Project, artifact: Any, asked: str) -> str:
    """What a person should know of an artifact since somebody was erased; empty: nothing."""
    told = []
    is_hash = asked not in ("latest", "champion")
    if is_hash and not artifact.hash.startswith(asked):
        told.append(f"{artifact.noun}:{asked[:SHORT]} was erased, and this took its place")
    if isinstance(artifact, Model):
        since = erased_since(project.ledger, artifact.hash)
        told += [f"{_TRAINED_ON}, on {since}; volano turn trains without"] if since else []
    elif artifact.card.get("erased"):
        told.append(f"{artifact.card['erased']:,} rows of erased people were taken out")
    return "; ".join(told)


def _end(name: str, edge: lineage.Edge, ledger: Ledger) -> dict[str, str]:
    record = lineage.find_artifact(ledger, name)
    return {"noun": record.noun if record else "", "hash": name, "role": edge.role}


def _short_of(end: dict[str, str]) -> str:
    return f"{end['noun']}:{end['hash'][:SHORT]}"


def _describe_turn(project: Project, name: str) -> Described:
    record = turns.find_turn(project.ledger, "latest" if name == "latest" else int(name))
    if record is None:
        known = [str(found.number) for found in turns.list_turns(project.ledger)]
        raise UnknownNameError.among("turn", name, known)
    said = turns.list_events(project.ledger, record.number)
    events = [event for event in said if event.kind in ("note", "warning")]
    facts: dict[str, Any] = {
        **(record.result or {}),
        "turn": record.number,
        "state": _state(record),
        "started": when(record.started_at),
        "ended": when(record.ended_at),
        "stages": [
            {
                "name": stage.name,
                "seconds": stage.seconds,
                "peak_bytes": stage.peak_bytes,
                "skipped": stage.skipped,
            }
            for stage in record.stages
        ],
        "curves": curves_of(said),
        "events": [event.to_dict() for event in events],
    }
    return Described("\n".join(_turn_lines(facts, events)), facts)


def _turn_lines(facts: dict[str, Any], events: list[Event]) -> list[str]:
    lines = [f"turn {facts['turn']}: {facts['state']}, begun {facts['started']}"]
    if "verdict" in facts:
        lines.append(f"  verdict   {facts['verdict']['decision']}")
        lines += [f"            {reason}" for reason in facts["verdict"]["because"]]
        lines.append(f"  model     model:{facts['model'][:SHORT]} ({facts['learner']})")
        lines.append(f"  dataset   dataset:{facts['dataset'][:SHORT]}")
    lines.append("")
    for stage in facts["stages"]:
        spent = f"{stage['seconds']:8.2f} s  peak {stage['peak_bytes'] / 1e6:,.0f} MB"
        lines.append(f"  {stage['name']:<24}" + (" skipped" if stage["skipped"] else spent))
    for stage, curves in facts["curves"].items():
        lines.append(f"  {stage:<24} {tell_curve(curves)}")
    lines += ["", *(f"  {event.stage}: {event.text}" for event in events)]
    return lines if events else lines[:-1]


def difference(project: Project, one: str, other: str) -> dict[str, Any]:
    """Two models side by side: settings, labels, metrics on the data of the last turn.

    A gain is above zero where the second is better, whatever the metric.
    """
    first, second = (project.find(Model, name) for name in (one, other))
    data = project.find(Dataset, "dataset:latest")
    both = {model.hash: model for model in (first, second)}
    reports = {name: project.evaluate(model, data) for name, model in both.items()}
    better = reports[first.hash].body.get("better", {})

    def sign(metric: str) -> float:
        return -1.0 if better.get(metric) == "lower" else 1.0

    metrics = {
        name: {
            "first": reports[first.hash].metrics[name].to_dict(),
            "second": reports[second.hash].metrics[name].to_dict(),
            "gain": sign(name) * (reports[second.hash].metrics[name].value - figure.value),
        }
        for name, figure in reports[first.hash].metrics.items()
        if name in reports[second.hash].metrics
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
