"""Kill deep trainings with SIGKILL at random moments: the weights must be those of a quiet one.

    python benchmarks/kill_training.py --kills 50 --seed 1

A tiny encoder (two layers, dropout on) learns by the real loop, in a process of its own that is
forked from one which has imported torch and trained nothing; so a life costs no import. Trainings
take turns at bfloat16 and float32, and at a checkpoint after each step and one every 50 ms. Each is
killed up to three times, some milliseconds after a random step, and then brought to its end.
Weights and curve are compared bit by bit; exit code 1 says that something differed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from volano.core.events import Event, Events
from volano.core.hashing import to_json
from volano.models.encoder import Shape, load_encoder
from volano.train.loop.batches import Batches
from volano.train.loop.config import LoopConfig, OptimizerConfig
from volano.train.loop.fit import Recipe, Watched, fit
from volano.train.loop.state import hash_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROWS, LABELS, WORDS = 480, 5, 100
ENCODER = {
    "model_type": "bert",
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}


@dataclass(frozen=True)
class Kind:
    """A training, and what it gives when nobody kills it."""

    precision: str
    checkpoint_seconds: float
    expected: dict[str, Any]
    step_seconds: float

    def __str__(self) -> str:
        when = f"every {self.checkpoint_seconds} s" if self.checkpoint_seconds else "each step"
        return f"{self.precision}, {when}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    make_encoder()  # imports transformers, once for all lives
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        kinds = [
            measure(precision, seconds, Path(scratch))
            for precision in ("bfloat16", "float32")
            for seconds in (0.0, 0.05)
        ]
        rows = list(kill_all(kinds, options.kills, chance, Path(scratch)))
    print(f"{time.monotonic() - begun:.0f} s, load averages {os.getloadavg()}")
    return report(rows)


def measure(precision: str, checkpoint_seconds: float, scratch: Path) -> Kind:
    """What the undisturbed training gives, and how long its steps take."""
    folder = scratch / f"undisturbed {precision} {checkpoint_seconds}"
    folder.mkdir()
    begun = time.monotonic()
    pid = start(folder, precision, checkpoint_seconds)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise SystemExit("the undisturbed training failed")
    found = outcome(folder)
    return Kind(precision, checkpoint_seconds, found, (time.monotonic() - begun) / found["steps"])


def start(folder: Path, precision: str, checkpoint_seconds: float) -> int:
    """Train in a new process; its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        train(folder, precision, checkpoint_seconds)
        code = 0
    except Exception:  # noqa: BLE001  (a forked process must not go on as its parent)
        traceback.print_exc()
        code = 1
    os._exit(code)


def train(folder: Path, precision: str, checkpoint_seconds: float) -> None:
    """Train the encoder by the loop, and leave what it gave."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = make_encoder()
    loop = LoopConfig(epochs=4, precision=precision, checkpoint_seconds=checkpoint_seconds)  # type: ignore[arg-type]
    recipe = Recipe(loop, OptimizerConfig(lr=1e-3), seed=0, scratch=folder)
    log = Events((teller(folder),))
    history = fit(module, make_batches(), loss, watch, recipe, log)
    told = {
        "weights": hash_module(module),
        "curve": [[epoch.train_loss, epoch.valid_loss] for epoch in history.epochs],
        "steps": history.steps,
        "best": history.best,
    }
    (folder / "outcome.json").write_text(to_json(told), "utf-8")
    (folder / "resumed").write_text(str(history.told["resumed_from"]), "utf-8")


def make_encoder() -> nn.Module:
    shape = Shape("mean", "cosine", LABELS, max_tokens=32, dropout=0.1)
    return load_encoder(json.dumps(ENCODER).encode(), shape)


def teller(folder: Path) -> Any:
    """Leaves the number of the last step for whoever kills."""

    def tell(event: Event) -> None:
        if event.kind == "progress":
            (folder / "step.new").write_text(str(event.done), "utf-8")
            (folder / "step.new").replace(folder / "step")

    return tell


def make_batches(seed: int = 0) -> Batches:
    """Rows of random words; the label is in the first of them."""
    chance = np.random.default_rng(seed)
    texts = [chance.integers(1, WORDS, chance.integers(4, 32)) for _ in range(ROWS)]
    truth = torch.tensor([int(text[0]) % LABELS for text in texts])

    def collate(rows: Sequence[int]) -> Mapping[str, Tensor]:
        longest = max(len(texts[row]) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        for place, row in enumerate(rows):
            ids[place, : len(texts[row])] = torch.from_numpy(texts[row])
        return {"ids": ids, "mask": (ids > 0).long(), "truth": truth[list(rows)]}

    return Batches(np.array([len(text) for text in texts]), collate)


def loss(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    values = module(batch["ids"], batch["mask"])
    return F.cross_entropy(values.float(), batch["truth"], reduction="sum")


def watch(module: nn.Module) -> Watched:
    batches = make_batches(seed=1)
    batch = batches.collate(range(100))
    values = module(batch["ids"], batch["mask"]).float()
    score = (values.argmax(1) == batch["truth"]).float().mean()
    return Watched(F.cross_entropy(values, batch["truth"]).item(), score.item())


def outcome(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "outcome.json").read_text("utf-8"))
    return found


def kill_all(
    kinds: list[Kind], num_kills: int, chance: random.Random, scratch: Path
) -> Iterator[tuple[Kind, list[str], str, list[str]]]:
    """One row a training: where it was killed, where it went on, and what differed at its end."""
    killed = number = 0
    while killed < num_kills:
        kind = kinds[number % len(kinds)]
        folder = scratch / f"training {number}"
        folder.mkdir()
        places: list[str] = []
        while killed < num_kills and len(places) < chance.randint(1, 3):
            step = chance.randint(last_step(folder), kind.expected["steps"])
            if not killed_at(step, chance.uniform(0, 2 * kind.step_seconds), folder, kind):
                break
            killed += 1
            places.append(str(last_step(folder)))
        pid = start(folder, kind.precision, kind.checkpoint_seconds)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        found = outcome(folder) if not code else {}
        differs = [name for name in kind.expected if found.get(name) != kind.expected[name]]
        resumed = (folder / "resumed").read_text("utf-8") if not code else "failed"
        yield kind, places, resumed, differs
        shutil.rmtree(folder)
        number += 1


def killed_at(step: int, delay: float, folder: Path, kind: Kind) -> bool:
    """Kill it ``delay`` seconds after a step; whether it was still running."""
    pid = start(folder, kind.precision, kind.checkpoint_seconds)
    while last_step(folder) < step:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    time.sleep(delay)
    if os.waitpid(pid, os.WNOHANG)[0]:
        return False
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def last_step(folder: Path) -> int:
    """The last step that any life of the training has told; -1 before the first."""
    told = folder / "step"
    return int(told.read_text("utf-8")) if told.exists() else -1


def report(rows: list[tuple[Kind, list[str], str, list[str]]]) -> int:
    print(f"{'training':<24} {'differs':<10} {'went on from':<13} killed in step")
    for kind, places, resumed, differs in rows:
        print(f"{kind!s:<24} {', '.join(differs) or 'nothing':<10} {resumed:<13} ", end="")
        print("; ".join(places) or "never")
    num_kills = sum(len(places) for _, places, _, _ in rows)
    num_bad = sum(bool(differs) for *_, differs in rows)
    print(f"\n{num_kills} kills, {len(rows)} trainings brought to an end, {num_bad} differ")
    return 1 if num_bad else 0


if __name__ == "__main__":
    sys.exit(main())
