"""Turn the wheel once, and show the safest and the riskiest of the test loans, with reasons.

``python run.py --data FILE`` does it with another table of loans or people.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
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
        risk = Counter(label for [label] in truth).most_common()[-1][0]  # the rarer label
        answers = project.predictor("model:latest").predict(rows, explain=True)
        order = sorted(range(len(rows)), key=lambda place: answers[place].scores[risk])
        for name, place in (("lowest", order[0]), ("highest", order[-1])):
            answer = answers[place]
            print(f"\nThe {name} risk of {risk!r} in {len(rows)} test rows:")
            print(f"{answer.scores[risk]:.3f}, so the answer is {answer.labels[0]!r}, because")
            for text, weight in answer.reasons:
                print(f"  {weight:+.2f}  {text}")


def project_folder(data: str | None) -> Path:
    """This folder; for a table of your own, a project in ``own``."""
    if not data:
        if not (HERE / "loans.csv").exists():
            subprocess.run([sys.executable, HERE / "make_data.py"], check=True)
        return HERE
    folder = HERE / "own" / Path(data).stem
    if not (folder / "volano.yaml").exists():
        command = [sys.executable, "-m", "volano", "init", str(folder), "--data", data]
        subprocess.run(command, check=True)
    return folder


if __name__ == "__main__":
    main()
