"""What tables reach on real data, through the doors that a user has.

    python benchmarks/tables.py                                   # all sets: some minutes
    python benchmarks/tables.py --only telco --set effort=thorough

Each set becomes a project as ``volano init`` makes it and is turned once; nothing is chosen by its
test rows. ``tables_against_autogluon.py`` has the same sets beside AutoGluon.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import TYPE_CHECKING

from table_sets import SETS as TABLES
from table_sets import Table
from turns import Bench, Figure, measure_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volano.core.nouns import Turn


def turned(bench: Bench, table: Table) -> Turn:
    """One turn on its training rows, scored on its test rows."""
    settings = list(table.settings)
    if table.ignore:
        settings.append(f"data.fields.ignore={json.dumps(list(table.ignore))}")
    root = bench.start(table.train, table.test, *settings, task=table.task, target=table.target)
    return bench.turn(root)


def adult(bench: Bench) -> Iterator[Figure]:
    """Income over 50,000 a year, the official split."""
    (table,) = TABLES["adult"](bench.data, bench.scratch)
    turn = turned(bench, table)
    yield Figure.of(turn, "roc_auc", least=0.927)
    yield Figure.of(turn, "accuracy", least=0.872)
    yield Figure.of(turn, "calibration_error")
    yield from bench.spent(turn)


def telco(bench: Bench) -> Iterator[Figure]:
    """Who leaves, mean of five folds."""
    turns = [turned(bench, fold) for fold in TABLES["telco"](bench.data, bench.scratch)]
    yield _mean(turns, "roc_auc", least=0.847)
    yield _mean(turns, "accuracy")
    yield from bench.spent(turns[0])


def california(bench: Bench) -> Iterator[Figure]:
    """Median price of a house in a block, 80/20."""
    (table,) = TABLES["california"](bench.data, bench.scratch)
    turn = turned(bench, table)
    yield Figure.of(turn, "rmse", under=46_000)
    yield Figure.of(turn, "coverage")
    yield from bench.spent(turn)


def bike(bench: Bench) -> Iterator[Figure]:
    """Bicycles hired in an hour, tested on the last two months; what leaks is left out by name."""
    (table,) = TABLES["bike"](bench.data, bench.scratch)
    turn = turned(bench, table)
    yield Figure.of(turn, "mae", under=45)
    yield Figure.of(turn, "coverage")
    yield from bench.spent(turn)


def breast_cancer(bench: Bench) -> Iterator[Figure]:
    """Malignant or not, mean of five folds."""
    turns = [turned(bench, fold) for fold in TABLES["breast_cancer"](bench.data, bench.scratch)]
    yield _mean(turns, "accuracy", least=0.97)
    yield _mean(turns, "roc_auc")
    yield from bench.spent(turns[0])


def kdd99(bench: Bench) -> Iterator[Figure]:
    """Kinds of intrusion; equal rows stand on one side, so that the split does not leak."""
    (table,) = TABLES["kdd99"](bench.data, bench.scratch)
    turn = turned(bench, table)
    yield Figure.of(turn, "accuracy")
    yield Figure.of(turn, "macro_f1")
    yield from bench.spent(turn)


def _mean(turns: list[Turn], name: str, least: float | None = None) -> Figure:
    values = [turn.metrics[name].value for turn in turns]
    return Figure(f"{name}, mean of {len(turns)}", statistics.mean(values), least)


SETS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    found.__name__: found for found in (adult, telco, california, bike, breast_cancer, kdd99)
}

if __name__ == "__main__":
    sys.exit(measure_sets(SETS, "Tables on real data."))
