"""The stages of one turn in order, each asking for the one before; none is done twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from volano.core.hashing import hash_json
from volano.core.nouns import Dataset, Model, Report, Verdict
from volano.data.collect import CollectFeed, collect, source_fingerprint
from volano.data.prepare import prepare
from volano.evals.evaluate import evaluate
from volano.export.export import export
from volano.feedback.examples import feedback_dataset
from volano.loop.gate import History
from volano.loop.judge import judge
from volano.loop.scored import scored_pair
from volano.loop.stages import StageRun, stage_key
from volano.store import releases, subjects, turns
from volano.train.choose import Choice, choose
from volano.train.config import plan_learners, resolve_train
from volano.train.train import Plan, train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.events import Events
    from volano.loop.project import Project

__all__ = ["Steps", "Trained"]


@dataclass(frozen=True)
class Trained:
    """The exported candidate and baseline (one and the same where the cheapest won), and why."""

    candidate: Model
    baseline: Model
    natives: tuple[Model, ...]
    choice: Choice


class Steps:
    """What one turn does; ``keys`` tell the next turn what this one rested on."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.config = project.config
        self.run = StageRun(
            project.ledger,
            project.events,
            project.config.model_dump(mode="json"),
            project.config.seed,
        )
        last = turns.find_turn(project.ledger, "latest", state="finished")
        self.last: Mapping[str, Any] | None = last.result if last else None
        self.keys: dict[str, str] = {}
        self.standing: Report | None = None  # the champion's report on this turn's examples
        self._done: dict[str, Any] = {}

    @property
    def skipped(self) -> list[str]:
        """Stages of which every part was skipped, in order, as people name them."""
        ran = {name.partition(".")[0] for name in self.run.ran}
        names = dict.fromkeys(name.partition(".")[0] for name in self.run.skipped)
        return [name for name in names if name not in ran]

    def collect(self) -> Dataset:
        """Sources and feedback, as raw Examples."""
        if "collect" not in self._done:
            self._done["collect"] = self._collect()
        found: Dataset = self._done["collect"]
        return found

    def _collect(self) -> Dataset:
        project = self.project
        events = self.run.events.of("collect")
        feedback = feedback_dataset(
            self.config.feedback, project.task, project.ledger, project.store, events
        )
        suppressed = subjects.suppressed(project.ledger)
        inputs = {
            "data": self.config.data.model_dump(mode="json"),
            "task": self._task_inputs,
            "files": source_fingerprint(
                self.config.data, project.root, names=project.task.labels.names
            ),
            "feedback": feedback.hash if feedback else "",
            "suppressed": sorted(suppressed),
        }

        def work(events: Events) -> dict[str, Any]:
            feed = CollectFeed(
                root=project.root,
                previous=self._earlier("collected"),
                feedback=feedback,
                suppressed=frozenset(suppressed),
                readers=project.hub.readers,
            )
            made = collect(self.config.data, project.task, feed, project.store, events)
            return {"dataset": made.hash}

        return self._data_stage("collect", "collected", inputs, work)

    def prepare(self) -> Dataset:
        """Marked, dropped with a reason, split."""
        if "prepare" not in self._done:
            self._done["prepare"] = self._prepare()
        found: Dataset = self._done["prepare"]
        return found

    def _prepare(self) -> Dataset:
        project, collected = self.project, self.collect()
        inputs = {
            "prepare": self.config.prepare.model_dump(mode="json"),
            "task": self._task_inputs,
            "collected": collected.hash,
            "seed": self.config.seed,
        }

        def work(events: Events) -> dict[str, Any]:
            made = prepare(
                self.config.prepare,
                project.task,
                collected,
                self._earlier("dataset"),
                self.config.seed,
                project.store,
                events,
            )
            return {"dataset": made.hash}

        return self._data_stage("prepare", "dataset", inputs, work)

    def _data_stage(self, name: str, noun: str, inputs: dict[str, Any], work: Any) -> Dataset:
        """A stage that also builds on the last turn's result of the same stage.

        Where its own inputs are those of the last turn, that result stands. Otherwise the last
        turn's result is one more input, so that a killed turn is continued from the same ground.
        """
        project = self.project
        own = self.keys[name] = stage_key("data", inputs)
        earlier = self.last[noun] if self.last else ""
        stands = self.last is not None and self.last["keys"].get(name) == own
        if stands and self.run.stands(name, lambda: project.store.open(Dataset, earlier)):
            return project.store.open(Dataset, earlier)
        key = stage_key("data", {**inputs, "earlier": earlier})
        output = self.run.run(name, key, work, self._opens(Dataset, "dataset"))
        return project.store.open(Dataset, output["dataset"])

    def _earlier(self, noun: str) -> Dataset | None:
        if self.last is None:
            return None
        return self.project.store.open(Dataset, self.last[noun])

    def train(self) -> Trained:
        """Every learner of the plan trained, the best chosen, candidate and baseline exported."""
        if "train" not in self._done:
            self._done["train"] = self._train()
        found: Trained = self._done["train"]
        return found

    def _train(self) -> Trained:
        project, data = self.project, self.prepare()
        config, _ = resolve_train(self.config.train, self.config.effort, self.config.seed)
        natives: list[Model] = []
        for name in plan_learners(config, project.task, project.hub.learners):
            learner = project.hub.find("learner", name)
            made = {native.learner: native for native in natives}
            plan = Plan(learner, {part: made[part] for part in learner.parts})
            inputs = {
                "train": config.model_dump(mode="json"),
                "learner": name,
                "parts": {part: model.hash for part, model in plan.parts.items()},
                "task": self._task_inputs,
                "dataset": data.hash,
            }

            def work(events: Events, plan: Plan = plan) -> dict[str, Any]:
                model = train(config, project.task, data, plan, project.store, events)
                return {"model": model.hash}

            key = stage_key("train", inputs)
            output = self.run.run(f"train.{name}", key, work, self._opens(Model, "model"))
            natives.append(project.store.open(Model, output["model"]))
        choice = choose(natives, project.task.metrics[self.metric], config.learner)
        by_hash = {native.hash: native for native in natives}
        exported = {
            native: self.export(by_hash[native]) for native in {choice.candidate, choice.baseline}
        }
        return Trained(
            exported[choice.candidate], exported[choice.baseline], tuple(natives), choice
        )

    def export(self, native: Model) -> Model:
        """The bundle that is served, in the smallest form that keeps parity."""
        project = self.project
        inputs = {"export": self.config.export.model_dump(mode="json"), "model": native.hash}

        def work(events: Events) -> dict[str, Any]:
            return {"model": export(self.config.export, native, project.store, events).hash}

        key = stage_key("export", inputs)
        output = self.run.run(f"export.{native.learner}", key, work, self._opens(Model, "model"))
        return project.store.open(Model, output["model"])

    def evaluate(self, model: Model) -> Report:
        """What the model, as served, scores on the frozen test examples of this turn's data."""
        project, data = self.project, self.prepare()
        inputs = {
            "evaluate": self.config.evaluate.model_dump(mode="json"),
            "task": self._task_inputs,
            "model": model.hash,
            "dataset": data.hash,
        }

        def work(events: Events) -> dict[str, Any]:
            made = evaluate(self.config.evaluate, project.task, model, data, project.store, events)
            return {"report": made.hash}

        key = stage_key("evals", inputs)
        output = self.run.run(f"evaluate.{model.short}", key, work, self._opens(Report, "report"))
        return project.store.open(Report, output["report"])

    def judge(self, report: Report) -> Verdict:
        """The verdict on the candidate behind ``report``; test examples as both models saw them."""
        champion = self.champion
        if champion is not None and champion.hash == report.body["model"]:
            return Verdict(
                "HOLD",
                ("the candidate is the champion: training gave the same model again",),
                candidate=champion.hash,
                champion=champion.hash,
            )
        standing = self.standing = self.evaluate(champion) if champion is not None else None
        inputs = {
            "gate": self.config.gate.model_dump(mode="json"),
            "task": self._task_inputs,
            "report": report.hash,
            "champion": standing.hash if standing else "",
            "seed": self.config.seed,
        }

        def work(_: Events) -> dict[str, Any]:
            return self._judge(report, standing).to_dict()

        self.keys["judge"] = stage_key("loop", inputs)
        return Verdict.from_dict(self.run.run("judge", self.keys["judge"], work))

    def _judge(self, report: Report, standing: Report | None) -> Verdict:
        task = self.project.task
        candidate, champion = scored_pair(task, report, standing)
        finished = turns.list_turns(self.project.ledger, state="finished")
        sizes = [past.result["num_test"] for past in finished if past.result]
        history = History.of(sizes, report.body["num_examples"])
        return judge(self.config.gate, task, candidate, champion, history, seed=self.config.seed)

    def release(self, model: Model, verdict: Verdict) -> None:
        """Promote where the verdict says so, once: a later rollback is not undone by a re-run."""
        from volano.loop.release import promote

        if not verdict.promotes:
            return

        def work(_: Events) -> dict[str, Any]:
            promote(self.project, model, because=verdict, by="volano", forced=False)
            return {"model": model.hash}

        key = hash_json({"promote": model.hash, "judged": self.keys.get("judge", "")})
        if self.champion is None or self.champion.hash != model.hash:
            self.run.run("promote", key, work)

    @property
    def champion(self) -> Model | None:
        """The model that answers now."""
        release = releases.champion(self.project.ledger)
        return self.project.store.open(Model, release.model) if release else None

    @property
    def metric(self) -> str:
        """The gate metric of this project."""
        named = self.config.gate.metric
        return self.project.task.default_metric if named == "auto" else named

    def is_unchanged(self, candidate: Model) -> bool:
        """Whether nothing ran and the last turn ended where this one stands."""
        if self.last is None or self.run.ran or self.run.number is not None:
            return False
        result = self.last
        same_judgement = result["keys"].get("judge") == self.keys.get("judge")
        is_champion = self.champion is not None and self.champion.hash == candidate.hash
        return (
            result["model"] == candidate.hash
            and result["dataset"] == self.prepare().hash
            and (same_judgement or is_champion)
        )

    @cached_property
    def _task_inputs(self) -> dict[str, Any]:
        task = self.project.task
        return {"task": task.name, "labels": task.labels.model_dump(mode="json")}

    def _opens(self, noun: type[Any], name: str) -> Any:
        return lambda output: self.project.store.open(noun, output[name])
