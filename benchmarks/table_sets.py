"""Real tables as training and test files, split as their publishers or the goals say."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SETS", "Table"]

_ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "country",
    "income",
)  # fmt: skip
_KDD = 41  # columns before the label


@dataclass(frozen=True)
class Table:
    """Files with a header, and what a project is told of them."""

    train: Path
    test: Path | None
    target: str
    task: str = "tabular-classification"
    ignore: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def adult(data: Path, scratch: Path) -> Iterator[Table]:
    """The official files; the test labels end in a dot."""
    paths = []
    for name, split in (("adult.data", "train"), ("adult.test", "test")):
        lines = (data / "adult_census" / name).read_text("utf-8").splitlines()
        rows = [[cell.strip() for cell in line.rstrip(".").split(",")] for line in lines if line]
        paths.append(_write(scratch / f"adult_{split}.csv", _ADULT, rows))
    yield Table(paths[0], paths[1], "income")


def telco(data: Path, scratch: Path) -> Iterator[Table]:
    """Five folds, the labels spread evenly."""
    header, rows = _read(data / "telco_churn" / "Telco-Customer-Churn.csv")
    labels = [row[header.index("Churn")] for row in rows]
    for fold, (train, test) in enumerate(_folds(labels)):
        yield Table(
            _write(scratch / f"telco_{fold}_train.csv", header, [rows[n] for n in train]),
            _write(scratch / f"telco_{fold}_test.csv", header, [rows[n] for n in test]),
            "Churn",
        )


def california(data: Path, scratch: Path) -> Iterator[Table]:
    """80/20 with seed 42, as in Géron's book."""
    from sklearn.model_selection import train_test_split

    header, rows = _read(data / "california_housing" / "housing.csv")
    train, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=42)
    yield Table(
        _write(scratch / "california_train.csv", header, [rows[n] for n in train]),
        _write(scratch / "california_test.csv", header, [rows[n] for n in test]),
        "median_house_value",
        "tabular-regression",
    )


def bike(data: Path, scratch: Path) -> Iterator[Table]:
    """Hours before November 2012, and after; ``casual`` and ``registered`` sum to the target."""
    with zipfile.ZipFile(data / "bike_sharing" / "Bike-Sharing-Dataset.zip") as whole:
        lines = io.StringIO(whole.read("hour.csv").decode("utf-8"))
    header, *rows = csv.reader(lines)
    day = header.index("dteday")
    sides = [[row for row in rows if (row[day] >= "2012-11-01") is late] for late in (False, True)]
    yield Table(
        _write(scratch / "bike_train.csv", header, sides[0]),
        _write(scratch / "bike_test.csv", header, sides[1]),
        "cnt",
        "tabular-regression",
        ("casual", "registered", "instant"),
        ("prepare.split.by_time=true",),  # as ``init`` says for a table with a time
    )


def breast_cancer(data: Path, scratch: Path) -> Iterator[Table]:
    """The set that comes with scikit-learn, five folds."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    header = [*(str(name).replace(" ", "_") for name in found.feature_names), "diagnosis"]
    labels = [str(found.target_names[kind]) for kind in found.target]
    rows = [[*map(str, row), label] for row, label in zip(found.data, labels, strict=True)]
    for fold, (train, test) in enumerate(_folds(labels)):
        yield Table(
            _write(scratch / f"cancer_{fold}_train.csv", header, [rows[n] for n in train]),
            _write(scratch / f"cancer_{fold}_test.csv", header, [rows[n] for n in test]),
            "diagnosis",
        )


def kdd99(data: Path, scratch: Path) -> Iterator[Table]:
    """Ten per cent of the training set of 1999; no split of its own."""
    header = [*(f"f{number}" for number in range(1, _KDD + 1)), "kind"]
    path = data / "kdd99_intrusion" / "kddcup.data_10_percent.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [line.rstrip(".\n").split(",") for line in lines]
    yield Table(_write(scratch / "kdd99.csv", header, rows), None, "kind")


SETS: dict[str, Callable[[Path, Path], Iterator[Table]]] = {
    found.__name__: found for found in (adult, telco, california, bike, breast_cancer, kdd99)
}


def _folds(labels: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedKFold

    yield from StratifiedKFold(5, shuffle=True, random_state=42).split(labels, labels)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return header, rows


def _write(path: Path, header: Iterable[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
