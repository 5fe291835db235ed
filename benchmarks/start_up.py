"""How long it takes to begin: ``import volano``, ``volano --help``, a turn that has nothing to do.

Best of several runs, turn about, and as multiples of ``python -c pass``, so that machines can be
compared; the goals are for two quiet cores.
``--encoder`` adds the first answer of an encoder (a probe of ``--base``, trained here): by volano
from the bundle that export chose, and by transformers' pipeline from the same weights as trained.
Ends with 1 where the two answer differently, or a goal is missed.
"""

from __future__ import annotations

import argparse
import os
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
import json, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file
from transformers import pipeline
folder = Path(sys.argv[1])
told, head = json.loads((folder / "told.json").read_text()), load_file(folder / "head.safetensors")
embed = pipeline("feature-extraction", str(folder / "body"), device="cpu")
states = np.array(embed("I am still waiting on my card?")[0])
pooled = states[0] if told["pooling"] == "cls" else states.mean(axis=0)
if told["head"] == "cosine":
    pooled = 20.0 * pooled / np.linalg.norm(pooled)
print(told["labels"][(pooled @ head["weight"].T + head["bias"]).argmax()])
"""
GOALS = {"volano --help": 0.1, "first answer of an encoder": 0.5}
HEAVY = ("numpy", "pyarrow", "sklearn", "scipy", "sqlalchemy", "starlette", "torch", "rich")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--encoder", action="store_true", help="and the first answer of one")
    parser.add_argument("--base", help="of the encoder; MiniLM's package")
    options = parser.parse_args()
    volano = [sys.executable, "-m", "volano"]
    with tempfile.TemporaryDirectory() as scratch:
        project = f"{scratch}/tickets"
        for command in (["init", project, "--data", str(TICKETS)], ["turn", "--project", project]):
            subprocess.run([*volano, *command], check=True, capture_output=True)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import volano": [sys.executable, "-c", "import volano"],
            "volano --help": [*volano, "--help"],
            "volano status": [*volano, "status", "--project", project],
            "volano turn, nothing changed": [*volano, "turn", "--project", project],
        }
        first = make_encoder(Path(scratch), options.base) if options.encoder else {}
        commands |= first
        answers = {said_by(command) for command in first.values()}
        seconds = best(commands, options.runs)
    nothing, missed = seconds["python -c pass"], 0
    print(f"{'':<32}{'seconds':>8}{'times':>8}  load {os.getloadavg()[0]:.1f}")
    for name, found in seconds.items():
        print(f"{name:<32}{found:>8.3f}{found / nothing:>8.1f}", end="")
        goal = GOALS.get(name, found)
        missed += found > goal
        said = "reached" if found <= goal else "MISSED"
        print(f"  goal {goal:g} s: {said}" if name in GOALS else "")
    print("heavy modules of import volano:", loaded("import volano") or "none")
    print("heavy modules of the command line:", loaded("import volano.app.cli.main") or "none")
    if answers:
        print(f"both first answers: {', '.join(sorted(answers))}")
    return 1 if missed or len(answers) > 1 else 0


def make_encoder(scratch: Path, base: str | None) -> dict[str, list[str]]:
    """The commands that answer first, from a project whose champion is an encoder."""
    from encoder_serving import champion_of, train, write_native
    from shared import minilm

    model, native = champion_of(train(scratch / "encoder", TICKETS, base or minilm()))
    write_native(native, scratch / "pipeline")
    return {
        "first answer of an encoder": [sys.executable, "-c", FIRST, str(model.folder)],
        "first of transformers' pipeline": [
            sys.executable, "-c", PIPELINE, str(scratch / "pipeline"),
        ],
    }  # fmt: skip


def best(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """The shortest of some runs of each: what the machine can do when it is left alone."""
    seconds = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return seconds


def said_by(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def loaded(code: str) -> list[str]:
    ask = f"{code}\nimport sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    return said_by([sys.executable, "-c", ask]).split()


if __name__ == "__main__":
    sys.exit(main())
