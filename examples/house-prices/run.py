"""Turn the wheel once on the sales, and ask what a house may bring, with its interval."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    if not (HERE / "sales.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    with vl.open(HERE) as project:
        print(project.turn())
        house = {
            "sold_on": "2023-10-01", "district": "Riverside", "area": 120.0, "rooms": 4,
            "built": 1995, "garden": 300, "heating": "pump",
        }  # fmt: skip
        answer = project.predict([house], explain=True)[0]
        print(f"{answer.value:,.0f} ({answer.low:,.0f} to {answer.high:,.0f}, nine times in ten)")
        for text, weight in answer.reasons:
            print(f"  {weight:+,.0f}  {text}")


if __name__ == "__main__":
    main()
