"""Answers from boosted trees: one row at a time, a million at once, against LightGBM bare.

A table of 18 columns (numbers, levels, dates, yes and no, blanks in all of them) is drawn, and 400
trees are trained on 50,000 of its rows. ``Predictor.predict`` gets one row as a request brings it,
``answer_table`` a million in Arrow; ``Booster.predict`` gets the finished codes, so it has less to
do. Best of several runs, turn about. The goal for a million is in processor seconds shared over the
cores: what they take when they are left alone.
Ends with 1 where digits differ between the ways, or a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from volano.compute.machine import usable_cores
from volano.models import Predictor, Spec, write_bundle
from volano.models.calibration import Calibration
from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser
from volano.models.trees import TreesEngine

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = tuple(
    [f"amount_{n}" for n in range(8)]
    + [f"level_{n}" for n in range(5)]
    + [f"is_{n}" for n in range(3)]
    + ["town", "since"]
)
TRAINED = 50_000
LEAST_A_SECOND, MOST_SECONDS = 3000.0, 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=400)
    parser.add_argument("--leaves", type=int, nargs="+", default=[15, 31])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    missed = 0
    print(f"{usable_cores()} cores, load {os.getloadavg()[0]:.1f}")
    for leaves in options.leaves:
        with tempfile.TemporaryDirectory() as scratch:
            predictor = make(Path(scratch), options.trees, leaves)
            print(f"\n{options.trees} trees of {leaves} leaves, {len(COLUMNS)} columns")
            missed += single(predictor, options.runs)
            missed += many(predictor, options.rows, options.runs)
    return 1 if missed else 0


def draw(num: int, seed: int) -> pa.Table:
    """Rows as a file brings them."""
    rng = np.random.default_rng(seed)
    table: dict[str, Any] = {}
    for name in COLUMNS:
        if name.startswith("amount"):
            cells = pa.array(np.round(rng.lognormal(3, 1, num), 2))
        elif name == "since":
            days = rng.integers(15_000, 20_000, num).astype("datetime64[D]")
            cells = pa.array(days).cast(pa.string())
        else:
            width = {"le": 6, "is": 2, "to": 300}[name[:2]]
            spelt = ["no", "yes"] if width == 2 else [f"{name} {n}" for n in range(width)]
            cells = pa.array(spelt).take(pa.array(rng.integers(0, width, num)))
        table[name] = pa.array(cells.to_pylist(), mask=rng.random(num) < 0.03)
    return pa.table(table)


def make(folder: Path, trees: int, leaves: int) -> Predictor:
    """A bundle that was trained on a truth of many columns, loaded."""
    import lightgbm

    table = draw(TRAINED, 0)
    made = TableFeaturiser.fit(table, COLUMNS)
    codes = made.codes(ArrowRows(table))
    rng = np.random.default_rng(1)
    told = np.nan_to_num(codes - np.nanmean(codes, axis=0)) / np.nanstd(codes, axis=0)
    signal = told @ rng.normal(size=told.shape[1]) + told[:, 0] * told[:, 1]
    truth = signal + rng.normal(0, 2, TRAINED) > 0
    levels = np.flatnonzero(made.is_category_F).tolist()
    data = lightgbm.Dataset(codes, truth, categorical_feature=levels)
    asked = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "verbose": -1}
    booster = lightgbm.train({**asked, "num_threads": usable_cores()}, data, trees)
    engine = TreesEngine(made, (booster,), (1.0,))
    spec = Spec(
        "tabular-classification",
        "trees",
        (),
        ("no", "yes"),
        settings=engine.settings(),
        calibration=Calibration(temperature=1.1).settings(),
        columns=COLUMNS,
    )
    write_bundle(folder, spec, engine.arrays(), engine.files())
    return Predictor.load(folder)


def single(predictor: Predictor, runs: int) -> int:
    """Rows one by one, in one thread."""
    rows: list[Any] = draw(2000, 2).to_pylist()
    engine = predictor.engine
    assert isinstance(engine, TreesEngine)
    booster, codes = engine.boosters[0], engine.featuriser.codes(rows)
    ways: dict[str, Callable[[int], Any]] = {
        "Predictor.predict, one row": lambda n: predictor.predict([rows[n]]),
        "  of it, cells to codes": lambda n: engine.featuriser.codes([rows[n]]),
        "  of it, the engine": lambda n: engine.decide([rows[n]]),
        "Booster.predict, its codes": lambda n: booster.predict(
            codes[n : n + 1], raw_score=True, num_threads=1
        ),
    }
    found = best({name: lambda way=way: each(way, 2000) for name, way in ways.items()}, runs)
    print(f"{'':<32}{'a second':>10}{'microseconds':>14}")
    for name, seconds in found.items():
        print(f"{name:<32}{2000 / seconds:>10,.0f}{seconds / 2000 * 1e6:>14.1f}")
    reasons = best({"": lambda: each(lambda n: predictor.explain(rows[n], "yes"), 100)}, runs)[""]
    print(f"{'reasons of one row':<32}{100 / reasons:>10,.0f}{reasons / 100 * 1e6:>14.1f}")
    rate = 2000 / found["Predictor.predict, one row"]
    print(
        f"goal {LEAST_A_SECOND:,.0f} a second: {'reached' if rate >= LEAST_A_SECOND else 'MISSED'}"
    )
    return rate < LEAST_A_SECOND


def many(predictor: Predictor, num: int, runs: int) -> int:
    """As many rows at once as asked for."""
    table = pa.concat_tables([draw(100_000, seed) for seed in range(3, 3 + -(-num // 100_000))])
    rows = ArrowRows(table.slice(0, num))
    engine = predictor.engine
    assert isinstance(engine, TreesEngine)
    codes = engine.featuriser.codes(rows)
    ways: dict[str, Callable[[], Any]] = {
        "answer_table": lambda: predictor.answer_table(rows),
        "  of it, cells to codes": lambda: engine.featuriser.codes(rows),
        "Booster.predict, its codes": lambda: engine.boosters[0].predict(
            codes, raw_score=True, num_threads=usable_cores()
        ),
    }
    wall, busy = best(ways, runs), best(ways, runs, time.process_time)
    print(f"{f'{num:,} rows':<32}{'seconds':>10}{'processor':>11}{'times bare':>12}")
    for name, seconds in wall.items():
        times = busy[name] / busy["Booster.predict, its codes"]
        print(f"{name:<32}{seconds:>10.2f}{busy[name]:>11.2f}{times:>12.2f}")
    answers = predictor.answer_table(rows[:500]).column("confidence").to_pylist()
    alone = [predictor.predict([row])[0].confidence for row in rows[:500]]
    print("the same digits one by one:", "yes" if answers == alone else "NO")
    needed = busy["answer_table"] / usable_cores() / num * 1_000_000
    is_late = needed > MOST_SECONDS
    said = "MISSED" if is_late else "reached"
    print(f"goal {MOST_SECONDS:g} s a million: {said}, {needed:.1f} s of quiet cores")
    return is_late or answers != alone


def each(way: Callable[[int], Any], num: int) -> None:
    for n in range(num):
        way(n)


def best(
    ways: dict[str, Callable[[], Any]], runs: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The shortest of some runs of each, in seconds of a clock."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(runs):
        for name, way in ways.items():
            begun = clock()
            way()
            seconds[name] = min(seconds[name], clock() - begun)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
