"""The stages of one turn up to its reports, each under its key; loaded where they have to run."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from volano.core.errors import ExhaustedError, StoreError, VolanoError
from volano.core.nouns import Artifact, Dataset, Model, Report, Verdict
from volano.export.config import Limits
from volano.loop.climb import Climb, libraries_of
from volano.loop.gate import fairness_limits, gate_metric
from volano.loop.stages import BrokeOffError, StageRun, stage_key
from volano.store import releases, subjects, turns
from volano.store.state import CACHE
from volano.train.config import plan_learners
from volano.train.mitigation import check_mitigation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from volano.core.events import Events
    from volano.loop.project import Project
    from volano.train.choose import Choice
    from volano.train.learner import Base

__all__ = ["Steps", "Trained"]

A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class Trained:
    """The exported candidate and baseline (one and the same where the cheapest won), and why.

    Attributes:
        candidate: the bundle that may be served.
        baseline: the bundle of the cheapest learner.
        natives: what each learner made, cheapest first.
        exports: each exported bundle with the native it came from; the candidate's first.
        choice: what was chosen, and why.
    """

    candidate: Model
    baseline: Model
    natives: tuple[Model, ...]
    exports: tuple[tuple[Model, Model], ...]
    choice: Choice


class Steps:
    """What one turn does; ``keys`` and ``grounds`` tell the next turn what this one rested on.

    Make it under the project's lock: it begins turns, and each artifact is verified once.
    """

    def __init__(self, project: Project, *, is_rehearsal: bool = False) -> None:
        self.project = project
        self.config = project.config
        # Named wrong, both are better said before the data is read than after.
        self.metric = gate_metric(self.config.gate, project.task).name
        fairness_limits(self.config.gate, project.task, self.config.evaluate)
        known = project.hub.learners_of(project.task)
        plan_learners(self.config.train, project.task, known, self.config.effort)
        fields = self.config.evaluate.fairness.fields
        check_mitigation(self.config.train.mitigation, project.task, fields)
        self.run = StageRun(
            project.ledger,
            project.events,
            project.config.model_dump(mode="json"),
            project.config.seed,
            is_rehearsal,
        )
        last = turns.find_turn(project.ledger, "latest", state="finished")
        self.last: Mapping[str, Any] | None = last.result if last else None
        self.keys: dict[str, str] = {}
        self.grounds: dict[str, str] = {}  # what the data stages built on, besides their inputs
        self.facts: dict[str, dict[str, Any]] = {}  # what their cards say about this turn
        self.bases: dict[str, Base] = {}  # pretrained encoders, by the project's name for them
        self._opened: dict[str, Artifact] = {}

    def collect(self) -> Dataset:
        """Sources and feedback, as raw Examples."""
        from volano.data.collect import CollectFeed, collect
        from volano.data.erasing import readers_without
        from volano.data.sources.snapshots import fetch, source_fingerprint
        from volano.feedback.examples import feedback_dataset
        from volano.loop.reviewing import known_labels

        project = self.project
        said = self.run.events.of("collect")
        feedback = feedback_dataset(
            self.config.feedback,
            project.task,
            project.ledger,
            project.store,
            said,
            labels=known_labels(project),
        )
        suppressed = subjects.suppressed(project.ledger)
        data = self.config.data
        paths = fetch(data, project.root, project.state / CACHE, os.environ, said)
        inputs = {
            "data": self.config.data.model_dump(mode="json"),
            "task": self.task_inputs,
            "files": source_fingerprint(
                data, project.root, names=project.task.labels.names, paths=paths
            ),
            "feedback": feedback.hash if feedback else "",
            "suppressed": sorted(suppressed),
        }

        def work(previous: Dataset | None, events: Events) -> Dataset:
            feed = CollectFeed(
                root=project.root,
                previous=previous,
                feedback=feedback,
                suppressed=frozenset(suppressed),
                readers=readers_without(project.hub.readers, suppressed),
                paths=paths,
            )
            return collect(self.config.data, project.task, feed, project.store, events)

        return self._data_stage("collect", "collected", inputs, work)

    def prepare(self, collected: Dataset) -> Dataset:
        """Marked, dropped with a reason, split."""
        project, config = self.project, self.config
        inputs = {
            "prepare": config.prepare.model_dump(mode="json"),
            "task": self.task_inputs,
            "collected": collected.hash,
            "seed": config.seed,
        }

        def work(previous: Dataset | None, events: Events) -> Dataset:
            from volano.data.prepare import prepare

            return prepare(
                config.prepare,
                project.task,
                collected,
                previous,
                config.seed,
                project.store,
                events,
            )

        return self._data_stage("prepare", "dataset", inputs, work)

    def _data_stage(
        self,
        name: str,
        noun: str,
        inputs: dict[str, Any],
        work: Callable[[Dataset | None, Events], Dataset],
    ) -> Dataset:
        """A stage that also builds on the last turn's result of the same stage.

        Where its own inputs are those of the last turn, that result stands. Otherwise the last
        turn's result is one more input, so that a killed turn is continued from the same ground.
        """
        own = self.keys[name] = self.key("data", inputs)
        whole = self.opens(Dataset, "dataset")
        ground = str(self.last[noun]) if self.last else ""
        if self.last is not None and self.last["keys"].get(name) == own:
            if self.run.stands(name, own, {"dataset": ground}, whole):
                self.grounds[name] = self.last["grounds"][name]
                return self._of_this_turn(name, ground, self.last["facts"][name])
            ground = self.last["grounds"][name]  # damaged: made again from what it was made from
        self.grounds[name] = ground

        def made(events: Events) -> dict[str, Any]:
            from volano.data.collect import TURN_FACTS

            previous = self.open(Dataset, ground) if ground else None
            dataset = work(previous, events)
            facts = {fact: dataset.card[fact] for fact in TURN_FACTS}
            return {"dataset": dataset.hash, "facts": facts}

        key = self.key("data", {**inputs, "ground": ground})
        output = self.run.run(name, key, made, whole)
        return self._of_this_turn(name, output["dataset"], output["facts"])

    def _of_this_turn(self, name: str, dataset: str, facts: dict[str, Any]) -> Dataset:
        """The Dataset with a card of this turn: the store keeps the first card of a content."""
        self.facts[name] = facts
        found = self.open(Dataset, dataset)
        return replace(found, card={**found.card, **facts})

    def train(self, data: Dataset) -> Trained:
        """Every learner of the plan trained, the best chosen, candidate and baseline exported."""
        climb = Climb(self, data)
        climb.go()
        natives = tuple(climb.made.values())
        by_hash = {native.hash: native for native in natives}
        while True:
            choice = self._choose(tuple(by_hash.values()), climb.left)
            candidate, baseline = by_hash[choice.candidate], by_hash[choice.baseline]
            is_spare = self.config.train.learner == "auto" and candidate is not baseline
            try:
                exports = [(candidate, self.export(candidate, is_spare=is_spare))]
                break
            except BrokeOffError as broken:  # then the best of the others is chosen
                climb.leave(by_hash.pop(candidate.hash).learner, broken)
        if candidate is not baseline:
            exports.append((baseline, self.export(baseline)))
        return Trained(exports[0][1], exports[-1][1], natives, tuple(exports), choice)

    def _choose(self, natives: tuple[Model, ...], left: Mapping[str, str]) -> Choice:
        from volano.train.choose import Choice, choose

        named = self.config.train.learner
        inputs = {
            "natives": [native.hash for native in natives],
            "metric": self.metric,
            "learner": named,
            "left": dict(left),
        }

        def work(events: Events) -> dict[str, Any]:
            start = "" if self.project.task.needs_target else "odd"
            found = choose(natives, self.project.task.metrics[self.metric], named, left, start)
            if named == "auto":
                events.note(found.why)
            return found.to_dict()

        return Choice(**self.run.run("train.choose", self.key("train", inputs), work))

    def export(self, native: Model, *, is_spare: bool = False) -> Model:
        """The bundle that is served: the smallest form that keeps parity and the gate's limits.

        Raises:
            BrokeOffError: there is none, of an encoder that the turn can do without.
        """
        config, store = self.config.export, self.project.store
        gate = self.config.gate
        limits = Limits(
            latency_ms=None if gate.latency_ms == "off" else gate.latency_ms,
            size_mb=None if gate.size_mb == "off" else gate.size_mb,
        )
        inputs = {
            "export": config.model_dump(mode="json"),
            "limits": asdict(limits),
            "model": native.hash,
        }

        def work(events: Events) -> dict[str, Any]:
            from volano.export.export import export

            return {"model": export(config, native, store, events, limits).hash}

        libraries = libraries_of(native)
        key = self.key("export", inputs, libraries)
        is_spare = is_spare and bool(libraries)
        return self.model_stage(f"export.{native.learner}", key, work, is_spare=is_spare)

    def model_stage(
        self,
        name: str,
        key: str,
        work: Callable[[Events], dict[str, Any]],
        *,
        is_spare: bool = False,
    ) -> Model:
        """A stage whose output is a Model, by its hash.

        Raises:
            BrokeOffError: it is one that the turn can do without, and it broke off. That is its
                output then: with the same inputs it would break off in every turn. Only what the
                machine lacked is tried again in the next.
        """

        def guarded(events: Events) -> dict[str, Any]:
            try:
                return work(events)
            except VolanoError as fault:
                if not is_spare or isinstance(fault, StoreError | ExhaustedError):
                    raise
                return {"fault": fault.to_dict()}

        def is_whole(output: dict[str, Any]) -> None:
            if "fault" not in output:
                self.open(Model, output["model"])
            elif not is_spare:
                raise StoreError(
                    "it broke off in an earlier turn: {fault}",
                    fix="volano turn tries again",
                    fault=output["fault"]["what"],
                )

        try:
            output = self.run.run(name, key, guarded, is_whole)
        except ExhaustedError as fault:
            if not is_spare:
                raise
            raise BrokeOffError(name, fault.to_dict()) from fault
        if "fault" in output:
            raise BrokeOffError(name, output["fault"])
        return self.open(Model, output["model"])

    def evaluate(self, model: Model, data: Dataset) -> Report:
        """What the model, as served, scores on the frozen test examples of ``data``."""
        project, config = self.project, self.config.evaluate
        inputs = {
            "evaluate": config.model_dump(mode="json"),
            "task": self.task_inputs,
            "model": model.hash,
            "dataset": data.hash,
        }

        def work(events: Events) -> dict[str, Any]:
            from volano.evals.evaluate import evaluate

            made = evaluate(config, project.task, model, data, project.store, events)
            return {"report": made.hash}

        key = self.key("evals", inputs, libraries_of(model))
        whole = self.opens(Report, "report")
        output = self.run.run(f"evaluate.{model.short}", key, work, whole)
        return self.open(Report, output["report"])

    @property
    def champion(self) -> str | None:
        """The hash of the model that answers now."""
        release = releases.champion(self.project.ledger)
        return release.model if release else None

    def is_unchanged(self, data: Dataset, candidate: Model, verdict: Verdict) -> bool:
        """Whether nothing ran and the last turn ended where this one stands."""
        last = self.last
        if last is None or self.run.has_run:
            return False
        same_judgement = (
            last["keys"].get("judge") == self.keys.get("judge")
            # A rollback since may have turned the same judgement into HOLD.
            and last["verdict"]["decision"] == verdict.decision
        )
        return (
            last["model"] == candidate.hash
            and last["dataset"] == data.hash
            and last["language"] == self.config.language
            and last.get("suspects") == self.config.train.suspects
            # A target of precision alters the pages, and nothing that is judged.
            and last.get("automatic_precision", "off") == self.config.automatic_precision
            and (same_judgement or self.champion == candidate.hash)
        )

    def open(self, noun: type[A], name: str) -> A:
        """The artifact, verified when it is first asked for."""
        if name not in self._opened:
            self._opened[name] = self.project.store.open(noun, name)
        found = self._opened[name]
        assert isinstance(found, noun)
        return found

    def opens(self, noun: type[Artifact], name: str) -> Callable[[dict[str, Any]], object]:
        """Opens what a stage gave as ``name``; a StoreError means that it must be made again."""
        return lambda output: self.open(noun, output[name])

    def key(self, room: str, inputs: Mapping[str, Any], libraries: Iterable[str] = ()) -> str:
        """The key of a stage of this project with these inputs."""
        plugins = {"plugins": dict(self.project.hub.plugins)}
        return stage_key(room, {**inputs, **plugins}, libraries)

    @cached_property
    def task_inputs(self) -> dict[str, Any]:
        """What of the task shapes a stage."""
        task = self.project.task
        return {"task": task.name, "labels": task.labels.model_dump(mode="json")}
