"""Turn the wheel once on the lender's applicants, and ask about two of them, with reasons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    if not (HERE / "loans.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    with vl.open(HERE) as project:
        print(project.turn())
        careful = {
            "age": 45, "home": "own", "income": 62000, "years_in_job": 12, "amount": 6000,
            "months": 24, "purpose": "car", "past_delays": 0, "sex": "female",
            "applied_on": "2025-12-01",
        }  # fmt: skip
        stretched = {**careful, "income": 21000, "amount": 19000, "months": 60, "past_delays": 2}
        for row in (careful, stretched):
            answer = project.predict([row], explain=True)[0]
            print(answer.labels[0], f"{answer.scores['yes']:.3f} to default")
            for text, weight in answer.reasons:
                print(f"  {weight:+.2f}  {text}")


if __name__ == "__main__":
    main()
