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
        tested = project.find(vl.Dataset, "dataset:latest").rows_in("test")
        rows, truth = (tested.column(name).to_pylist() for name in ("fields", "target"))
        answers = project.predict(rows)
        alerts = sum(answer.labels == ("anomaly",) for answer in answers)
        print(f"{alerts} alerts among {len(rows)} test rows; the oddest:")
        odd = sorted(range(len(rows)), key=lambda row: -answers[row].scores["anomaly"])[:5]
        for row in odd:
            answer = project.predict([rows[row]], explain=True)[0]
            found = f"it was {truth[row][0]!r}" if truth[row] else "nobody has looked"
            print(f"{answer.scores['anomaly']:.4f}  ({found})")
            print("  " + "; ".join(text for text, _ in answer.reasons[:3]))


if __name__ == "__main__":
    main()
