"""The demo of the README runs to its end, and leaves nothing behind when it is stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "support-tickets" / "demo.py"

pytestmark = pytest.mark.slow


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)


def test_the_demo_turns_the_wheel_twice_and_ends_by_naming_the_next_command(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "turn 1: PROMOTE" in said
    assert any(f"turn 2: {decision}" in said for decision in ("PROMOTE", "HOLD", "REJECT"))
    for lost in ("cannot be read", "conflicting-label", "duplicate", "empty-text"):
        assert lost in said
    assert "repeated 1, unknown-prediction 2" in said
    assert "from review" in said
    pages = [line.strip() for line in said.splitlines() if line.strip().endswith(".html")]
    assert len({Path(page).parts[-2:] for page in pages if Path(page).is_file()}) == 4
    assert said.rstrip().splitlines()[-1].startswith("next: ")
    assert "Traceback" not in done.stderr


def test_a_folder_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work", "utf-8")
    done = run_demo(tmp_path)
    assert done.returncode == 1
    assert "did not make it" in done.stderr
    assert (tmp_path / "thesis.txt").read_text("utf-8") == "three years of work"


@pytest.mark.skipif(os.name == "nt", reason="process groups are asked for as POSIX has them")
def test_ctrl_c_ends_the_demo_and_its_server(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), "--folder", str(tmp_path / "demo")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        heading = next(line for line in demo.stdout if "Served at" in line)
        os.killpg(demo.pid, signal.SIGINT)
        rest = demo.stdout.read()
    assert demo.returncode == 130
    assert "stopped" in rest
    port = int(heading.partition("127.0.0.1:")[2].partition(":")[0])
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
