from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError, VolanoError
from volano.core.events import Event, Events
from volano.train.loop.launch import launch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TARGETS = "tests.train.loop.targets"
TRAIN = "tests.train.loop.tiny_training:train_here"


def test_processes_run_the_target_and_the_first_is_heard(tmp_path: Path) -> None:
    events: list[Event] = []
    launch(f"{TARGETS}:greet", tmp_path, 2, Events((events.append,), "train"))
    assert [(event.stage, event.text, event.value) for event in events] == [
        ("train", "hello from 0", None),
        ("train", "loss", 0.5),
    ]
    told = [(tmp_path / f"{number}.txt").read_text("utf-8").split() for number in range(2)]
    assert [rank for rank, _, _ in told] == ["0", "1"]
    assert {size for _, size, _ in told} == {"2"}


def test_an_error_comes_through_with_its_values(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DataError) as caught:
        launch(f"{TARGETS}:refuse", tmp_path, 2, Events())
    assert (caught.value.what, caught.value.where) == ("9 rows, 5 are allowed", "a.csv")
    assert time.monotonic() - begun < 30  # the other was ended


@pytest.mark.parametrize(("target", "word"), [("crash", "nobody foresaw"), ("die", "-9")])
def test_a_process_that_dies_ends_the_others(tmp_path: Path, target: str, word: str) -> None:
    begun = time.monotonic()
    with pytest.raises(VolanoError, match="ended with") as caught:
        launch(f"{TARGETS}:{target}", tmp_path, 2, Events())
    assert word in caught.value.what
    assert time.monotonic() - begun < 30


def until(fact: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_processes_die_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from volano.core.events import Events;"
        "from volano.train.loop.launch import launch;"
        f"launch('{TARGETS}:wait', Path({str(tmp_path)!r}), 2, Events())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        files = [tmp_path / f"{number}.pid" for number in range(2)]
        assert until(lambda: all(path.exists() and path.read_text("utf-8") for path in files))
        pids = [int(path.read_text("utf-8")) for path in files]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert until(lambda: not any(map(is_alive, pids)))


def job(folder: Path, **recipe: object) -> Path:
    folder.mkdir()
    settings = {"precision": "float32", "batch_rows": 15, "accumulate": 2} | recipe
    told = {"net": {"dropout": 0.0, "norm": False}, "recipe": settings}
    (folder / "job.json").write_text(json.dumps(told), "utf-8")
    return folder


@pytest.mark.slow
def test_two_processes_give_the_curve_and_the_weights_of_one(tmp_path: Path) -> None:
    """Dropout is off. Stated tolerance: 1e-4 of a loss after four epochs; measured: 1e-7."""
    from safetensors.numpy import load_file
    from tests.train.loop.tiny_training import train_here

    one, two = job(tmp_path / "one"), job(tmp_path / "two", processes=2)
    train_here(one, Events())

    def interrupt(event: Event) -> None:
        if event.kind == "progress" and event.done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(TRAIN, two, 2, Events((interrupt,)))
    assert not (two / "outcome.json").exists()
    heard: list[Event] = []
    launch(TRAIN, two, 2, Events((heard.append,)))
    first_step = next(event.done for event in heard if event.kind == "progress")
    assert first_step >= 13  # Ctrl-C has left a checkpoint
    told = [json.loads((folder / "outcome.json").read_text("utf-8")) for folder in (one, two)]
    assert [outcome["processes"] for outcome in told] == [1, 2]
    for ours, theirs in zip(*(outcome["curve"] for outcome in told), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    weights = [load_file(folder / "weights.safetensors") for folder in (one, two)]
    for name, weight in weights[0].items():
        assert weights[1][name] == pytest.approx(weight, abs=1e-4), name
