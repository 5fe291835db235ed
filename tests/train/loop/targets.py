"""What processes are told to run by tests of ``launch``; no torch here, so they start at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from volano.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.events import Events


def greet(folder: Path, log: Events) -> None:
    """Says, prints and leaves what it was told."""
    rank = os.environ["RANK"]
    sys.stdout.write("this is no event\n")
    log.note(f"hello from {rank}")
    log.scalar("loss", 0.5, 3)
    told = [rank, os.environ["WORLD_SIZE"], os.environ["OMP_NUM_THREADS"]]
    (folder / f"{rank}.txt").write_text(" ".join(told), "utf-8")


def refuse(folder: Path, log: Events) -> None:
    """One of the team meets a fault that it can explain; the others wait for it."""
    if os.environ["RANK"] == "1":
        raise DataError("{count} rows, {limit} are allowed", where="a.csv", count=9, limit=5)
    time.sleep(60)


def crash(folder: Path, log: Events) -> None:
    if os.environ["RANK"] == "1":
        raise RuntimeError("a fault that nobody foresaw")
    time.sleep(60)


def die(folder: Path, log: Events) -> None:
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def wait(folder: Path, log: Events) -> None:
    (folder / f"{os.environ['RANK']}.pid").write_text(str(os.getpid()), "utf-8")
    time.sleep(60)
