"""Turn the wheel once on the measurements, and list the samples to look at first.

``python run.py --data diabetes.csv`` does it with patients and a number: how far their diabetes
went in a year.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import volano as vl

HERE = Path(__file__).resolve().parent
WORST = "malignant"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a table of your own; what its columns are is guessed")
    with vl.open(project_folder(parser.parse_args().data)) as project:
        print(project.turn())
        test = project.find(vl.Dataset, "dataset:latest").labelled("test")
        rows, truth = test.column("fields").to_pylist(), test.column("target").to_pylist()
        answers = project.predictor("model:latest").predict(rows, explain=True)
        order = sorted(range(len(rows)), key=lambda place: -urgency(answers[place]))
        print(f"\nWhom to look at first, of {len(rows)} test rows:")
        for place in order[:3]:
            reasons = "; ".join(text for text, _ in answers[place].reasons[:3])
            print(f"{urgency(answers[place]):.3f}  (it was {truth[place][0]})  {reasons}")


def urgency(answer: vl.Answer) -> float:
    """The number that was foretold, or how likely the worst label is."""
    return answer.value if answer.value is not None else answer.scores[WORST]


def project_folder(data: str | None) -> Path:
    """This folder; for a table of your own, a project in ``own``."""
    if not (HERE / "cells.csv").exists():
        subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
    if not data:
        return HERE
    folder = HERE / "own" / Path(data).stem
    if not (folder / "volano.yaml").exists():
        command = [sys.executable, "-m", "volano", "init", str(folder), "--data", data]
        subprocess.run(command, check=True)
    return folder


if __name__ == "__main__":
    main()
