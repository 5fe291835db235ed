"""Turn the wheel once on the sales, and compare what houses brought with what the model says.

``python run.py --data FILE`` does it with another table, such as the houses of California.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a table of your own; what its columns are is guessed")
    with vl.open(project_folder(parser.parse_args().data)) as project:
        print(project.turn())
        test = project.find(vl.Dataset, "dataset:latest").labelled("test")
        rows, truth = test.column("fields").to_pylist(), test.column("target").to_pylist()
        print(f"\nTwo of {len(rows)} test rows:")
        answers = project.predictor("model:latest").predict(rows[:2], explain=True)
        for answer, [number] in zip(answers, truth, strict=False):
            interval = f"{answer.low:,.0f} to {answer.high:,.0f}, nine times in ten"
            print(f"{answer.value:,.0f} ({interval}); it was {float(number):,.0f}")
            for text, weight in answer.reasons:
                print(f"  {weight:+,.0f}  {text}")


def project_folder(data: str | None) -> Path:
    """This folder; for a table of your own, a project in ``own``."""
    if not data:
        if not (HERE / "sales.csv").exists():
            subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
        return HERE
    folder = HERE / "own" / Path(data).stem
    if not (folder / "volano.yaml").exists():
        command = [sys.executable, "-m", "volano", "init", str(folder), "--data", data]
        subprocess.run(command, check=True)
    return folder


if __name__ == "__main__":
    main()
