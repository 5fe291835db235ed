"""Keyed stages: what is unchanged is skipped, what was interrupted is continued.

A stage's key covers its settings, its inputs, the code of its room and of the rooms below, and the
versions of the libraries that shape its result. A finished stage leaves its key and its output in
the ledger; only then does it count, so a kill at any moment loses at most the stage that ran.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from volano.compute.machine import peak_bytes
from volano.core.errors import StageError, StoreError, VolanoError
from volano.core.hashing import code_hash, hash_json
from volano.store import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from volano.core.events import Events
    from volano.store.ledger import Ledger

__all__ = ["StageRun", "stage_key"]

_BELOW = {
    "data": ("data", "tasks", "store", "core"),
    "train": ("train", "models", "tasks", "compute", "store", "core"),
    "export": ("export", "models", "tasks", "store", "core"),
    "evals": ("evals", "models", "tasks", "store", "core"),
    "feedback": ("feedback", "tasks", "store", "core"),
    "loop": ("loop", "evals", "tasks", "core"),
}
_LIBRARIES = {
    "data": ("pyarrow", "numpy"),
    "train": ("numpy", "scipy", "scikit-learn"),
    "export": ("numpy", "safetensors"),
    "evals": ("numpy", "scipy"),
    "feedback": ("pyarrow",),
    "loop": ("numpy", "scipy"),
}


def stage_key(room: str, inputs: Mapping[str, Any]) -> str:
    """The key of a stage of ``room`` with these inputs (all that JSON can carry)."""
    libraries = {name: metadata.version(name) for name in _LIBRARIES[room]}
    return hash_json(
        {"inputs": dict(inputs), "code": code_hash(_BELOW[room]), "libraries": libraries}
    )


@dataclass
class StageRun:
    """The stages of one turn as they run: its number is taken when the first one has to."""

    ledger: Ledger
    events: Events
    config: Mapping[str, Any]
    seed: int
    number: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

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
        if known is not None and self.stands(name, lambda: is_whole(dict(known.output))):
            return dict(known.output)
        number = self.begin()
        start = time.perf_counter()
        with self.events.of(name).running(name):
            output = self._guarded(name, number, work)
        seconds = time.perf_counter() - start
        record = turns.StageRecord(number, name, key, output, seconds, peak_bytes())
        turns.record_stage(self.ledger, record)
        room = name.partition(".")[0]
        self.seconds[room] = self.seconds.get(room, 0.0) + seconds
        self.ran.append(name)
        return output

    def begin(self) -> int:
        """The number of this turn: an unfinished one of the same settings is continued."""
        if self.number is None:
            self.number = turns.begin_turn(self.ledger, dict(self.config), self.seed)
        return self.number

    def stands(self, name: str, opens: Callable[[], object]) -> bool:
        """Whether an earlier result can still be opened; the stage then counts as skipped."""
        try:
            opens()
        except StoreError as fault:
            self.events.of(name).warn(f"{name} is run again: {fault.what}")
            return False
        self.skipped.append(name)
        return True

    def _guarded(
        self, name: str, number: int, work: Callable[[Events], dict[str, Any]]
    ) -> dict[str, Any]:
        try:
            return work(self.events.of(name))
        except VolanoError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError, OSError, MemoryError) as error:
            raise StageError(
                f"{name} failed: {type(error).__name__}: {error}",
                where=f"turn {number}, stage {name}",
                fix="volano turn continues where it stopped; volano doctor checks the rest",
            ) from error
