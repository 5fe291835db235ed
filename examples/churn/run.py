"""Turn the wheel once on the customers, and ask who of two may leave, with reasons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    if not (HERE / "customers.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    with vl.open(HERE) as project:
        print(project.turn())
        new = {
            "contract": "month-to-month", "months": 2, "internet": "fibre",
            "payment": "electronic check", "help_calls": 3, "senior": "No", "partner": "No",
            "monthly": 92.5, "total": 185.0,
        }  # fmt: skip
        old = {**new, "contract": "two years", "months": 60, "total": 5400.0, "help_calls": 0}
        for row in (new, old):
            answer = project.predict([row], explain=True)[0]
            print(answer.labels[0], f"{answer.scores['Yes']:.3f} to leave")
            for text, weight in answer.reasons:
                print(f"  {weight:+.2f}  {text}")


if __name__ == "__main__":
    main()
