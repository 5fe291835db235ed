"""Short runs of the scripts that kill; ``benchmarks/`` has the long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUM_ROWS = 300  # of the tickets: enough for a first champion, and a turn takes half the time


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    every = (ROOT / "examples" / "support-tickets" / "tickets.csv").read_text("utf-8")
    few = tmp_path / "tickets.csv"
    few.write_text("".join(every.splitlines(keepends=True)[: NUM_ROWS + 1]), "utf-8")
    return few


def run(script: str, data: Path, num_kills: int) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--data", str(data)]
    command += ["--kills", str(num_kills), "--seed", "3"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_turns_that_are_killed_end_as_if_nothing_had_happened(tickets: Path) -> None:
    assert "0 differ" in run("kill_turns.py", tickets, 3)


@pytest.mark.slow
def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(tickets: Path) -> None:
    assert "0 faults" in run("kill_serving.py", tickets, 2)
