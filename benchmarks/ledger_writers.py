"""Eight processes write predictions and feedback into one ledger for a minute, and read meanwhile.

``python benchmarks/ledger_writers.py --seconds 60``. Each process writes down what was acknowledged
to it; afterwards every such row must be in the ledger. Exit code 1: one is missing, somebody was
told that the ledger is busy, the file is not whole, or its log grew without bound.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from volano.core.nouns import Prediction
from volano.store import predictions
from volano.store.checks import find_damage
from volano.store.ledger import Ledger

MOST_LOG_BYTES = 128 * 2**20
_ROWS = 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--writer", nargs=2, metavar=("LEDGER", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.writer:
        print(json.dumps(write(Path(options.writer[0]), options.writer[1], options.seconds)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ledger.db"
        Ledger.open(path).close()
        told, most_log = run(path, options.processes, options.seconds)
        return report(path, told, most_log)


def write(path: Path, name: str, seconds: float) -> dict[str, Any]:
    """Write until the time is up; what was acknowledged, and how long each round took."""
    acknowledged: list[str] = []
    rounds: list[float] = []
    end = time.monotonic() + seconds
    with Ledger.open(path) as ledger:
        while time.monotonic() < end:
            ids = [f"{name}-{len(acknowledged)}-{place}" for place in range(_ROWS)]
            rows = [
                Prediction(one, time.time(), "a" * 64, {"text": "你好 " * 40}, {"label": "x"})
                for one in ids
            ]
            begun = time.perf_counter()
            predictions.add_predictions(ledger, rows)
            predictions.add_feedback(ledger, [{"prediction": ids[0], "label": "y", "by": name}])
            rounds.append(time.perf_counter() - begun)
            predictions.list_predictions(ledger, limit=20)
            acknowledged += ids
    return {"acknowledged": acknowledged, "rounds": rounds}


def run(path: Path, num_processes: int, seconds: float) -> tuple[list[dict[str, Any]], int]:
    """What every writer told (or how it failed), and the largest log that was seen."""
    log, most_log = path.with_name(path.name + "-wal"), 0
    writers = [
        subprocess.Popen(
            [sys.executable, __file__, "--seconds", str(seconds), "--writer", str(path), str(n)],
            stdout=path.with_name(f"{n}.json").open("w", encoding="utf-8"),
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(num_processes)
    ]
    while any(writer.poll() is None for writer in writers):
        if log.exists():
            most_log = max(most_log, log.stat().st_size)
        time.sleep(0.1)
    told = []
    for n, writer in enumerate(writers):
        errors = writer.communicate()[1]
        found = path.with_name(f"{n}.json").read_text("utf-8")
        told.append(json.loads(found) if writer.returncode == 0 else {"failed": errors[-2000:]})
    return told, most_log


def report(path: Path, told: list[dict[str, Any]], most_log: int) -> int:
    failed = [one["failed"] for one in told if "failed" in one]
    told = [one for one in told if "failed" not in one]
    with Ledger.open(path) as ledger:
        damage = find_damage(ledger)
        wanted = {one for writer in told for one in writer["acknowledged"]}
        there = {row.id for row in predictions.list_predictions(ledger)}
        signals = [row for row in predictions.list_feedback(ledger) if row.status == "attached"]
    rounds = sorted(seconds for one in told for seconds in one["rounds"])
    missing = len(wanted - there) + max(len(rounds) - len(signals), 0)
    print(
        f"{len(wanted):,} predictions and {len(rounds):,} signals acknowledged, {missing} missing"
    )
    if rounds:
        middle, late = rounds[len(rounds) // 2], rounds[int(len(rounds) * 0.99)]
        print(f"a round: median {middle * 1e3:.1f} ms, p99 {late * 1e3:.0f} ms, ", end="")
        print(f"longest {rounds[-1] * 1e3:.0f} ms")
    print(f"log at most {most_log / 1e6:.1f} MB; file: {', '.join(damage) or 'ok'}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    for text in failed:
        print(f"a writer failed: {text}")
    return 1 if missing or failed or damage or most_log > MOST_LOG_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
