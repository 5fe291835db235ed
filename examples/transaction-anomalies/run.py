"""Turn the wheel once on the payments, and tell of the oddest of the test rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    if not (HERE / "payments.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    with vl.open(HERE) as project:
        print(project.turn())
        data = project.find(vl.Dataset, "dataset:latest")
        rows = data.examples.column("fields").to_pylist()[:2000]
        answers = project.predict(rows, explain=True)
        odd = sorted(zip(answers, rows, strict=True), key=lambda one: -one[0].scores["anomaly"])
        for answer, row in odd[:5]:
            print(f"{answer.scores['anomaly']:.4f}  {row}")
            print("  " + "; ".join(text for text, _ in answer.reasons[:3]))


if __name__ == "__main__":
    main()
