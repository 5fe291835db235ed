"""Write the two sets of patients that come with scikit-learn to files.

``cells.csv``: 569 samples of breast tissue (Street, Wolberg and Mangasarian 1993), 30 measurements
each, and whether they were malignant. ``diabetes.csv``: 442 patients (Efron, Hastie, Johnstone and
Tibshirani 2004), ten measurements each, and how far their diabetes went in a year (25 to 346).
Examples of the tool, not medical devices.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer, load_diabetes


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    cells = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in cells.feature_names]
    kinds = [str(cells.target_names[kind]) for kind in cells.target]
    write(folder / "cells.csv", [*names, "diagnosis"], cells.data, kinds)
    patients = load_diabetes(scaled=False)
    header = [*patients.feature_names, "progression"]
    write(folder / "diabetes.csv", header, patients.data, patients.target.tolist())


def write(target: Path, header: list[str], values: list, answers: list) -> None:
    """One table, the answers as its last column."""
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row, answer in zip(values.tolist(), answers, strict=True):
            writer.writerow([*row, answer])
    print(f"{target}: {len(answers)} rows")


if __name__ == "__main__":
    main()
