"""Keyed stages: what is unchanged is skipped, what was interrupted is continued.

A stage's key covers its settings, its inputs, the code of its room and of the rooms below, and the
versions of the libraries that shape its result. A finished stage leaves its key and its output in
the ledger; only then does it count, so a kill at any moment loses at most the stage that ran.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from volano.compute.machine import peak_bytes
from volano.core.errors import StageError, StoreError, Term, VolanoError, reason_of
from volano.core.events import Event, Events
from volano.core.hashing import code_hash, hash_json
from volano.store import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from volano.store.ledger import Ledger
    from volano.store.turns import TurnRecord

__all__ = ["BrokeOffError", "Spent", "StageRun", "WouldRunError", "stage_key"]

_BELOW = {
    "data": ("data", "tasks", "store", "core"),
    "train": ("train", "models", "tasks", "compute", "store", "core"),
    "export": ("export", "models", "tasks", "store", "core"),
    "evals": ("evals", "models", "tasks", "store", "core"),
    "loop": ("loop", "evals", "tasks", "core"),
}
_LIBRARIES = {
    "data": ("pyarrow", "numpy"),
    "train": ("numpy", "scipy", "scikit-learn"),
    "export": ("numpy", "safetensors"),
    "evals": ("numpy", "scipy"),
    "loop": ("numpy", "scipy"),
}

_FLUSH_SECONDS = 2.0


def stage_key(room: str, inputs: Mapping[str, Any], libraries: Iterable[str] = ()) -> str:
    """The key of a stage of ``room`` with these inputs (all that JSON can carry).

    ``libraries`` shape this stage besides those that shape every stage of its room.
    """
    versions = {name: _version(name) for name in (*_LIBRARIES[room], *libraries)}
    return hash_json(
        {"inputs": dict(inputs), "code": code_hash(_BELOW[room]), "libraries": versions}
    )


@lru_cache
def _version(library: str) -> str:
    """Empty where it is not installed: the stage that needs it says so better."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


class WouldRunError(Exception):
    """A rehearsal has come to the first stage that would have to run."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.stage = _room(name)


class BrokeOffError(Exception):
    """A stage that the turn can do without broke off, now or in an earlier turn."""

    def __init__(self, name: str, fault: Mapping[str, str]) -> None:
        super().__init__(name)
        self.stage = name
        self.fault = fault


@dataclass(frozen=True)
class Spent:
    """What a whole turn cost and was spared, whichever process did it; rooms as people name them.

    Attributes:
        seconds: of each stage that ran.
        skipped: stages of which no part had to run.
    """

    seconds: dict[str, float]
    skipped: tuple[str, ...]


@dataclass
class StageRun:
    """The stages of one turn as they run: its number is taken when the first one has to."""

    ledger: Ledger
    events: Events
    config: Mapping[str, Any]
    seed: int
    is_rehearsal: bool = False
    number: int | None = None
    used: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    has_run: bool = False
    _heard: list[Event] = field(default_factory=list)
    _kept: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.events = Events((*self.events.listeners, self._hear))
        self.resumed = self._find_resumed()

    def run(
        self,
        name: str,
        key: str,
        work: Callable[[Events], dict[str, Any]],
        is_whole: Callable[[dict[str, Any]], object] = bool,
    ) -> dict[str, Any]:
        """The stage's output: from the ledger where its key is known, else from ``work``.

        Args:
            name: ``train.linear`` counts as part of ``train`` in what people see.
            key: from ``stage_key``.
            work: does the stage and says where its result is.
            is_whole: opens the result; a StoreError means that it must be made again.
        """
        known = turns.find_stage(self.ledger, key)
        if known is not None and self.stands(name, key, dict(known.output), is_whole):
            return dict(known.output)
        if self.is_rehearsal:
            raise WouldRunError(name)
        number = self.begin()
        start = time.perf_counter()
        with self.events.of(name).running(name):
            output = self._guarded(name, number, work)
        seconds = time.perf_counter() - start
        record = turns.StageRecord(number, name, key, output, seconds, peak_bytes())
        turns.record_stage(self.ledger, record)
        self._keep_events()
        self.used[name] = key, output
        self.has_run = True
        return output

    def stands(
        self,
        name: str,
        key: str,
        output: dict[str, Any],
        is_whole: Callable[[dict[str, Any]], object],
    ) -> bool:
        """Whether an earlier output can still be opened; the stage is then skipped."""
        try:
            is_whole(output)
        except StoreError as fault:
            self.events.of(name).warn(f"{name} is run again: {fault.what}")
            return False
        self.used[name] = key, output
        return True

    def begin(self) -> int:
        """The number of this turn: an unfinished one of the same settings is continued."""
        if self.number is None:
            self.number = turns.begin_turn(self.ledger, dict(self.config), self.seed)
        return self.number

    def close(self) -> Spent:
        """Record what was skipped and said; what the turn cost, killed processes included."""
        number = self.begin()
        record = turns.find_turn(self.ledger, number)
        stages = record.stages if record else ()
        known = {stage.key for stage in stages}
        made_here = {stage.key for stage in stages if not stage.skipped}
        for name, (key, output) in self.used.items():
            if key not in known:
                skipped = turns.StageRecord(number, name, key, output, skipped=True)
                turns.record_stage(self.ledger, skipped)
        self._keep_events()
        seconds: dict[str, float] = {}
        for stage in stages:
            if not stage.skipped:
                seconds[_room(stage.name)] = seconds.get(_room(stage.name), 0.0) + stage.seconds
        ran = {_room(name) for name, (key, _) in self.used.items() if key in made_here}
        rooms = dict.fromkeys(map(_room, self.used))
        return Spent(seconds, tuple(room for room in rooms if room not in ran))

    def _find_resumed(self) -> TurnRecord | None:
        """The unfinished turn that ``begin`` will continue."""
        found = turns.find_turn(self.ledger, "latest", state=turns.RUNNING)
        mine = found is not None and found.config == self.config and found.seed == self.seed
        return found if mine else None

    def _hear(self, event: Event) -> None:
        if event.kind == "progress":
            return
        self._heard.append(event)
        # Only a training draws curves, and it may take hours: they can be looked at meanwhile.
        if event.kind == "scalar" and time.monotonic() - self._kept > _FLUSH_SECONDS:
            self._keep_events()

    def _keep_events(self) -> None:
        turns.add_events(self.ledger, self.begin(), self._heard)
        self._heard.clear()
        self._kept = time.monotonic()

    def _guarded(
        self, name: str, number: int, work: Callable[[Events], dict[str, Any]]
    ) -> dict[str, Any]:
        """Run a stage's code: this is where what it did not foresee becomes a StageError."""
        try:
            return work(self.events.of(name))
        except VolanoError:
            raise
        except Exception as error:
            raise StageError(
                "{stage} broke off: {error}",
                where=Term("turn {turn}, stage {stage}", turn=number, stage=name),
                fix="volano turn continues where it stopped; volano doctor checks the rest",
                stage=name,
                error=_said(error),
            ) from error


def _said(error: Exception) -> str | Term:
    if isinstance(error, OSError) and error.errno:
        return Term("{path}: {why}", path=error.filename or "", why=reason_of(error))
    return f"{type(error).__name__}: {error}"


def _room(name: str) -> str:
    return name.partition(".")[0]
