"""The event stream: what happens while it happens.

A stage says what it does through one function; progress bars, log files and the ledger listen. A
stage never prints, and never knows who listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

__all__ = ["Event", "EventKind", "Events", "Listener"]

EventKind = Literal["stage", "progress", "note", "warning", "scalar"]


@dataclass(frozen=True)
class Event:
    """One thing that happened: ``done`` of ``total`` for progress, ``value`` for a scalar."""

    kind: EventKind
    stage: str
    text: str
    done: int = 0
    total: int = 0
    value: float | None = None
    at: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, object]:
        """The event as JSON can carry it."""
        return asdict(self)


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Events:
    """Where one stage says what it does; without listeners it says it to nobody."""

    listeners: tuple[Listener, ...] = ()
    stage: str = ""

    def of(self, stage: str) -> Events:
        """The same listeners, hearing about another stage."""
        return Events(self.listeners, stage)

    def note(self, text: str) -> None:
        """Something worth reading later."""
        self._send(Event("note", self.stage, text))

    def warn(self, text: str) -> None:
        """Something the user should know now: a skipped setting, a suspicious file."""
        self._send(Event("warning", self.stage, text))

    def progress(self, text: str, done: int, total: int) -> None:
        """``done`` of ``total`` pieces of work are finished."""
        self._send(Event("progress", self.stage, text, done=done, total=total))

    def scalar(self, name: str, value: float, step: int = 0) -> None:
        """A point of a curve, such as a loss."""
        self._send(Event("scalar", self.stage, name, done=step, value=value))

    @contextmanager
    def running(self, text: str) -> Iterator[None]:
        """Say when a piece of work begins and when it has ended."""
        self._send(Event("stage", self.stage, text, done=0, total=1))
        yield
        self._send(Event("stage", self.stage, text, done=1, total=1))

    def _send(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
