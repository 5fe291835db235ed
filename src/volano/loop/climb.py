"""The climb from cheap learners to dear ones, each under its own key, until more does not pay.

What is trained next may depend on what was trained before, so learners run one after another. An
encoder that cannot be had, trained or exported is left out, unless the project names its learner.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.loop.stages import BrokeOffError, WouldRunError
from volano.store.state import CACHE
from volano.train.config import (
    base_name,
    is_dear,
    plan_learners,
    resolve_train,
    why_not_here,
)
from volano.train.mitigation import Mitigation, need_groups_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from volano.core.events import Events
    from volano.core.nouns import Dataset, Model
    from volano.loop.config import ProjectConfig
    from volano.loop.steps import Steps
    from volano.train.learner import Base, Learner

__all__ = ["Climb", "checkpoints_of", "embeddings_of", "libraries_of", "open_named_bases"]

_ENCODER = ("torch", "transformers", "tokenizers")  # versions that shape what an encoder answers
_TRAINER = (*_ENCODER, "peft")  # and what it becomes
_EXPORTERS = ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf")
_OF_TABLES = {"trees": ("lightgbm",), "mlp": ("torch",)}
_ENGINES = {
    "encoder": (*_ENCODER, *_EXPORTERS),
    "onnx": ("onnxruntime", "tokenizers"),
    "openvino": ("openvino", "tokenizers"),
    "trees": ("lightgbm",),
    "shifted": ("lightgbm",),  # which may hold trees
    "ensemble": (
        *_ENCODER,
        *_EXPORTERS,
        "lightgbm",
    ),  # which may hold encoders, or what became of them
}
_NEARLY_ALL = 0.9
_SHAPES_NOTHING = {"loop": {"checkpoint_seconds"}}


def checkpoints_of(state: Path) -> Path:
    """Where a training that was interrupted keeps what it needs to go on."""
    return state / CACHE / "training"


def embeddings_of(state: Path) -> Path:
    """What frozen encoders made of texts; any turn may use it again."""
    return state / CACHE / "embeddings"


def libraries_of(model: Model) -> tuple[str, ...]:
    """The libraries, besides those of every model, by which this one is exported or answers."""
    from volano.models.bundle import read_spec

    return _ENGINES.get(read_spec(model.folder).engine, ())


def open_named_bases(steps: Steps) -> None:
    """Tell of a base that cannot be had before the data is read, where a named learner needs it.

    A default base waits for the language of the texts; a turn that chooses goes on without one.

    Raises:
        UserError: it cannot be had.
    """
    config, hub = steps.config, steps.project.hub
    if config.train.learner == "auto":
        return
    known = hub.learners_of(steps.project.task)
    plan = plan_learners(config.train, steps.project.task, known, config.effort)
    deep = [learner for learner in plan if known[learner].needs_base]
    if not deep:
        return
    from volano.train.encoders.base import need_packages

    need_packages()
    for name in dict.fromkeys(base_name(config.train, learner) for learner in deep):
        if name != "auto":
            with suppress(WouldRunError):  # said when its turn comes
                _open(steps, name, "")


def _open(steps: Steps, name: str, language: str) -> Base:
    """Open a base, and keep it for the rest of the turn.

    Raises:
        UserError: it cannot be had.
        WouldRunError: this is a rehearsal, and it would have to be downloaded.
    """
    from volano.train.encoders.base import NotDownloadedError, open_base

    root, events = steps.project.root, steps.run.events.of("train")
    may_download = not steps.run.is_rehearsal
    try:
        found = open_base(name, language, root, events, may_download=may_download)
    except NotDownloadedError:
        raise WouldRunError("train") from None
    if name == "auto":
        events.note(f"encoders start from {found.name}, the default for {language} texts")
    steps.bases[name] = found
    return found


@dataclass
class Climb:
    """The learners of one turn; ``made`` holds their models, ``left`` why others have none.

    Where unfairness is mitigated, ``plain`` holds the same without, to show what it costs.
    """

    steps: Steps
    data: Dataset
    made: dict[str, Model] = field(default_factory=dict)
    plain: dict[str, Model] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        project = self.steps.project
        self._known = project.hub.learners_of(project.task)
        self._is_auto = project.config.train.learner == "auto"
        config = project.config
        self._config, _ = resolve_train(config.train, config.effort, config.seed)
        self._events = self.steps.run.events.of("train")
        self._mitigation = _mitigation_of(config)

    def go(self) -> None:
        """Train what is planned, cheapest first.

        Raises:
            UserError: the project names a learner that cannot be trained, or its base not be had;
                or it asks for thresholds by a column that models do not read.
        """
        effort, task = self.steps.config.effort, self.steps.project.task
        if self._mitigation is not None:
            need_groups_read(self._mitigation, self.data.card["schema"]["reads"])
        for name in plan_learners(self._config, task, self._known, effort):
            because = self._why_left(self._known[name]) if self._is_auto else ""
            if because:
                self.left[name] = because
                continue
            try:
                self.plain[name] = self._train(self._known[name])
                self.made[name] = self._mitigated(self._known[name])
            except BrokeOffError as broken:
                self.leave(name, broken)

    def leave(self, name: str, broken: BrokeOffError) -> None:
        """Go on without a learner whose training or export broke off."""
        self._warn(f"{name} is", broken.fault)
        self.left[name] = f"as {broken.stage} broke off: {broken.fault['what']}"

    def _warn(self, who: str, fault: Mapping[str, str]) -> None:
        """Tell each fault once, whomever it hits."""
        where = f" ({fault['where']})" if fault["where"] else ""
        told = f"{fault['what']}{where}; {fault['try']}"
        if told not in self._warned:
            self._warned.add(told)
            self._events.warn(f"{who} left out of this turn: {told}")

    def _base(self, learner: Learner) -> Base | None:
        """The pretrained encoder that it starts from; None where it starts from none.

        Raises:
            UserError: it cannot be had.
            WouldRunError: this is a rehearsal, and it would have to be downloaded.
        """
        if not learner.needs_base:
            return None
        name = base_name(self._config, learner.name)
        found = self.steps.bases.get(name)
        return found or _open(self.steps, name, _language_of(self.data))

    def _why_left(self, learner: Learner) -> str:
        """Why a planned learner is not tried; empty where it is."""
        missing = [part for part in learner.parts if part not in self.made]
        if missing:
            return f"as {missing[0]}, on which it builds, was not"
        if learner.name == "labelled" and not _has_labels(self.data):
            return "as fewer than 20 rows of either label have been looked at"
        lacking = why_not_here(learner.name)
        if lacking:
            self._events.warn(f"{learner.name} is left out of this turn, {lacking}")
            return lacking
        try:
            self._base(learner)
        except UserError as fault:
            self._warn("encoders are", fault.to_dict())
            return "as its base cannot be had"
        if not (learner.needs_base and is_dear(learner.name)):
            return ""
        natives = tuple(self.made.values())
        steps = self.steps
        inputs = {
            "natives": [native.hash for native in natives],
            "metric": steps.metric,
            "dataset": self.data.hash,
            "seed": self._config.seed,
        }

        def work(_: Events) -> dict[str, Any]:
            from volano.train.choose import why_stop
            from volano.train.folds import held_rows
            from volano.train.train import lesson_of

            assert self._config.seed != "auto"
            held_H = held_rows(lesson_of(steps.project.task, self.data), self._config.seed)
            metric = steps.project.task.metrics[steps.metric]
            return {"because": why_stop(natives, metric, held_H)}

        stage = f"train.before-{learner.name}"
        found = steps.run.run(stage, steps.key("train", inputs), work)
        if found["because"]:
            self._events.note(f"{learner.name} is not tried, {found['because']}")
        return str(found["because"])

    def _mitigated(self, learner: Learner) -> Model:
        """The same with mitigation; where there is none to be, the model as it is."""
        plain = self.plain[learner.name]
        return plain if self._mitigation is None else self._train(learner, plain)

    def _train(self, learner: Learner, plain: Model | None = None) -> Model:
        """Train it; beside its ``plain`` model, with mitigation."""
        steps, base, mitigation = self.steps, self._base(learner), self._mitigation
        made = self.plain if plain is None else self.made
        parts = {part: made[part] for part in learner.parts}
        stage = f"train.{learner.name}"
        inputs = {
            "train": self._settings(learner),
            "learner": learner.name,
            "parts": {part: model.hash for part, model in parts.items()},
            "base": base.hash if base else "",
            "task": steps.task_inputs,
            "dataset": self.data.hash,
        }
        if plain is not None and mitigation is not None:
            stage += ".mitigated"
            inputs |= {"plain": plain.hash, "mitigation": asdict(mitigation)}
        key = steps.key("train", inputs, self._libraries(learner, base))
        state = steps.project.state
        scratch = checkpoints_of(state) / key[:32]

        def work(events: Events) -> dict[str, Any]:
            from volano.train.train import Plan, people_of, train

            project, wanted = steps.project, learner
            if plain is not None and mitigation is not None:
                from volano.train.learners.mitigated import Mitigated

                people = people_of(project.task, self.data, mitigation.fields)
                wanted = Mitigated(learner, mitigation, plain, people, project.task)
            plan = Plan(wanted, parts, base, scratch, embeddings_of(state))
            model = train(self._config, project.task, self.data, plan, project.store, events)
            return {"model": model.hash}

        starts = (self._known[name].needs_base for name in (learner.name, *learner.parts))
        is_spare = self._is_auto and bool(self.made) and any(starts)
        found = steps.model_stage(stage, key, work, is_spare=is_spare)
        shutil.rmtree(scratch, ignore_errors=True)
        return found

    def _libraries(self, learner: Learner, base: Base | None) -> tuple[str, ...]:
        """Those, besides the ones of every training, whose versions shape what it makes."""
        if base is not None:
            return _TRAINER
        return _OF_TABLES.get(learner.name, ()) if learner.input == "columns" else ()

    def _settings(self, learner: Learner) -> dict[str, Any]:
        """Those that shape what the learner makes, so that no other change trains it again."""
        wanted: dict[str, Any] = {}
        for name in learner.reads:
            section, _, field = name.partition(".")
            wanted[section] = {*wanted.get(section, ()), field} if field else True
        return self._config.model_dump(mode="json", include=wanted, exclude=_SHAPES_NOTHING)


def _mitigation_of(config: ProjectConfig) -> Mitigation | None:
    """What is done about unfairness, and for whom; None where nothing is."""
    said, about = config.train.mitigation, config.evaluate.fairness
    if said.method == "off":
        return None
    who = about.fields, about.positive, about.minimum
    return Mitigation(said.method, said.constraint, *who)


def _has_labels(data: Dataset) -> bool:
    """Whether enough rows of either label have been looked at to learn from them."""
    from volano.train.anomalies.lesson import FEWEST_LABELLED, LABELS
    from volano.train.targets import count_labels

    rows = data.labelled("train", "validation", columns=["target"])
    counts = count_labels(rows.column("target").to_pylist())
    return all(counts.get(label, 0) >= FEWEST_LABELLED for label in LABELS)


def _language_of(data: Dataset) -> str:
    """The language of nearly all training rows, or ``mixed``."""
    rows = data.labelled("train", columns=["language"])
    counts = Counter(rows.column("language").to_pylist())
    language, num = counts.most_common(1)[0] if counts else ("en", 0)
    return str(language) if num >= _NEARLY_ALL * counts.total() else "mixed"
