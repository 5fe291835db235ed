"""Fine-tuning an encoder against transformers' Trainer: samples a second at the same score.

    python benchmarks/encoder_finetune.py             # about a quarter of an hour on 2 quiet cores
    python benchmarks/encoder_finetune.py --quick     # a few hundred rows, two rounds, no verdict

All sides train the same module (MiniLM, mean pooling, cosine head) from the same weights on the
same token numbers of Banking77, with the same loss and epochs. `trainer` is Trainer as it comes:
float32, batches of 8 in random order, padded to their longest, a learning rate of 5e-5. The others
have ours: batches of 32, learning rates, warm-up; `trainer-32` leaves it at that, `trainer-bf16`
adds what Trainer offers, bf16 and batches grouped by length. Each side runs in a process of its
own, one after the other, round by round; imports and loading are not counted. A ratio is the
geometric mean over rounds with its 95 % interval. Ends with 1 where a goal is missed, or where the
score of ours is more than a point below.
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
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from shared import minilm, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.train.config import TrainConfig
    from volano.train.encoders.rows import Rows

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "banking77"
GOALS = {"trainer": 6.0, "trainer-bf16": 2.0}
SCORE = 0.01  # how far below ours may score
BATCH_ROWS, LR = 32, 2e-4


@dataclass(frozen=True)
class Work:
    """What each side is given: rows to train on, rows to score by, and where it starts."""

    base: Path
    rows: Rows
    tests: Rows
    epochs: int
    seed: int

    @property
    def config(self) -> TrainConfig:
        """The settings of both sides."""
        from volano.train.config import TrainConfig

        return TrainConfig.model_validate(
            {
                "seed": self.seed,
                "loop": {"epochs": self.epochs, "batch_rows": BATCH_ROWS, "patience": 0},
                "optimizer": {"lr": LR},
            }
        )

    def module(self) -> Any:
        """The encoder to train, the same for all sides of a round."""
        import torch

        from volano.models.encoder import Shape
        from volano.train.encoders.pretrained import load_pretrained
        from volano.train.learner import Base

        torch.manual_seed(self.seed)
        shape = Shape("mean", "cosine", self.rows.truth_NC.shape[1], 128, 0.1)
        return load_pretrained(Base(str(self.base), self.base, ""), shape)

    def score(self, module: Any) -> float:
        """Accuracy on the test rows, in float32."""
        import torch

        from volano.train.encoders.rows import answer
        from volano.train.loop.precision import choose_arithmetic

        exact = choose_arithmetic("float32", torch.device("cpu"))
        found = answer(module, self.tests.ids_N, exact).argmax(axis=1)
        return float((found == self.tests.truth_NC.argmax(axis=1)).mean())


def read_work(base: Path, data: Path, num_rows: int, epochs: int, seed: int) -> Work:
    """Training rows drawn by the seed, and 1,000 test rows, as token numbers."""
    from volano.models.tokens import Tokens
    from volano.train.encoders.rows import Rows

    tokens = Tokens.load((base / "tokenizer.json").read_bytes(), 128)
    labels: list[str] = []
    chance = np.random.default_rng(seed)

    def rows_of(name: str, most: int) -> Rows:
        with (data / name).open(encoding="utf-8") as file:
            found = list(csv.DictReader(file))
        if not labels:
            labels.extend(sorted({row["category"] for row in found}))
        found = [found[place] for place in chance.permutation(len(found))[:most]]
        truth = np.array([[label == row["category"] for label in labels] for row in found])
        weights = np.ones(len(found), np.float32)
        return Rows(tokens.encode([row["text"] for row in found]), truth, weights)

    return Work(base, rows_of("train.csv", num_rows), rows_of("test.csv", 1000), epochs, seed)


def run_volano(work: Work, module: Any) -> None:
    from volano.core.events import Events
    from volano.train.encoders.training import Job, train_encoder

    job = Job(work.rows, None, work.config, is_multiple=False, way="full", seed=work.seed)
    train_encoder(job, module, None, Events())


def run_trainer(work: Work, module: Any) -> None:
    _train_by_trainer(work, module, None)


def run_trainer_32(work: Work, module: Any) -> None:
    _train_by_trainer(work, module, _our_optimizer(work, module), **_our_batches(work))


def run_trainer_bf16(work: Work, module: Any) -> None:
    more = {**_our_batches(work), "bf16": True, "train_sampling_strategy": "group_by_length"}
    _train_by_trainer(work, module, _our_optimizer(work, module), **more)


def _our_batches(work: Work) -> dict[str, Any]:
    warmup = work.config.optimizer.warmup
    return {"per_device_train_batch_size": BATCH_ROWS, "warmup_steps": warmup}


def _our_optimizer(work: Work, module: Any) -> Any:
    """The one that Trainer would make, with our learning rates."""
    from torch.optim import AdamW

    config = work.config.optimizer
    groups = [
        {"params": list(module.body.parameters()), "lr": LR},
        {"params": list(module.head.parameters()), "lr": LR * config.head_lr},
    ]
    return AdamW(groups, weight_decay=config.weight_decay, fused=True)


def _train_by_trainer(work: Work, module: Any, optimizer: Any, **more: Any) -> None:
    from torch import nn
    from transformers import Trainer, TrainingArguments

    from volano.train.encoders.losses import RowLoss

    row_loss = RowLoss(is_multiple=False, smoothing=work.config.encoder.label_smoothing)

    class Lossy(nn.Module):
        """The module as Trainer asks for it: a forward that gives the mean loss."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, **batch: Any) -> dict[str, Any]:
            return {"loss": row_loss(self.inner, batch) / len(batch["input_ids"])}

    # Trainer reads lengths off the token numbers; batches are padded by the same code as ours.
    rows = [{"input_ids": ids, "place": place} for place, ids in enumerate(work.rows.ids_N)]
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            num_train_epochs=work.epochs,
            seed=work.seed,
            save_strategy="no",
            remove_unused_columns=False,
            disable_tqdm=True,
            use_cpu=True,
            **more,
        )
        Trainer(
            Lossy(),
            args,
            data_collator=lambda found: work.rows.collate([row["place"] for row in found]),
            train_dataset=rows,
            optimizers=(optimizer, None),
        ).train()


RUNS: dict[str, Callable[[Work, Any], None]] = {
    "volano": run_volano,
    "trainer": run_trainer,
    "trainer-32": run_trainer_32,
    "trainer-bf16": run_trainer_bf16,
}


def run_here(name: str, work: Work) -> None:
    """What one process of its own does; the result is the last line that it prints."""
    module = work.module()
    began, spent = time.perf_counter(), time.process_time()
    RUNS[name](work, module)
    wall, processor = time.perf_counter() - began, time.process_time() - spent
    samples = len(work.rows) * work.epochs
    told = {"clock": samples / wall, "processor": samples / processor}
    print(json.dumps({**told, "score": work.score(module)}))


def run_apart(name: str, said: argparse.Namespace, seed: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", name, "--seed", str(seed)]
    command += ["--rows", str(said.rows), "--epochs", str(said.epochs)]
    command += ["--base", str(said.base), "--data", str(said.data)]
    apart = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # as the Trainer is told
    done = subprocess.run(command, capture_output=True, text=True, env=apart)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compare(said: argparse.Namespace) -> bool:
    """Round by round, each side in turn; whether every goal is reached."""
    taken: dict[str, list[dict[str, float]]] = defaultdict(list)
    loads = []
    for seed in range(said.rounds):
        for name in RUNS:
            taken[name].append(run_apart(name, said, seed))
        loads.append(f"{os.getloadavg()[0]:.1f}")
    print(f"{said.rows} rows, {said.epochs} epochs, {said.rounds} rounds, load {' '.join(loads)}")
    print(f"{'':<14}{'samples/s':>10}{'accuracy':>10}  ours against it: clock, processor")
    is_good = True
    ours = taken["volano"]
    for name, results in taken.items():
        speed = statistics.median(one["clock"] for one in results)
        score = statistics.mean(one["score"] for one in results)
        print(f"{name:<14}{speed:>10.1f}{score:>10.4f}", end="")
        if name == "volano":
            print()
            continue
        found = {
            kind: ratio([one[kind] for one in ours], [one[kind] for one in results])
            for kind in ("clock", "processor")
        }
        for middle, low, high in found.values():
            print(f"  {middle:.2f}x ({low:.2f} to {high:.2f})", end="")
        if name not in GOALS:
            print()
            continue
        lost = score - statistics.mean(one["score"] for one in ours)
        is_met = found["clock"][0] >= GOALS[name] and lost <= SCORE
        is_good &= is_met
        print(f"  goal {GOALS[name]:g}x: {'reached' if is_met else 'MISSED'}")
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1500, help="rows to train on")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="300 rows, 1 epoch, 2 rounds")
    parser.add_argument("--base", type=Path, help="a folder; MiniLM's package if left out")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of Banking77")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.quick:
        said.rows, said.epochs, said.rounds = 300, 1, 2
    said.base = said.base or Path(minilm())
    if not said.data.is_dir():
        print(f"error: there is no folder {said.data}\n  try  --data FOLDER", file=sys.stderr)
        return 2
    if said.only:
        run_here(said.only, read_work(said.base, said.data, said.rows, said.epochs, said.seed))
        return 0
    is_good = compare(said)
    return 0 if said.quick or is_good else 1


if __name__ == "__main__":
    sys.exit(main())
