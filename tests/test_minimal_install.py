"""The core works with what `pip install volano` brings, and nothing else."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TICKETS = Path(__file__).parents[1] / "examples" / "support-tickets" / "tickets.csv"

PROGRAM = """
import sys

refused = set(sys.argv[2].split(","))


class Without:
    # A finder that does not find what does not come with the core.

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in refused
        return None if hidden else self.finder.find_spec(name, path, target)


sys.meta_path[:] = map(Without, sys.meta_path)
from volano.app.cli.main import app
from volano.app.http import make_app, make_service
from volano.core.events import Events
from volano.loop.project import Project

heard = []
with Project.open(sys.argv[1], events=Events((heard.append,))) as project:
    verdict = project.turn().verdict
    answer = project.predict([{"body": "包裹到哪了"}])[0]
    with make_service(project) as service:
        make_app(project, service)
print(verdict.decision, answer.labels[0])
print(*(event.text for event in heard if event.kind == "warning"), sep="\\n")
"""


def distributions_of_the_core() -> set[str]:
    found: set[str] = set()
    waiting = ["volano"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


@pytest.mark.slow
def test_the_wheel_turns_and_serves_without_any_extra(tmp_path: Path) -> None:
    core = distributions_of_the_core()
    refused = {
        module
        for module, owners in packages_distributions().items()
        if not any(canonicalize_name(owner) in core for owner in owners)
    }
    assert "pytest" in refused, "this test shows nothing where only the core is installed"
    with TICKETS.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if len(row) == 7]
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows[:200])
    settings = {
        "task": "text-classification",
        "data": {
            "sources": [{"path": "tickets.csv"}],
            "fields": {"text": "body", "target": "topic"},
        },
        "effort": "quick",
        "train": {"base": "some/encoder"},  # it cannot be trained, so the light learners do
    }
    (tmp_path / "volano.yaml").write_text(json.dumps(settings), "utf-8")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), ",".join(refused)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("PROMOTE", "HOLD", "REJECT")
    told = [line for line in done.stdout.splitlines() if line.startswith("encoders are left out")]
    assert len(told) == 1
    assert told[0].endswith("pip install 'volano[deep]'")
