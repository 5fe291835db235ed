"""Write the breast cancer measurements that come with scikit-learn to a file.

569 samples of cells (Street, Wolberg and Mangasarian 1993), 30 measurements each, and whether they
were malignant. An example of the tool, not a medical device.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("cells.csv")
    found = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in found.feature_names]
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*names, "diagnosis"])
        for values, kind in zip(found.data.tolist(), found.target.tolist(), strict=True):
            writer.writerow([*values, str(found.target_names[kind])])
    print(f"{target}: {len(found.data)} samples")


if __name__ == "__main__":
    main()
