"""Encoders on Banking77 through whole turns: against ``linear``, in time, and as they are served.

    python benchmarks/encoder_quality.py                   # about 20 minutes on 2 quiet cores
    python benchmarks/encoder_quality.py --only probe

A project as ``volano init`` makes it from the official files turns with ``linear``, which then
answers; after it each encoder is judged against ``linear``, on the frozen test file. What is
served (the form that export chose) is compared with the weights as trained, in float32 by training
code, on that file. ``probe`` turns once more with another seed, when all its vectors are in the
cache. Ends with 1 where a goal is missed; those in seconds are for two quiet cores.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shared import minilm
from text_classification import DATA, Bench, Figure, print_line, show

from volano.core.nouns import Model
from volano.loop.project import Project
from volano.models import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.core.nouns import Turn

ACCURACY = {"finetune": 0.932, "probe": 0.90}
SECONDS = {"finetune": ("turn seconds", 480.0), "probe": ("train seconds", 60.0)}
LOST = 0.005  # accuracy that may be lost between training and serving


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", choices=ACCURACY, action="append", help="may be repeated")
    parser.add_argument("--base", help="a folder or a name of the hub; MiniLM's package")
    parser.add_argument("--data", type=Path, default=DATA / "banking77", help="its folder")
    said = parser.parse_args()
    if not said.data.is_dir():
        print(f"error: there is no folder {said.data}\n  try  --data FOLDER", file=sys.stderr)
        return 2
    print_line("learner", "figure", "reached", "goal")
    is_good = True
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(said.data, Path(scratch), (f"train.base={said.base or minilm()}",))
        root = bench.start(said.data / "train.csv", said.data / "test.csv")
        show_all("linear", [Figure.of(bench.turn(root, "train.learner=linear"), "accuracy")])
        for learner in said.only or ACCURACY:
            turn = bench.turn(root, f"train.learner={learner}")
            is_good &= show_all(learner, figures(learner, turn, root, said.data))
            if turn.verdict.promotes:
                roll_back(root)
        if learner == "probe":
            again = bench.turn(root, "train.learner=probe", "seed=1")
            is_good &= show_all("probe, again", seconds_of(again))
    return 0 if is_good else 1


def figures(learner: str, turn: Turn, root: Path, data: Path) -> Iterator[Figure]:
    yield Figure.of(turn, "accuracy", least=ACCURACY[learner])
    effect = turn.verdict.effect
    if effect is not None:
        yield Figure("gain over linear", effect.value)
        yield Figure("  its interval, from", effect.low)
        yield Figure("  to", effect.high)
    is_better = turn.verdict.promotes and effect is not None and effect.low > 0
    yield Figure("promoted, above zero", float(is_better), least=1)
    yield Figure.of(turn, "calibration_error")
    name, under = SECONDS[learner]
    for found in seconds_of(turn):
        yield Figure(found.name, found.value, under=under if found.name == name else None)
    yield from as_served(turn, root, data)


def seconds_of(turn: Turn) -> Iterator[Figure]:
    yield Figure("train seconds", turn.seconds["train"])
    yield Figure("turn seconds", sum(turn.seconds.values()))


def as_served(turn: Turn, root: Path, data: Path) -> Iterator[Figure]:
    """The bundle that answers against the weights as trained, on the test file."""
    from volano.train.encoders.native import answer_native

    with Project.open(root) as project:
        model = project.store.open(Model, turn.model)
        native = project.store.open(Model, model.card["native"]).folder
    with (data / "test.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    predictor = Predictor.load(model.folder)
    column = predictor.spec.text[0]
    truth = [row["category"] for row in rows]
    asked = [{column: row[column]} for row in rows]
    served = [one.labels[0] for one in predictor.predict(asked)]
    values_NC = answer_native(native, [row[column] for row in rows])
    trained = [predictor.spec.labels[place] for place in values_NC.argmax(axis=1)]
    yield Figure(f"{model.card['engine']} {model.card['form']}: agrees", share(served, trained))
    lost = share(trained, truth) - share(served, truth)
    yield Figure("  accuracy it loses", lost, under=LOST)


def share(some: list[str], others: list[str]) -> float:
    return sum(one == other for one, other in zip(some, others, strict=True)) / len(some)


def roll_back(root: Path) -> None:
    with Project.open(root) as project:
        project.rollback(because="the next encoder is judged against linear too")


def show_all(learner: str, found: Iterator[Figure] | list[Figure]) -> bool:
    is_met = True
    for one in found:
        is_met &= show(learner, one)
    print_line(learner, "load average", f"{os.getloadavg()[0]:.1f}")
    return is_met


if __name__ == "__main__":
    sys.exit(main())
