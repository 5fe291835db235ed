"""What ``make demo-deep`` runs, on a base small enough for a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.tiny_encoder import tiny_encoder

from volano.core.nouns import Model
from volano.loop.project import Project

DEMO = Path(__file__).parents[2] / "examples" / "support-tickets" / "demo.py"

pytestmark = pytest.mark.slow


def test_the_deep_demo_fine_tunes_serves_and_turns_again(tmp_path: Path) -> None:
    # Wide and flat, it learns from which words there are: enough to beat guessing by far.
    shape = {"hidden_size": 128, "intermediate_size": 32, "initializer_range": 0.02}
    base = tiny_encoder(tmp_path / "base", num_hidden_layers=1, **shape)
    folder = tmp_path / "demo"
    command = [sys.executable, str(DEMO), "--folder", str(folder), "--base", str(base)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "turn 1: PROMOTE" in done.stdout
    assert "turn 2: " in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("next: ")
    assert "Traceback" not in done.stderr
    with Project.open(folder / "tickets") as project:
        served = project.find(Model, "model:champion")
        assert served.learner == "finetune"
        assert served.card["engine"] in ("openvino", "onnx")
