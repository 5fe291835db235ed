"""Turn the wheel once on the measurements, and list the samples to look at first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    if not (HERE / "cells.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    with vl.open(HERE) as project:
        print(project.turn())
        report = project.evaluate()
        print(report)
        found = {row["label"]: row["recall"] for row in report.body["per_label"]}
        print(f"malignant samples that were found: {found['malignant']:.1%}")


if __name__ == "__main__":
    main()
