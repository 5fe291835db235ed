"""Explaining settings: every value of a section, and why each is what it is."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from volano.core.errors import UnknownNameError
from volano.core.nouns import Model
from volano.models import Predictor
from volano.models.bundle import read_arrays
from volano.models.routing import Curve, explained
from volano.store import releases, turns
from volano.train.config import plan_learners, resolve_train

if TYPE_CHECKING:
    from pydantic import BaseModel

    from volano.loop.project import Project
    from volano.train.config import TrainConfig

__all__ = ["explain"]

# What training finds out about an encoder where it is ``auto``, by its name on the model's card.
_FOUND = {
    "train.base": "base",
    "train.encoder.pooling": "pooling",
    "train.encoder.head": "head",
    "train.encoder.max_tokens": "max_tokens",
    "train.optimizer.lr": "lr",
}
# Settings that only models of texts, or only models of tables, go by.
_ONLY = {
    "text": ("train.base", "train.encoder.", "train.lora.", "train.distil."),
    "columns": ("train.trees.", "train.mlp.", "train.mitigation."),
}
_DEFAULT = "default"
_DEEP = "one that trains an encoder is left out where held-out rows show that it cannot be taken"


def explain(project: Project, section: str) -> list[dict[str, Any]]:
    """The values of one section (all of them where it is empty): key, value, why.

    Raises:
        UnknownNameError: there is no such section.
    """
    config = project.config
    sections = list(type(config).model_fields)
    if section and section not in sections:
        raise UnknownNameError.among("section", section, sections)
    rows: list[dict[str, Any]] = []
    for name in [section] if section else sections:
        value = getattr(config, name)
        if name == "train":
            rows += _explain_train(project)
        elif name == "automatic_precision":
            rows += _explain_automatic(project)
        elif hasattr(value, "model_dump"):
            rows += _rows(name, value)
        else:
            rows.append(_row(name, value, name in config.model_fields_set))
        if name == "data" and project.task.input == "columns":
            rows += _explain_columns(project)
    return rows


def _explain_columns(project: Project) -> list[dict[str, Any]]:
    """What each column of a table is to the champion, and why; nothing before there is one."""
    champion = releases.champion(project.ledger) if project.state.exists() else None
    if champion is None:
        return []
    predictor = Predictor.load(project.store.open(Model, champion.model).folder)
    if predictor.featuriser is None:
        return []
    return [
        {
            "key": f"data.fields.kinds.{column.name}",
            "value": column.kind,
            "why": f"{column.because}, in the champion's training rows",
        }
        for column in predictor.featuriser.columns
    ]


def _explain_train(project: Project) -> list[dict[str, Any]]:
    config = project.config
    resolved, derived = resolve_train(config.train, config.effort, config.seed)
    why = {fact.key: fact.why for fact in derived}
    others = tuple(key for of, keys in _ONLY.items() if of != project.task.input for key in keys)
    rows = [
        row
        for row in _rows("train", config.train)
        if row["why"] != _DEFAULT or not row["key"].startswith(others)
    ]
    found = _found(project)
    for row in rows:
        if row["value"] == "auto" and row["key"] in found:
            row["why"] += f"; {found[row['key']]}"
        if row["key"] in why:
            row["value"] = _at(resolved, row["key"])
            row["why"] = why[row["key"]]
    known = project.hub.learners_of(project.task)
    learners = plan_learners(resolved, project.task, known, config.effort)
    told = "train.learner names it; the first is the baseline"
    if config.train.learner == "auto":
        told = "cheapest first; a dearer one must beat it on held-out rows"
        is_deep = any(known[name].needs_base for name in learners)
        if is_deep:
            told += f"; {_DEEP}"
        elif project.task.input == "text":
            told += "; train.base adds encoders"
    return [*rows, {"key": "train (plan)", "value": ", ".join(learners), "why": told}]


def _found(project: Project) -> dict[str, str]:
    """What the encoders of the last turn came to where its settings were ``auto``, in words."""
    last = None
    if project.state.exists():
        last = turns.find_turn(project.ledger, "latest", state="finished")
    if last is None:
        return {}
    models = {stage.output.get("model") for stage in last.stages if stage.name.startswith("train.")}
    cards = [model.card["training"] for model in project.store.list(Model) if model.hash in models]
    told: dict[str, str] = {}
    for key, name in _FOUND.items():
        said: Any = last.config
        for part in key.split("."):
            said = said.get(part, {})
        values = dict.fromkeys(str(card[name]) for card in cards if "base" in card and name in card)
        if values and said == "auto":
            told[key] = f"{', '.join(values)} in turn {last.number}"
    return told


def _at(resolved: TrainConfig, key: str) -> object:
    """The value at ``train.loop.epochs``."""
    return reduce(getattr, key.split(".")[1:], resolved)


def _explain_automatic(project: Project) -> list[dict[str, Any]]:
    """The target, and the confidence that it comes to with the champion."""
    name, target = "automatic_precision", project.config.automatic_precision
    row = _row(name, target, name in project.config.model_fields_set)
    champion = releases.champion(project.ledger) if project.state.exists() else None
    if target == "off" or champion is None:
        return [row]
    curve = Curve.load(read_arrays(project.store.open(Model, champion.model).folder))
    found = curve.find(target) if curve is not None else None
    threshold = "none" if found is None else round(found.threshold, 4)
    why = explained(curve, target)
    return [row, {"key": f"{name} (from confidence)", "value": threshold, "why": why}]


def _rows(name: str, value: BaseModel) -> list[dict[str, Any]]:
    rows = []
    for field in type(value).model_fields:
        inner = getattr(value, field)
        key = f"{name}.{field}"
        if isinstance(inner, tuple) and inner and hasattr(inner[0], "model_dump"):
            for place, one in enumerate(inner):
                rows += _rows(f"{key}.{place}", one)
        elif hasattr(inner, "model_dump"):
            rows += _rows(key, inner)
        else:
            rows.append(_row(key, inner, field in value.model_fields_set))
    return rows


def _row(key: str, value: Any, is_written: bool) -> dict[str, Any]:
    return {"key": key, "value": value, "why": "volano.yaml or --set" if is_written else _DEFAULT}
