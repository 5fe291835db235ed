"""Kill turns with SIGKILL at random moments: what comes out must be what an undisturbed turn gives.

``python benchmarks/kill_turns.py --kills 30`` needs some minutes. Two turns are killed in turn: the
first of a project, and the second, which has a champion and twice the data. Every life that is not
killed is compared; exit code 1 says that something differed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volano.loop.project import Project
from volano.store import releases, turns

TICKETS = Path(__file__).parents[1] / "examples" / "support-tickets" / "tickets.csv"
COMMAND = (sys.executable, "-m", "volano", "turn", "--json", "--project")


@dataclass(frozen=True)
class Start:
    """A project as it stands before the turn that is killed, and what that turn gives."""

    name: str
    folder: Path
    expected: dict[str, Any]
    seconds: float


def run(*command: str) -> None:
    """Run what has to succeed; a turn whose candidate is refused (3) does."""
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode not in (0, 3):
        raise SystemExit(f"{command} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=TICKETS)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        starts = make_starts(Path(scratch), options.data)
        return report(list(kill_all(starts, options.kills, chance, Path(scratch))))


def make_starts(scratch: Path, data: Path) -> tuple[Start, Start]:
    """The project before its first turn, and before its second."""
    header, *rows = data.read_text("utf-8").splitlines(keepends=True)
    fresh = scratch / "fresh"
    fresh.mkdir()
    (fresh / "tickets.csv").write_text("".join([header, *rows[: len(rows) // 2]]), "utf-8")
    init = (sys.executable, "-m", "volano", "init", str(fresh), "--set", "effort=quick")
    run(*init, "--data", str(fresh / "tickets.csv"))
    first = measure("first turn", fresh, scratch)
    turned = scratch / "turned"
    shutil.copytree(fresh, turned)
    run(*COMMAND, str(turned))
    shutil.copy(data, turned / "tickets.csv")
    return first, measure("second turn", turned, scratch)


def measure(name: str, folder: Path, scratch: Path) -> Start:
    """What the undisturbed turn gives, and how long it takes."""
    undisturbed = scratch / f"undisturbed {name}"
    shutil.copytree(folder, undisturbed)
    begun = time.monotonic()
    ran = subprocess.run([*COMMAND, str(undisturbed)], check=False, capture_output=True, text=True)
    return Start(name, folder, outcome(ran.stdout, undisturbed), time.monotonic() - begun)


def outcome(printed: str, folder: Path) -> dict[str, Any]:
    """All that must not depend on kills."""
    told = json.loads(printed)
    verdict = told["verdict"]
    with Project.open(folder) as project:
        champion = releases.champion(project.ledger)
        return {
            "turn": told["turn"],
            "dataset": told["dataset"],
            "model": told["model"],
            "verdict": [verdict[part] for part in ("decision", "because", "effect")],
            "champion": champion.model if champion else None,
            "releases": len(releases.list_releases(project.ledger)),
            "faults": [fault.what for fault in project.store.verify()],
        }


def kill_all(
    starts: tuple[Start, Start], num_kills: int, chance: random.Random, scratch: Path
) -> Any:
    """One row a project: where it was killed, and what differed when it came to its end."""
    killed = project_number = 0
    while killed < num_kills:
        start = starts[project_number % len(starts)]
        folder = scratch / f"project {project_number}"
        shutil.copytree(start.folder, folder)
        moments = []
        # Late moments come first to what an earlier life has left: it skips what was done.
        while killed < num_kills and len(moments) < chance.randint(1, 3):
            delay = chance.uniform(0, start.seconds)
            if not killed_after(delay, folder):
                break
            killed += 1
            moments.append(f"{delay:.2f} s in {last_stage(folder)}")
        ran = subprocess.run([*COMMAND, str(folder)], check=False, capture_output=True, text=True)
        found = outcome(ran.stdout, folder)
        differs = [name for name in found if found[name] != start.expected[name]]
        yield start.name, moments, differs
        shutil.rmtree(folder)
        project_number += 1


def killed_after(seconds: float, folder: Path) -> bool:
    """Whether the turn was still running when it was killed."""
    turn = subprocess.Popen(
        [*COMMAND, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        turn.wait(seconds)
    except subprocess.TimeoutExpired:
        turn.kill()
        turn.wait()
        return True
    return False


def last_stage(folder: Path) -> str:
    """The last stage that the ledger knows of the unfinished turn."""
    if not (folder / ".volano" / "ledger.db").exists():
        return "start-up"
    with Project.open(folder) as project:
        unfinished = turns.find_turn(project.ledger, "latest", state=turns.RUNNING)
    if unfinished is None:
        return "start-up"
    return f"after {unfinished.stages[-1].name}" if unfinished.stages else "the first stage"


def report(rows: list[tuple[str, list[str], list[str]]]) -> int:
    print(f"{'turn':<12} {'differs':<20} killed")
    for name, moments, differs in rows:
        print(f"{name:<12} {', '.join(differs) or 'nothing':<20} {'; '.join(moments) or 'never'}")
    places = Counter(moment.partition(" in ")[2] for _, moments, _ in rows for moment in moments)
    num_bad = sum(bool(differs) for *_, differs in rows)
    print(f"\n{sum(places.values())} kills, {len(rows)} turns brought to an end, {num_bad} differ")
    print("killed", ", ".join(f"{place} {count}" for place, count in places.most_common()))
    return 1 if num_bad else 0


if __name__ == "__main__":
    sys.exit(main())
