"""volano and AutoGluon-tabular on the same rows and cores, one after the other.

    python benchmarks/tables_against_autogluon.py --others ENV/bin/python
    python benchmarks/tables_against_autogluon.py --others ENV/bin/python --seconds 300

AutoGluon is given ``--seconds`` and its preset ``best_quality``. Ratios are of seconds to a fitted
model (volano: the whole turn, report and verdict included) and of milliseconds for one row. Goals:
within 0.5 % of its figure, in a tenth of its time, 20 times its speed of answering.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shared import absolute
from table_sets import SETS, Table
from tables import turned
from turns import DATA, Bench

from volano.core.nouns import Dataset
from volano.loop.project import Project

PEER = Path(__file__).parent / "peers" / "autogluon_tabular.py"
METRICS = {"adult": ("roc_auc", "roc_auc"), "telco": ("roc_auc", "roc_auc"),
           "california": ("rmse", "root_mean_squared_error"),
           "bike": ("mae", "mean_absolute_error")}  # fmt: skip
CLOSE, FASTER, QUICKER = 0.005, 10.0, 20.0
_ROWS, _WARM = 300, 20


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--others", required=True, type=absolute, help="python with AutoGluon")
    parser.add_argument("--only", action="append", choices=METRICS)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--preset", default="best_quality")
    parser.add_argument("--data", type=Path, default=DATA)
    said = parser.parse_args()
    print(f"{'set':<12}{'metric':<10}{'volano':>10}{'AutoGluon':>11}{'s':>7}{'s':>7}"
          f"{'faster':>8}{'ms':>8}{'ms':>8}{'quicker':>9}  goals")  # fmt: skip
    missed = 0
    for name in said.only or METRICS:
        with tempfile.TemporaryDirectory() as scratch:
            table = next(SETS[name](said.data, Path(scratch)))
            ours = _ours(Bench(said.data, Path(scratch)), table, METRICS[name][0])
            theirs = _theirs(said, table, METRICS[name][1], Path(scratch))
        missed += not _show(name, METRICS[name][0], ours, theirs)
    print(f"load {os.getloadavg()[0]:.1f}")
    return 1 if missed else 0


def _ours(bench: Bench, table: Table, metric: str) -> dict[str, Any]:
    began = time.perf_counter()
    turn = turned(bench, table)
    seconds = time.perf_counter() - began
    root = next(path for path in bench.scratch.iterdir() if (path / "volano.yaml").is_file())
    with Project.open(root) as project:
        predictor = project.predictor()
        data = project.find(Dataset, "dataset:latest")
        rows = data.labelled("test").column("fields").to_pylist()
    taken = []
    for place in range(_ROWS + _WARM):
        start = time.perf_counter()
        predictor.predict([rows[place % len(rows)]])
        taken.append(1000 * (time.perf_counter() - start))
    figure = turn.metrics[metric].value
    return {"figure": figure, "seconds": seconds, "ms": statistics.median(taken[_WARM:])}


def _theirs(said: argparse.Namespace, table: Table, metric: str, scratch: Path) -> dict[str, Any]:
    files = [table.train, table.test]
    if table.ignore:
        files = [_without(path, table.ignore) for path in files if path]
    command = [said.others, PEER, *files, table.target, metric, said.seconds, said.preset]
    done = subprocess.run(
        [*map(str, command), str(scratch / "autogluon")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"AutoGluon broke off:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _without(path: Path, names: tuple[str, ...]) -> Path:
    import csv

    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    target = path.with_name(f"{path.stem}_short.csv")
    with target.open("w", encoding="utf-8", newline="") as stream:
        kept = [name for name in rows[0] if name not in names]
        writer = csv.DictWriter(stream, kept, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return target


def _show(name: str, metric: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    sign = 1.0 if metric == "roc_auc" else -1.0
    behind = sign * (theirs["figure"] - ours["figure"]) / theirs["figure"]
    faster, quicker = theirs["seconds"] / ours["seconds"], theirs["ms"] / ours["ms"]
    goals = {"figure": behind <= CLOSE, "time": faster >= FASTER, "answers": quicker >= QUICKER}
    missed = [goal for goal, is_met in goals.items() if not is_met]
    cells = (
        f"{name:<12}{metric:<10}{ours['figure']:>10.4f}{theirs['figure']:>11.4f}",
        f"{ours['seconds']:>7.0f}{theirs['seconds']:>7.0f}{faster:>7.1f}x",
        f"{ours['ms']:>8.2f}{theirs['ms']:>8.2f}{quicker:>8.0f}x  ",
        f"MISSED {', '.join(missed)}" if missed else "reached",
    )
    print("".join(cells), flush=True)
    return not missed


if __name__ == "__main__":
    sys.exit(main())
