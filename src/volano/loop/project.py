"""A project: a folder with ``volano.yaml``, its state in ``.volano``, every verb a method."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.config import build_config
from volano.core.errors import ConfigError, Term, UserError
from volano.core.events import Events
from volano.core.hashing import SHORT
from volano.core.nouns import Dataset, Model, Report
from volano.core.refs import Ref
from volano.core.settings import Settings, override, read_settings
from volano.loop.config import ProjectConfig
from volano.store import releases, turns
from volano.store.artifacts import ArtifactStore
from volano.store.ledger import Ledger
from volano.store.state import CACHE, STATE, find_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from volano.core.hooks import Hub
    from volano.core.nouns import Answer, Release, Turn, Verdict
    from volano.loop.forget import Erasure
    from volano.loop.steps import Steps
    from volano.models import Predictor
    from volano.tasks.task import Task

__all__ = ["PROJECT_FILE", "STATE", "Project"]

PROJECT_FILE = "volano.yaml"


class Project:
    """One team's wheel: settings, artifacts, ledger, and the verbs that turn it.

    Nothing on disk is touched until a verb needs it. Use it as a context manager, or ``close`` it.
    """

    def __init__(self, root: Path, settings: Settings, hub: Hub, events: Events) -> None:
        self.root = root
        self.hub = hub
        self.events = events
        self.config = build_config(ProjectConfig, settings)
        if self.config.task not in hub.tasks:
            raise ConfigError.among(
                "task", self.config.task, hub.tasks, where=settings.where(("task",))
            )
        kind = hub.find("task", self.config.task)
        self.task: Task = kind(self.config.labels)

    @classmethod
    def open(
        cls,
        path: Path | str = ".",
        *,
        set: Sequence[str] = (),
        events: Events | None = None,
    ) -> Project:
        """Open the project in ``path``; ``set`` holds ``key=value`` pairs laid over its file.

        Raises:
            ConfigError: there is no project file, or something in it is wrong (says the line).
        """
        from volano.loop.plugins import load_hub

        root = Path(path).resolve()
        file = root / PROJECT_FILE if root.is_dir() or not root.suffix else root
        settings = override(read_settings(file), set)
        return cls(file.parent, settings, load_hub(), events or Events())

    @property
    def state(self) -> Path:
        """The folder of this project's state.

        Raises:
            StoreError: it was moved, and where it should be nothing is.
        """
        return find_state(self.root / STATE)

    @cached_property
    def store(self) -> ArtifactStore:
        """Where artifacts are kept."""
        return ArtifactStore(str(self.state / "artifacts"), self.state / CACHE)

    @cached_property
    def ledger(self) -> Ledger:
        """What happened, in SQL."""
        return Ledger.open(self.state / "ledger.db")

    def turn(self) -> Turn:
        """The whole wheel once: collect, prepare, train, export, evaluate, judge, promote.

        Whatever is unchanged is skipped; a turn that was killed is continued.

        Raises:
            BusyError: another turn of this project is running.
        """
        from volano.loop.turn import turn

        return turn(self)

    def rehearse(self) -> tuple[str, ...]:
        """The stages that a turn would have to run now, from the first on; nothing is run."""
        from volano.loop.turn import rehearse

        return rehearse(self)

    def collect(self) -> Dataset:
        """Read the sources and what people said into a Dataset of raw Examples."""
        with self._steps() as steps:
            return steps.collect()

    def prepare(self, collected: Dataset | None = None) -> Dataset:
        """Mark, drop with a reason, split; collects first where nothing is given."""
        with self._steps() as steps:
            return steps.prepare(collected or steps.collect())

    def train(self, data: Dataset | None = None) -> Model:
        """Train the learners of the task and export the best; prepares first if need be."""
        with self._steps() as steps:
            return steps.train(data or steps.prepare(steps.collect())).candidate

    def evaluate(self, model: Model | str = "model:latest", data: Dataset | None = None) -> Report:
        """Score a model, as served, on the frozen test examples of ``data``, or of today's data."""
        with self._steps() as steps:
            found = self.find(Model, model) if isinstance(model, str) else model
            return steps.evaluate(found, data or steps.prepare(steps.collect()))

    def judge(self, report: Report) -> Verdict:
        """Compare a candidate's report with the champion's on the same examples."""
        from volano.loop.judging import judge_report, standing_report

        with self._steps() as steps:
            return judge_report(steps, report, standing_report(steps, report))

    @contextmanager
    def _steps(self) -> Iterator[Steps]:
        from volano.loop.steps import Steps
        from volano.loop.turn import lock_of
        from volano.store.locks import project_lock

        with project_lock(lock_of(self)):
            yield Steps(self)

    def promote(
        self, model: Model | str, *, because: Verdict | str, by: str = "", forced: bool = False
    ) -> Release:
        """Make a model the champion; without a verdict that promotes it this is a forced release.

        Raises:
            RefusedError: the verdict given does not promote, or a bare reason is given unforced.
        """
        from volano.loop.release import promote

        found = self.find(Model, model) if isinstance(model, str) else model
        return promote(self, found, because=because, by=by, forced=forced)

    def rollback(self, *, because: str, by: str = "") -> Release:
        """Let the champion before the present one answer again."""
        return releases.rollback(self.ledger, because=because, by=by)

    def forget(
        self, subject: str, *, because: str = "", by: str = "", dry_run: bool = False
    ) -> Erasure:
        """Erase a person from everything that is kept, and let nothing bring them back.

        Tombstones keep the hash of the name and counts; the next turn trains without the person.
        Killed anywhere, the same call ends what was begun.

        Raises:
            BusyError: a turn is running, or another process keeps the ledger.
        """
        from volano.loop.forget import forget

        return forget(self, subject, because=because, by=by, is_rehearsal=dry_run)

    def predictor(self, model: str = "model:champion") -> Predictor:
        """What answers requests: the same for reports, HTTP, batches and this."""
        from volano.models import Predictor

        found = Predictor.load(self.find(Model, model).folder)
        return found.routed(self.config.automatic_precision)

    def predict(
        self, rows: Sequence[Mapping[str, object]], *, explain: bool = False
    ) -> list[Answer]:
        """Ask the champion; rows are raw fields by the project's own column names.

        Raises:
            UserError: a row of a table lacks a column, or a cell cannot be what its column holds.
        """
        predictor = self.predictor()
        if predictor.featuriser is not None:
            from volano.serve.rows import Columns, check_row

            columns = Columns(predictor.spec.reads, table=predictor.featuriser)
            for place, row in enumerate(rows):
                check_row(row, columns, place)
        answers = predictor.predict(rows, explain=explain)
        return [self.task.answer_today(answer) for answer in answers]

    def find(self, noun: type[Any], name: str) -> Any:
        """The artifact that a reference means: ``model:champion``, ``dataset:latest``, a hash.

        Raises:
            UserError: nothing of that name; says what to do first.
        """
        ref = Ref.parse(name, default=noun.noun)
        if ref.noun != noun.noun:
            raise UserError(
                "{name!r} is not a {noun}",
                fix="{ref}:latest",
                name=name,
                noun=Term(noun.noun),
                ref=noun.noun,
            )
        return self.store.open(noun, self._hash_of(ref))

    def _hash_of(self, ref: Ref) -> str:
        if ref.name == "champion":
            champion = releases.champion(self.ledger)
            if champion is None:
                raise UserError("there is no champion yet", fix="turn the wheel first: volano turn")
            return champion.model if ref.noun == "model" else self._report_of(champion.model)
        if ref.name == "latest":
            last = turns.find_turn(self.ledger, "latest", state="finished")
            if last is None or last.result is None:
                raise UserError("no turn has finished yet", fix="turn the wheel first: volano turn")
            return str(last.result[ref.noun])
        return ref.name

    def _report_of(self, model: str) -> str:
        """The latest report of a model; a champion is scored again with every new test set."""
        for record in turns.list_turns(self.ledger, state="finished"):
            reports = (record.result or {}).get("report_of", {})
            if model in reports:
                return str(reports[model])
        raise UserError(
            "no report of model {model} is known", fix="make one: volano turn", model=model[:SHORT]
        )

    def close(self) -> None:
        """Let go of the ledger's file."""
        if "ledger" in self.__dict__:
            self.ledger.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r}, task={self.config.task!r})"
