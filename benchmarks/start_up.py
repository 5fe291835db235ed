"""How long it takes to begin: ``import volano``, ``volano --help``, a turn that has nothing to do.

Best of several runs, and as multiples of ``python -c pass``, so that machines can be compared.
``--encoder FOLDER`` (an exported bundle) adds its first answer, ``--pipeline FOLDER`` (a classifier
as transformers saves it) the first of transformers' pipeline.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKETS = Path(__file__).parents[1] / "examples" / "support-tickets" / "tickets.csv"
FIRST = """
import sys
from pathlib import Path
from volano.models import Predictor
predictor = Predictor.load(Path(sys.argv[1]))
print(predictor.predict([{predictor.spec.text[0]: "I am still waiting on my card?"}])[0].labels[0])
"""
PIPELINE = """
import sys
from transformers import pipeline
print(pipeline("text-classification", sys.argv[1], device="cpu")("I am still waiting on my card?"))
"""
HEAVY = ("numpy", "pyarrow", "sklearn", "scipy", "sqlalchemy", "starlette", "torch", "rich")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--encoder", type=Path, help="a bundle that ONNX Runtime or OpenVINO answers"
    )
    parser.add_argument("--pipeline", type=Path, help="a classifier for transformers' pipeline")
    options = parser.parse_args()
    runs = options.runs
    volano = [sys.executable, "-m", "volano"]
    with tempfile.TemporaryDirectory() as scratch:
        project = f"{scratch}/tickets"
        for command in (["init", project, "--data", str(TICKETS)], ["turn", "--project", project]):
            subprocess.run([*volano, *command], check=True, capture_output=True)
        nothing = best([sys.executable, "-c", "pass"], runs)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import volano": [sys.executable, "-c", "import volano"],
            "volano --help": [*volano, "--help"],
            "volano status": [*volano, "status", "--project", project],
            "volano turn, nothing changed": [*volano, "turn", "--project", project],
        }
        for name, code, folder in (
            ("first answer of an encoder", FIRST, options.encoder),
            ("first of transformers' pipeline", PIPELINE, options.pipeline),
        ):
            if folder is not None:
                commands[name] = [sys.executable, "-c", code, str(folder)]
        print(f"{'':<32}{'seconds':>8}{'times':>8}")
        for name, command in commands.items():
            seconds = best(command, runs)
            print(f"{name:<32}{seconds:>8.3f}{seconds / nothing:>8.1f}")
    print("heavy modules of import volano:", loaded("import volano") or "none")
    print("heavy modules of the command line:", loaded("import volano.app.cli.main") or "none")


def best(command: list[str], runs: int) -> float:
    """The shortest of some runs: what the machine can do when it is left alone."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def loaded(code: str) -> list[str]:
    ask = f"{code}\nimport sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    return ran.stdout.split()


if __name__ == "__main__":
    main()
