"""The log behind the answers: they queue in memory, one thread writes them in groups.

An answer waits for no disk. What waits here is lost when the process is killed, so whoever is told
of something durable (feedback on an answer) first asks for a ``flush``. Nothing is dropped in
silence: a log that cannot be written fills up, and then no request is answered.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from volano.core.errors import Term, UserError, VolanoError
from volano.core.events import Events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.store.predictions import PredictionRow

__all__ = ["GroupLog", "LogFullError", "LogStore"]

GROUP_SECONDS = 0.02  # what a kill can take; longer groups save little
MAX_ROWS, MAX_BYTES = 20_000, 64_000_000
_GROUP_ROWS = 1000
_RETRY_SECONDS = 0.5
_FLUSH_SECONDS = 5.0


class LogFullError(UserError):
    """Answers are not written down at the moment, so none is given."""

    http_status = 503


class LogStore(Protocol):
    """Where the groups go."""

    def write(self, rows: Sequence[PredictionRow]) -> None:
        """Keep them all or none; rows that are there already are no error.

        Raises:
            VolanoError: they could not be written.
        """
        ...

    def purge(self, before: float) -> int:
        """Erase inputs older than a time; how many were erased."""
        ...


@dataclass
class GroupLog:
    """A bounded queue and its writer; enter it, and leave it to write what still waits."""

    store: LogStore
    events: Events = field(default_factory=Events)
    max_rows: int = MAX_ROWS
    failed: str = field(default="", init=False)
    num_written: int = field(default=0, init=False)
    num_groups: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._waiting: list[PredictionRow] = []
        self._num_bytes = 0
        self._num_added = 0
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._stops = False
        self._writer = threading.Thread(target=self._write_groups, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._stops = True
            self._changed.notify_all()
        self._hurry.set()
        self._writer.join()

    @property
    def num_waiting(self) -> int:
        """Rows that are not in the store yet."""
        return self._num_added - self.num_written

    def require_room(self) -> None:
        """Refuse to answer what could not be written down.

        Raises:
            LogFullError: as many rows wait as memory is set aside for.
        """
        if self.num_waiting < self.max_rows and self._num_bytes < MAX_BYTES:
            return
        raise LogFullError(
            "answers cannot be written to the log at the moment, and {count} wait there: {why}",
            where="log",
            fix="send it again later",
            count=self.num_waiting,
            why=self.failed or Term("more come in than the disk takes"),
        )

    def add(self, rows: Sequence[PredictionRow]) -> None:
        """Queue answers that were given; the rows of one request may pass the bound."""
        num_bytes = sum(_size(row) for row in rows)
        with self._changed:
            self._waiting += rows
            self._num_added += len(rows)
            self._num_bytes += num_bytes
            if len(self._waiting) == len(rows):
                self._changed.notify_all()

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Return when all that was added before is in the store.

        Raises:
            LogFullError: it could not be written in time.
        """
        if not self.num_waiting:
            return
        with self._changed:
            goal = self._num_added
            self._hurry.set()
            if self._changed.wait_for(lambda: self.num_written >= goal, seconds):
                return
        raise LogFullError(
            "the answers before could not be written to the log: {why}",
            where="log",
            fix="send it again later",
            why=self.failed or Term("more come in than the disk takes"),
        )

    def _write_groups(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stops)
                if not self._waiting:
                    return
            # While this sleeps, a group comes together, and the loop has the interpreter.
            self._hurry.wait(GROUP_SECONDS)
            with self._changed:
                self._hurry.clear()
                group = self._waiting[:_GROUP_ROWS]
            if not self._wrote(group):
                if self._stops:
                    return
                self._hurry.wait(_RETRY_SECONDS)

    def _wrote(self, group: list[PredictionRow]) -> bool:
        began = time.perf_counter()
        try:
            self.store.write(group)
        # The edge of a thread: if it ended here, answers would pile up and never be written.
        except Exception as error:  # noqa: BLE001
            self._fail(error, len(group))
            return False
        with self._changed:
            del self._waiting[: len(group)]
            self._num_bytes -= sum(_size(row) for row in group)
            self.num_written += len(group)
            self.num_groups += 1
            self.seconds += time.perf_counter() - began
            if self._waiting and self.num_waiting > _GROUP_ROWS:
                self._hurry.set()
            self._changed.notify_all()
        if self.failed:
            self.events.note("answers are written to the log again")
            self.failed = ""
        return True

    def _fail(self, error: Exception, num_rows: int) -> None:
        what = error.what if isinstance(error, VolanoError) else f"{type(error).__name__}: {error}"
        if self._stops:
            self.events.warn(f"{self.num_waiting} answers were never written to the log: {what}")
        elif what != self.failed:
            self.events.warn(f"{num_rows} answers wait to be written to the log: {what}")
        self.failed = what


def _size(row: PredictionRow) -> int:
    return len(row.output) + len(row.input or "") + 300
