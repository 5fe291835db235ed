"""``volano serve``: one process, or a parent that keeps several workers alive."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from volano.app.http import make_app, make_service
from volano.compute.machine import SHARE, usable_cores
from volano.core.events import Events
from volano.serve.metrics import Board
from volano.serve.routes import Figures
from volano.serve.server import Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from volano.loop.project import Project
    from volano.serve import PredictionService

__all__ = ["Workers", "answer_here"]

_PUBLISH_SECONDS = 1.0
_LIVED_SECONDS = 5.0  # a worker that lived so long is started again at once
_MOST_BACK_OFF = 30.0
_LOOK_SECONDS = 0.1


def answer_here(
    project: Project,
    bound: socket.socket,
    keys: Sequence[str],
    *,
    board: Path | None = None,
    worker: int = 0,
    started: Callable[[Server, PredictionService], None] = lambda server, service: None,
) -> None:
    """Answer in this process until SIGINT or SIGTERM; then the log is written to its end."""
    with make_service(project) as service:
        figures = Figures(service, Board(board, worker))
        server = Server(make_app(project, service, keys, figures), project.config.serve, bound)
        figures.num_connections = lambda: server.num_connections
        started(server, service)
        stopped = threading.Event()

        def publish() -> None:
            while not stopped.wait(_PUBLISH_SECONDS):
                figures.publish()

        publisher = threading.Thread(target=publish, name="figures", daemon=True)
        publisher.start()
        # What is loaded by now stays: a look through it for garbage would hold up all answers for a
        # tenth of a second.
        gc.collect()
        gc.freeze()
        try:
            server.run()
        finally:
            stopped.set()
            publisher.join()
    figures.publish()


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    back_off: float = 0.0
    due: float = 0.0


@dataclass
class Workers:
    """The parent: starts workers, starts them again when they die, and stops them."""

    project: str
    overrides: Sequence[str]
    keys: Sequence[str]
    bound: socket.socket
    num: int
    stop_seconds: float
    events: Events = field(default_factory=Events)

    def run(self, started: Callable[[], None]) -> None:
        """Keep them alive until SIGINT or SIGTERM, then end them gracefully."""
        stop = threading.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        started()
        with tempfile.TemporaryDirectory(prefix="volano-serve-") as board:
            workers = [_Worker(number) for number in range(self.num)]
            try:
                while not stop.wait(_LOOK_SECONDS):
                    for worker in workers:
                        self._look_after(worker, board)
            finally:
                self._end(workers)

    def _look_after(self, worker: _Worker, board: str) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.due:
                worker.process, worker.started = self._start(worker.number, board), now
            return
        status = worker.process.poll()
        if status is None:
            return
        lived = now - worker.started
        longer = min(max(2 * worker.back_off, 0.5), _MOST_BACK_OFF)
        worker.back_off = 0.0 if lived > _LIVED_SECONDS else longer
        worker.process, worker.due = None, now + worker.back_off
        self.events.warn(
            f"worker {worker.number} ended with status {status} after {lived:.0f} s; it is started "
            f"again in {worker.back_off:g} s"
        )

    def _start(self, number: int, board: str) -> subprocess.Popen[bytes]:
        told: dict[str, Any] = {
            "project": self.project,
            "set": list(self.overrides),
            "keys": list(self.keys),
            "socket": self.bound.fileno(),
            "board": board,
            "worker": number,
        }
        # Keys go through a pipe: a command line can be read by every user of the machine.
        process = subprocess.Popen(
            [sys.executable, "-m", "volano.app.worker"],
            stdin=subprocess.PIPE,
            pass_fds=[self.bound.fileno()],
            # Else the engine of each would take all of them.
            env={**os.environ, SHARE: str(max(1, usable_cores() // self.num))},
            start_new_session=True,  # Ctrl-C comes to the parent, which ends the workers in order
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
        return process

    def _end(self, workers: Sequence[_Worker]) -> None:
        alive = [worker.process for worker in workers if worker.process is not None]
        for process in alive:
            process.terminate()
        end = time.monotonic() + self.stop_seconds + 10  # what is under way, then the log
        for process in alive:
            try:
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                self.events.warn("a worker did not stop in time and was killed")
                process.kill()
                process.wait()
