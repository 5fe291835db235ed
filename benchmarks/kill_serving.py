"""Kill a server with SIGKILL while clients ask it and send feedback: nothing acknowledged is lost.

``python benchmarks/kill_serving.py --kills 50``. After each kill the ledger must be whole and hold
every signal that was acknowledged, attached to its prediction. At the end a turn on what is there
must give the dataset, model and verdict of a project that was never disturbed and is given the same
rows. Answers are logged in groups behind the request, so the last ones before a kill may be missing
where nobody sent feedback on them: how many is told. Exit code 1: something acknowledged is gone.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kill_turns import COMMAND, TICKETS, outcome, run

from volano.loop.project import Project
from volano.store import predictions
from volano.store.checks import find_damage

TABLES = ("predictions", "feedback")
READY_SECONDS = 60.0


@dataclass
class Seen:
    """What clients were told, by prediction."""

    answers: set[str] = field(default_factory=set)
    signals: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=TICKETS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project, undisturbed = make_projects(Path(scratch), options.data)
        seen, faults = Seen(), list[str]()
        chance = random.Random(options.seed)
        with options.data.open(encoding="utf-8", newline="") as stream:
            texts = [row["body"] for row in csv.DictReader(stream)][:200]
        for number in range(options.kills):
            live_and_die(project, seen, texts, chance, options.clients)
            faults += [f"kill {number + 1}: {fault}" for fault in check(project, seen)]
        faults += compare(project, undisturbed)
        return report(project, options.kills, seen, faults)


def make_projects(scratch: Path, data: Path) -> tuple[Path, Path]:
    """A project after its first turn, and a copy of it."""
    project, undisturbed = scratch / "project", scratch / "undisturbed"
    init = (sys.executable, "-m", "volano", "init", str(project), "--set", "effort=quick")
    run(*init, "--data", str(data))
    run(*COMMAND, str(project))
    shutil.copytree(project, undisturbed)
    return project, undisturbed


def live_and_die(
    project: Path, seen: Seen, texts: list[str], chance: random.Random, num_clients: int
) -> None:
    """Start the server, let clients work for a moment, kill it with all its workers."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "volano", "serve", "--project", str(project)]
    server = subprocess.Popen(
        [*command, "--set", f"serve.port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(port, server)
        stop = threading.Event()
        clients = [
            threading.Thread(target=ask, args=(port, seen, texts, chance.random(), stop))
            for _ in range(num_clients)
        ]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.0, 1.0))
    finally:
        # The whole session: a worker that lives on would finish what it had in hand.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    stop.set()
    for client in clients:
        client.join()


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            if call(port, "GET", "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not come up")


def call(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def ask(port: int, seen: Seen, texts: list[str], seed: float, stop: threading.Event) -> None:
    """Ask, and send feedback on every other answer, until the server is gone."""
    chance = random.Random(seed)
    while not stop.is_set():
        try:
            asked = {"inputs": [{"body": chance.choice(texts)}]}
            status, told = call(port, "POST", "/v1/predict", asked)
            if status != 200:
                seen.refused.append(f"{status} {told}")
                continue
            name, label = (told["predictions"][0][part] for part in ("id", "label"))
            seen.answers.add(name)
            if chance.random() < 0.5:
                said = {"prediction": name, "label": label, "by": "client"}
                status, told = call(port, "POST", "/v1/feedback", said)
                if status == 200 and told["recorded"][0]["status"] == "attached":
                    seen.signals[name] = label
                else:
                    seen.refused.append(f"{status} {told}")
        except (OSError, http.client.HTTPException, ValueError):
            return  # killed in the middle: nothing was acknowledged


def check(project: Path, seen: Seen) -> list[str]:
    """What of that which was acknowledged is not there."""
    with Project.open(project) as opened:
        faults = find_damage(opened.ledger)
        faults += [fault.what for fault in opened.store.verify() if fault.kind != "leftover"]
        signals = predictions.list_feedback(opened.ledger)
        attached = {one.prediction: one.label for one in signals if one.status == "attached"}
    for name, label in seen.signals.items():
        if attached.get(name) != as_labels(label):
            faults.append(f"feedback on {name} is {attached.get(name)}, acknowledged was {label}")
    return faults


def as_labels(label: str | list[str]) -> tuple[str, ...]:
    return (label,) if isinstance(label, str) else tuple(label)


def compare(project: Path, undisturbed: Path) -> list[str]:
    """A turn here and on an undisturbed copy that is given the same rows."""
    with closing(sqlite3.connect(undisturbed / ".volano" / "ledger.db")) as ledger, ledger:
        ledger.execute("ATTACH ? AS killed", (str(project / ".volano" / "ledger.db"),))
        for table in TABLES:
            ledger.execute(f"INSERT INTO main.{table} SELECT * FROM killed.{table} ORDER BY rowid")
    found = []
    for folder in (project, undisturbed):
        ran = subprocess.run([*COMMAND, str(folder)], check=False, capture_output=True, text=True)
        found.append(outcome(ran.stdout, folder))
    return [f"{name} differs" for name in found[0] if found[0][name] != found[1][name]]


def report(project: Path, num_kills: int, seen: Seen, faults: list[str]) -> int:
    with Project.open(project) as opened:
        known = predictions.find_predictions(opened.ledger, seen.answers)
    lost = len(seen.answers) - len(known)
    print(
        f"{num_kills} kills: {len(seen.answers):,} answers, {len(seen.signals):,} signals, ", end=""
    )
    print(f"{len(faults)} faults")
    print(
        f"answers without feedback that were not logged yet: {lost} ({lost / num_kills:.1f} a kill)"
    )
    for text in (*seen.refused[:3], *faults[:10]):
        print(text)
    return 1 if faults or not seen.signals else 0


if __name__ == "__main__":
    sys.exit(main())
