"""Start the processes that train together, and hear what they say. This file needs no torch.

Each is ``python -m volano.train.loop.worker``. They meet over gloo as Accelerate's environment
says, tell events and errors as lines of JSON, and die with the process that started them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from volano.compute import usable_cores
from volano.core import errors
from volano.core.errors import ExhaustedError, VolanoError
from volano.core.events import Event, Events
from volano.train.loop.worker import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["launch"]

_LAST_WORDS = 2000  # characters of what a process said before it died
_PATIENCE_SECONDS = 60.0  # for the last step and the checkpoint of processes asked to stop

_Process = subprocess.Popen[str]
_Said = SimpleQueue["dict[str, Any] | None"]  # None: a process has ended


def launch(target: str, folder: Path, processes: int, log: Events) -> None:
    """Run ``target(folder, log)`` in some processes that train as one.

    Args:
        target: ``package.module:function``; it reads its whole job from the folder, calls ``fit``,
            and the first process leaves the result there.
        folder: of the job.
        processes: how many; they share the cores of this machine.
        log: hears what the first process says.

    Raises:
        VolanoError: what the target raised, or that a process died; the others are ended.
        KeyboardInterrupt: somebody stopped it; a checkpoint is left.
    """
    said: _Said = SimpleQueue()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        team = _start(target, folder, processes, complaints)
        ears = [threading.Thread(target=_hear, args=(process, said)) for process in team]
        for ear in ears:
            ear.start()
        try:
            _relay(said, team, log, complaints)
        except KeyboardInterrupt:
            _ask_to_stop(team)
            raise
        finally:
            for process in team:
                process.kill()
            for process, ear in zip(team, ears, strict=True):
                ear.join()
                process.__exit__(None, None, None)  # closes its pipes


def _start(target: str, folder: Path, processes: int, complaints: IO[str]) -> list[_Process]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = str(max(1, usable_cores() // processes))
    shared = {
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    return [
        subprocess.Popen(
            [sys.executable, "-m", "volano.train.loop.worker", target, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # the terminal's Ctrl-C comes to this process alone
            env={**os.environ, **shared, "RANK": str(number), "LOCAL_RANK": str(number)},
        )
        for number in range(processes)
    ]


def _hear(process: _Process, said: _Said) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            said.put(json.loads(line))
    process.wait()
    said.put(None)


def _relay(said: _Said, team: Sequence[_Process], log: Events, complaints: IO[str]) -> None:
    """Pass events on until all have ended well, or one has not."""
    running = len(team)
    while running:
        told = said.get()
        if told is None:
            running -= 1
            _check_ended(team, complaints)
        elif "error" in told:
            raise _error(told["error"])
        else:
            for listener in log.listeners:
                listener(Event(**{**told, "stage": log.stage}))


def _check_ended(team: Sequence[_Process], complaints: IO[str]) -> None:
    """Raise where a process has ended badly."""
    code = next((process.returncode for process in team if process.poll()), 0)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        complaints.seek(0)
        raise ExhaustedError(
            "a process that trained with others ended with {code}: {words}",
            where="train.loop.processes",
            fix="train in one process: --set train.loop.processes=1",
            code=code,
            words=complaints.read()[-_LAST_WORDS:].strip(),
        )


def _error(told: dict[str, Any]) -> VolanoError:
    """The error that a process told."""
    kind = getattr(errors, told["kind"], VolanoError)
    error: VolanoError = kind(told["what"], where=told["where"], fix=told["fix"], **told["values"])
    return error


def _ask_to_stop(team: Sequence[_Process]) -> None:
    """Let them end their step and write the checkpoint."""
    for process in team:
        process.send_signal(signal.SIGINT)
    for process in team:
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return
