"""Anomalies: our learners beside scikit-learn's Isolation Forest, and KDD99 with 1 % of its labels.

``python benchmarks/anomalies.py``: on each ADBench set all learn from all rows without labels and
answer the same rows (area under the ROC curve, average precision); then KDD99. The make-up of
``odd`` was chosen on other sets (``--sets chosen-on``), not on these.
"""

from __future__ import annotations

import argparse
import gzip
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from turns import DATA

from volano.core.events import Events
from volano.models.predictor import Predictor
from volano.models.rows import ArrowRows
from volano.train.config import TrainConfig, resolve_train
from volano.train.learner import Lesson, TrainingSet
from volano.train.learners.odd_autoencoder import AUTOENCODER
from volano.train.learners.odd_detectors import FOREST, ODD, TAILS, OddDetectors
from volano.train.learners.odd_labelled import LABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from volano.train.learner import Fitted, Learner

Table = tuple[str, pa.Table, np.ndarray[Any, np.dtype[np.bool_]]]
_LEARNERS: tuple[Learner, ...] = (TAILS, FOREST, ODD)
_PARTS: tuple[Learner, ...] = (
    OddDetectors("neighbours", ("neighbours",)),
    OddDetectors("tails+forest", ("tails", "forest")),
    OddDetectors("all three", ("tails", "forest", "neighbours")),
)


@dataclass(frozen=True)
class Figures:
    """What one learner did on one set."""

    roc_auc: float
    average_precision: float
    fit_seconds: float
    answer_seconds: float


def main() -> None:
    """Print a line for each set and learner, then means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", choices=("adbench", "chosen-on", "kdd"), default="")
    parser.add_argument("--parts", action="store_true", help="also other make-ups of odd")
    parser.add_argument("--autoencoder", action="store_true")
    asked = parser.parse_args()
    if asked.sets != "kdd":
        _compare_all(asked)
    if asked.sets in ("", "kdd"):
        _kdd_with_few_labels(asked.data)


def _compare_all(asked: argparse.Namespace) -> None:
    tables = _chosen_on(asked.data) if asked.sets == "chosen-on" else _adbench(asked.data)
    learners = (*_LEARNERS, *_PARTS * asked.parts, *(AUTOENCODER,) * asked.autoencoder)
    found: dict[str, list[Figures]] = {}
    for name, table, truth_N in tables:
        print(f"{name}: {len(table):,} rows, {truth_N.mean():.2%} anomalies", flush=True)
        for title, figures in _compare(table, truth_N, learners):
            found.setdefault(title, []).append(figures)
            _tell(title, figures)
    print("mean")
    for title, all_figures in found.items():
        means = np.mean([list(vars(figures).values()) for figures in all_figures], axis=0)
        _tell(title, Figures(*means.tolist()))


def _tell(title: str, found: Figures) -> None:
    print(
        f"  {title:22} AUROC {found.roc_auc:.4f}  AP {found.average_precision:.4f}  "
        f"fit {found.fit_seconds:6.1f} s  answer {found.answer_seconds:5.2f} s",
        flush=True,
    )


def _compare(
    table: pa.Table, truth_N: Any, learners: Sequence[Learner]
) -> Iterator[tuple[str, Figures]]:
    from sklearn.ensemble import IsolationForest

    cells = np.column_stack([column.to_numpy() for column in table.columns])
    began = time.monotonic()
    forest = IsolationForest(random_state=0).fit(cells)
    fitted = time.monotonic()
    score_N = -forest.score_samples(cells)
    took = fitted - began, time.monotonic() - fitted
    yield "scikit-learn forest", _figures(truth_N, score_N, *took)
    for learner in learners:
        began = time.monotonic()
        made = learner.fit(_lesson(table, [()] * len(table)), _config(), Events())
        fitted = time.monotonic()
        score_N = _predictor(made).scores(ArrowRows(table))[:, 0]
        took = fitted - began, time.monotonic() - fitted
        yield learner.name, _figures(truth_N, score_N, *took)


def _figures(truth_N: Any, score_N: Any, fit: float, answer: float) -> Figures:
    from sklearn.metrics import average_precision_score, roc_auc_score

    area, precision = roc_auc_score(truth_N, score_N), average_precision_score(truth_N, score_N)
    return Figures(float(area), float(precision), fit, answer)


def _config() -> TrainConfig:
    return resolve_train(TrainConfig(), "normal", 0)[0]


def _lesson(table: pa.Table, targets: Sequence[tuple[str, ...]]) -> Lesson:
    rows = TrainingSet(
        ArrowRows(table),
        targets,
        np.arange(len(table)),
        np.ones(len(table)),
        columns=tuple(table.column_names),
        task="anomaly-detection",
    )
    none = TrainingSet(
        ArrowRows(table.slice(0, 0)),
        [],
        np.zeros(0, np.int64),
        np.zeros(0),
        columns=tuple(table.column_names),
        task="anomaly-detection",
    )
    return Lesson(rows, none)


def _predictor(made: Fitted) -> Predictor:
    """What a bundle of it would answer, by its arrays."""
    import tempfile

    from volano.models.bundle import write_bundle

    with tempfile.TemporaryDirectory() as folder:
        write_bundle(Path(folder), made.spec, made.arrays, made.files)
        return Predictor.load(Path(folder))


def _table(cells: Any, names: Sequence[str] | None = None) -> pa.Table:
    names = names or [f"c{place}" for place in range(cells.shape[1])]
    return pa.table(dict(zip(names, np.asarray(cells, np.float64).T, strict=True)))


def _adbench(data: Path) -> Iterator[Table]:
    for path in sorted((data / "adbench_anomaly").glob("*.npz")):
        with np.load(path) as found:
            yield path.stem, _table(found["X"]), found["y"].ravel().astype(bool)


def _chosen_on(data: Path) -> Iterator[Table]:
    """Sets that the make-up of ``odd`` was chosen on; all are made here, with a fixed seed."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    draw = np.random.default_rng(3)

    def mixed(name: str, cells: Any, is_odd: Any, num: int) -> Table:
        odd = draw.choice(np.flatnonzero(is_odd), min(num, int(is_odd.sum())), replace=False)
        kept = np.concatenate([np.flatnonzero(~is_odd), odd])
        return name, _table(cells[kept]), is_odd[kept]

    digits, cancer, wine = load_digits(), load_breast_cancer(), load_wine()
    for digit in (0, 3, 6, 8):
        yield mixed(f"digit {digit}", digits.data, digits.target != digit, 12)
    yield mixed("breast cancer", cancer.data, cancer.target == 0, 20)
    yield mixed("wine", wine.data, wine.target == 0, 8)
    yield from _kdd_kinds(data, draw)
    centres = draw.normal(size=(5, 8)) * 4
    crowd = centres[draw.integers(0, 5, 3000)] + draw.normal(size=(3000, 8))
    cells = np.concatenate([crowd, draw.uniform(-8, 8, (60, 8))])
    is_odd = np.arange(3060) >= 3000
    yield "clusters", _table(cells), is_odd
    cells = draw.normal(size=(3000, 3)) @ draw.normal(size=(3, 10))
    cells += 0.3 * draw.normal(size=cells.shape)
    torn = np.stack([cells[draw.integers(0, 3000, 60), place] for place in range(10)], axis=1)
    yield "torn dependence", _table(np.concatenate([cells, torn])), is_odd


_KINDS = {
    "u2r": ("buffer_overflow", "loadmodule", "perl", "rootkit"),
    "r2l": ("guess_passwd", "imap", "ftp_write", "phf", "multihop", "warezmaster", "spy"),
    "probe": ("ipsweep", "portsweep", "nmap", "satan"),
}


def _kdd_kinds(data: Path, draw: np.random.Generator) -> Iterator[Table]:
    """15,000 normal connections and 150 attacks of a kind, numbers only."""
    rows, label_N = _read_kdd(data)
    numbers = [place for place in range(41) if place not in (1, 2, 3)]
    normal = draw.choice(np.flatnonzero(label_N == "normal"), 15_000, replace=False)
    for kind, names in _KINDS.items():
        attacks = np.flatnonzero(np.isin(label_N, names))
        attacks = draw.choice(attacks, min(150, len(attacks)), replace=False)
        kept = np.concatenate([normal, attacks])
        cells = np.array([[float(rows[at][place]) for place in numbers] for at in kept])
        yield f"kdd {kind}", _table(cells), np.arange(len(kept)) >= len(normal)


def _read_kdd(data: Path) -> tuple[list[list[str]], Any]:
    path = data / "kdd99_intrusion" / "kddcup.data_10_percent.gz"
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = [line.strip().rstrip(".").split(",") for line in file]
    return rows, np.array([row[-1] for row in rows])


def _kdd_with_few_labels(data: Path) -> None:
    """Half of the rows are learnt from, 1 % of these with labels; the others are asked."""
    rows, label_N = _read_kdd(data)
    is_odd_N = label_N != "normal"
    columns: dict[str, Any] = {}
    for place in range(41):
        cells = [row[place] for row in rows]
        columns[f"c{place}"] = cells if place in (1, 2, 3) else [float(cell) for cell in cells]
    table = pa.table(columns)
    order = np.random.default_rng(0).permutation(len(rows))
    learnt, asked = order[: len(rows) // 2], order[len(rows) // 2 :]
    is_seen = np.arange(len(learnt)) < len(learnt) // 100
    targets = [
        (("anomaly" if is_odd_N[at] else "normal"),) if seen else ()
        for at, seen in zip(learnt.tolist(), is_seen.tolist(), strict=True)
    ]
    print(f"KDD99: {len(learnt):,} rows, {int(is_seen.sum()):,} labelled; {len(asked):,} asked")
    learners: tuple[Learner, ...] = (TAILS, FOREST, ODD, LABELLED)
    lesson = _lesson(table.take(learnt), targets)
    for learner in learners:
        began = time.monotonic()
        made = learner.fit(lesson, _config(), Events())
        fitted = time.monotonic()
        predictor = _predictor(made)
        score_N = predictor.scores(ArrowRows(table.take(asked)))[:, 0]
        took = fitted - began, time.monotonic() - fitted
        _tell(learner.name, _figures(is_odd_N[asked], score_N, *took))
        rare = np.isin(label_N[asked], sum(_KINDS.values(), ())) | ~is_odd_N[asked]
        _tell("  rare attacks alone", _figures(is_odd_N[asked][rare], score_N[rare], *took))
        print(f"    {dict(made.told)}")


if __name__ == "__main__":
    main()
