"""What the product must reach on real data: the benchmark, run as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "text_classification.py"

pytestmark = [pytest.mark.slow, pytest.mark.data]


# The two longest run with less effort than a user's first turn has: the goal is harder, not softer.
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("banking77", ()),
        ("cold_zh", ()),
        ("sms_spam", ()),
        ("csl_zh", ()),
        ("goemotions", ("--set", "effort=quick")),
        ("mini_newsgroups", ("--set", "effort=quick")),
    ],
)
def test_every_goal_is_reached_on_real_data(
    shared_data: Path, name: str, settings: tuple[str, ...]
) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(shared_data), "--only", name, *settings]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reached" in done.stdout
