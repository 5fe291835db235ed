"""The learner ``probe`` against SetFit's differentiable head on a frozen body: time and answers.

    pip install 'volano[deep]' setfit
    python benchmarks/probe.py                       # 231 rows of Banking77, three rounds
    python benchmarks/probe.py --rows 10003 --rounds 1

Both start from the same encoder and the same rows. SetFit keeps 16 epochs, float32 and its body
frozen, and encodes each row again in every epoch, padded to one length: by its defaults 256 tokens
and 2 rows a batch, here 64 and 16, which is faster. volano encodes each text once, tries three
penalties on five folds, calibrates and keeps the vectors. Each runs in a process of its own, round
by round; timed is from rows in memory to a fitted model, imports left out on both sides. The second
run of volano finds its vectors kept. What counts are ratios of processor seconds of the same round:
their geometric mean, and its 95 % interval. Answers are compared on the whole test set. Ends with 1
where a goal or the quality is missed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from shared import minilm, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
BANKING = ROOT.parent / "shared" / "data" / "banking77"
GOALS = {"first": 20.0, "second": 100.0}
WORSE = 0.005  # accuracy that may be lost against SetFit

Answer = tuple[dict[str, float], list[str]]


def read(name: str) -> tuple[list[str], list[str]]:
    with (BANKING / f"{name}.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def take(rows: int) -> tuple[list[str], list[str]]:
    """As many rows, drawn once, labels in their own shares."""
    texts, labels = read("train")
    drawn = np.random.default_rng(0).permutation(len(texts))[:rows].tolist()
    return [texts[place] for place in drawn], [labels[place] for place in drawn]


class Watch:
    """Seconds on the clock and of processors, since it was made."""

    def __init__(self) -> None:
        self.began, self.spent = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Both."""
        return {
            "wall": time.perf_counter() - self.began,
            "processor": time.process_time() - self.spent,
        }


def run_volano(texts: list[str], labels: list[str], asked: list[str], given: Namespace) -> Answer:
    import torch  # noqa: F401  (imports are left out of the time, as SetFit's)
    import transformers  # noqa: F401

    from volano.core.events import Events
    from volano.models.bundle import write_bundle
    from volano.train.config import TrainConfig
    from volano.train.encoders.base import open_base
    from volano.train.encoders.native import answer_native
    from volano.train.learner import Lesson, TrainingSet
    from volano.train.learners.probe import PROBE

    watch = Watch()
    found = open_base(minilm(), "en", Path(), Events())
    rows, nothing = (
        TrainingSet(
            [{"text": text} for text in some],
            [(label,) for label in truth],
            np.arange(len(some)),
            np.ones(len(some)),
            ("text",),
        )
        for some, truth in ((texts, labels), ([], []))
    )
    lesson = Lesson(rows, nothing, base=found, cache=given.folder / "cache")
    fitted = PROBE.fit(lesson, TrainConfig(folds=5, settings_tried=3, seed=0), Events())
    spent = watch.read()
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(Path(folder), fitted.spec, fitted.arrays, fitted.files)
        values = answer_native(Path(folder), asked)
    return spent, [fitted.spec.labels[place] for place in values.argmax(axis=1)]


def run_setfit(texts: list[str], labels: list[str], asked: list[str], given: Namespace) -> Answer:
    from setfit import SetFitModel

    names = sorted(set(labels))
    watch = Watch()
    model = SetFitModel.from_pretrained(
        minilm(),
        use_differentiable_head=True,
        head_params={"out_features": len(names)},
        device="cpu",
    )
    model.freeze("body")
    places = [names.index(label) for label in labels]
    model.fit(texts, places, 16, batch_size=16, head_learning_rate=1e-2, max_length=64)
    spent = watch.read()
    found: NDArray[Any] = np.asarray(model.predict(asked, batch_size=32))
    return spent, [names[place] for place in found.tolist()]


RUNS: dict[str, Callable[[list[str], list[str], list[str], Namespace], Answer]] = {
    "volano": run_volano,
    "setfit": run_setfit,
}


def run_apart(name: str, given: Namespace, folder: Path) -> dict[str, Any]:
    """In a process of its own."""
    told = folder / f"{name}.json"
    command = [sys.executable, __file__, "--only", name]
    command += ["--rows", str(given.rows), "--answers", str(given.answers)]
    command += ["--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(told.read_text("utf-8"))
    return found


def one_round(given: Namespace, truth: list[str]) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "first": run_apart("volano", given, Path(folder)),
            "setfit": run_apart("setfit", given, Path(folder)),
            "second": run_apart("volano", given, Path(folder)),
        }
    for answer in found.values():
        answer["accuracy"] = float(np.mean(np.array(answer["answers"]) == np.array(truth)))
        same = np.array(answer["answers"]) == np.array(found["setfit"]["answers"])
        answer["same"] = float(same.mean())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=231)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answers", type=int, default=3080, help="test rows that are answered")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        asked = read("test")[0][:: _every(given.answers)][: given.answers]
        spent, answers = RUNS[given.only](*take(given.rows), asked, given)
        told = json.dumps({**spent, "answers": answers})
        (given.folder / f"{given.only}.json").write_text(told, "utf-8")
        return 0
    truth = read("test")[1][:: _every(given.answers)][: given.answers]
    rounds = []
    for _ in range(given.rounds):
        rounds.append(one_round(given, truth))
        print(f"load average {os.getloadavg()[0]:.1f}", flush=True)
    return report(given.rows, rounds)


def _every(answers: int) -> int:
    """The test set is sorted by label: a part of it is taken at even steps."""
    return max(1, 3080 // answers)


def report(rows: int, rounds: list[dict[str, dict[str, Any]]]) -> int:
    def middle(name: str, figure: str) -> float:
        return statistics.median(found[name][figure] for found in rounds)

    print(f"\n{rows} rows of Banking77, {len(rounds)} rounds, medians")
    print(f"  {'':<8}{'clock s':>9}{'processor s':>13}{'accuracy':>10}{'as SetFit':>11}")
    for name in ("setfit", "first", "second"):
        print(f"  {name:<8}{middle(name, 'wall'):>9.1f}{middle(name, 'processor'):>13.1f}", end="")
        print(f"{middle(name, 'accuracy'):>10.4f}{middle(name, 'same'):>11.4f}")
    is_good = middle("first", "accuracy") >= middle("setfit", "accuracy") - WORSE
    for name, goal in GOALS.items():
        theirs, ours = ([found[side]["processor"] for found in rounds] for side in ("setfit", name))
        reached, low, high = ratio(theirs, ours)
        print(f"  {name} run: {reached:.1f} times ({low:.1f} to {high:.1f}), goal {goal:.0f}")
        is_good &= reached >= goal
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
