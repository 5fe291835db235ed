"""A table of millions of rows, collected, prepared and reported: seconds and peak memory.

Each size runs in a fresh process, so that its peak is its own. Rows are seeded: 20 columns of
numbers, whole numbers, categories of few and of many values, flags, dates and codes, with missing
cells; the target is a number that hardly stands twice, or a label. Among them are rows equal to an
earlier one, and columns that give the target away. What was planted has to be found, or this ends
with 1. With ``--turn`` each size is a whole turn of trees: training, export, report and verdict.
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
from typing import TYPE_CHECKING, Any

import numpy as np
from million_rows import Watch, held_mb, used_seconds

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

LARGEST = 5_000_000
SIZES = (500_000, LARGEST)
GOALS = {"megabytes": 8_000.0}  # for five million rows
EQUAL = 0.02  # share of rows that are an earlier one once more
MISSING = 0.03
AT_ONCE = 250_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="*", help="sizes to measure")
    parser.add_argument("--again", action="store_true", help="a second turn on top, 1 % new rows")
    parser.add_argument("--source", choices=("csv", "parquet"), default="parquet")
    parser.add_argument("--answers", choices=("number", "labels"), default="number")
    parser.add_argument("--turn", action="store_true", help="a whole turn of trees")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        folder = Path(asked.child)
        found = turn(folder) if asked.turn else measure(folder, asked.answers, again=asked.again)
        print(json.dumps(found))
        return 0
    missed = False
    head = "rows,MB,collect,prepare,report,all,cpu,rows/s,peak MB,B/row".split(",")  # noqa: SIM905
    if not asked.turn:
        print(("{:>10}" * len(head)).format(*head), "  load")
    for size in asked.rows or SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            planted = write_rows(Path(scratch), size, asked.source, asked.answers, asked.seed)
            flags = [f"--{name}" for name in ("again", "turn") if getattr(asked, name)]
            command = [sys.executable, __file__, "--child", scratch, "--answers", asked.answers]
            ran = subprocess.run([*command, *flags], check=True, stdout=subprocess.PIPE)
            found = json.loads(ran.stdout)
        missed |= show_turn(size, found) if asked.turn else show(size, found, planted)
    return int(missed)


def show(size: int, found: dict[str, Any], planted: dict[str, Any]) -> bool:
    """Print a line; whether a goal or something planted was missed."""
    seconds = found["seconds"]
    total, peak = sum(seconds.values()), found["peak_mb"]
    cells = [f"{size:,}", f"{found['file_mb']:.0f}"]
    cells += [f"{seconds[stage]:.1f}" for stage in ("collect", "prepare", "report")]
    cells += [f"{total:.1f}", f"{found['cpu']:.1f}", f"{size / total:,.0f}", f"{peak:,.0f}"]
    cells.append(f"{(peak - found['idle_mb']) * 1e6 / size:,.0f}")
    print(("{:>10}" * len(cells)).format(*cells), f"  {os.getloadavg()[0]:.1f}", flush=True)
    is_told = found["equal"] in (None, planted["equal"])
    missed = [] if is_told else [f"equal rows: {found['equal']}"]
    missed += [f"leak: {name}" for name in planted["leaks"] if name not in found["leaks"]]
    if size >= LARGEST and peak > GOALS["megabytes"]:
        missed.append(f"{peak:,.0f} MB")
    for line in missed:
        print(f"  missed: {line} (planted: {planted})")
    return bool(missed)


def show_turn(size: int, found: dict[str, Any]) -> bool:
    """Print a line of a whole turn; whether it took too much memory."""
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found["seconds"].items())
    cpu, peak = f"cpu {found['cpu']:.0f} s", f"peak {found['peak_mb']:,.0f} MB"
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{size:,} rows, {found['verdict']}: {stages}; {cpu}, {peak}  ({load})", flush=True)
    return bool(found["peak_mb"] > GOALS["megabytes"])


def turn(folder: Path) -> dict[str, Any]:
    """``volano init`` and ``volano turn`` on ``rows.*`` in this process."""
    from volano.loop.project import Project
    from volano.loop.start import Said, start_project

    (path,) = folder.glob("rows.*")
    root = folder / "project"
    settings = ("effort=quick", "train.learner=trees")
    start_project(root, Said(path, target="y", set=settings))
    watch, began = Watch(), used_seconds()
    try:
        with Project.open(root) as project:
            found = project.turn()
    finally:
        peak_mb = watch.end()
    return {
        "verdict": found.verdict.decision,
        "seconds": dict(found.seconds),
        "cpu": used_seconds() - began,
        "peak_mb": peak_mb,
    }


def measure(folder: Path, answers: str, *, again: bool) -> dict[str, Any]:
    """Run the stages on ``rows.*`` in this process."""
    from volano.core.events import Events
    from volano.data import DataConfig, FieldsConfig, PrepareConfig, SourceConfig
    from volano.data.collect import CollectFeed, collect
    from volano.data.prepare import prepare
    from volano.data.report import data_page
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import TabularClassification, TabularRegression

    (path,) = folder.glob("rows.*")
    store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    sources = (SourceConfig(path=path.name),)
    task = TabularRegression() if answers == "number" else TabularClassification()
    events = Events((), "benchmark")
    idle_mb = held_mb()
    before: tuple[Any, Any] | None = None
    watch = Watch()
    try:
        for turn in range(1 + again):
            if turn:
                write_rows(folder, 50_000, path.suffix[1:], answers, 99, name="more")
                sources = (*sources, SourceConfig(path=f"more{path.suffix}"))
            config = DataConfig(sources=sources, fields=FieldsConfig(target="y", time="at"))
            clock, seconds = time.perf_counter(), {}
            feed = CollectFeed(root=folder, previous=before[0] if before else None)
            began = used_seconds()
            collected = collect(config, task, feed, store, events)
            seconds["collect"], clock = time.perf_counter() - clock, time.perf_counter()
            last = before[1] if before else None
            prepared = prepare(PrepareConfig(), task, collected, last, 0, store, events)
            seconds["prepare"], clock = time.perf_counter() - clock, time.perf_counter()
            data_page(prepared, task, "en")
            seconds["report"] = time.perf_counter() - clock
            cpu, before = used_seconds() - began, (collected, prepared)
    finally:
        peak_mb = watch.end()
    told = " ".join(str(one["values"]) for one in prepared.card["findings"])
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": peak_mb,
        "idle_mb": idle_mb,
        "file_mb": path.stat().st_size / 1e6,
        "equal": len(prepared.examples["cluster"].drop_null()) if not again else None,
        "leaks": told,
    }


def write_rows(
    folder: Path, count: int, kind: str, answers: str, seed: int, name: str = "rows"
) -> dict[str, Any]:
    """Write the file; what was planted in it."""
    import pyarrow.csv
    import pyarrow.parquet as pq

    chance = np.random.default_rng(seed)
    num_equal, file = 0, None
    path = folder / f"{name}.{kind}"
    for start in range(0, count, AT_ONCE):
        table, equal = some_rows(chance, min(AT_ONCE, count - start), start, answers)
        num_equal += equal
        if file is None and kind == "csv":
            file = pyarrow.csv.CSVWriter(path, table.schema)
        elif file is None:
            file = pq.ParquetWriter(path, table.schema)
        file.write_table(table)
    if file is not None:
        file.close()
    leaks = ["part_a", "part_b"] if answers == "number" else ["reason"]
    return {"equal": num_equal, "leaks": leaks}


def some_rows(
    chance: np.random.Generator, count: int, start: int, answers: str
) -> tuple[pa.Table, int]:
    """Rows of 20 columns and a target, and how many of them are equal to another."""
    import pyarrow as pa

    is_again = chance.random(count) < EQUAL
    is_again[: count // 2] = False
    source = np.arange(count)
    source[is_again] = chance.choice(count // 2, int(is_again.sum()))
    numbers = {
        f"n{n}": np.round(chance.lognormal(2 + n / 4, 1.0, count), 1 + n % 4) for n in range(5)
    }
    wholes = {f"i{n}": chance.geometric(0.02 * (n + 1), count) for n in range(4)}
    levels = {"few": 3, "some": 12, "many": 200, "most": 5_000}
    named = {name: _names(chance, name, size, count) for name, size in levels.items()}
    signal = np.log(numbers["n1"]) + (named["few"] == "few-1") + chance.normal(0, 0.5, count)
    seconds = np.datetime64("2024-01-01T00:00:00") + (start + np.arange(count)) % 31_000_000
    columns: dict[str, Any] = {
        **numbers,
        **wholes,
        **named,
        "flag": np.where(chance.random(count) < 0.3, "yes", "no"),
        "day": np.char.add("2024-", np.char.mod("%02d", chance.integers(1, 13, count))),
        "code": np.char.add("A", np.char.mod("%07d", start + np.arange(count))),
        "at": seconds.astype(str),
        **_outcome(chance, signal, answers),
    }
    missing = {name: chance.random(count) < MISSING for name in ("n1", "n3", "i2", "some")}
    table = pa.table(
        {name: pa.array(cells, mask=missing.get(name)) for name, cells in columns.items()}
    )
    # Equal in what is read; the target is the earlier row's too.
    return table.take(source), len(np.union1d(source[is_again], np.flatnonzero(is_again)))


def _names(chance: np.random.Generator, name: str, size: int, count: int) -> NDArray[Any]:
    """Category names, the first ones far more often."""
    ranks = np.exp(chance.random(count) * np.log(size)).astype(np.int64) % size
    return np.array([f"{name}-{rank}" for rank in range(size)])[ranks]


def _outcome(
    chance: np.random.Generator, signal: NDArray[Any], answers: str
) -> dict[str, NDArray[Any]]:
    """The target, and columns that give it away."""
    if answers == "number":
        part = np.round(np.exp(signal) * chance.random(len(signal)), 6)
        rest = np.round(np.exp(signal) + chance.random(len(signal)), 6)
        return {"part_a": part, "part_b": rest, "spare": chance.random(len(signal)).round(3),
                "y": np.round(part + rest, 6)}  # fmt: skip
    label = np.select([signal > 3.5, signal > 2.5], ["high", "middle"], "low")
    reason = np.where((label == "high") & (chance.random(len(label)) < 0.6), "limit", "")
    return {"reason": reason, "spare": chance.random(len(label)).round(3),
            "other": chance.integers(0, 50, len(label)), "y": label}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
