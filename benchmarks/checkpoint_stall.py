"""How long a checkpoint makes a training wait, against transformers' Trainer (``save_steps``).

    python benchmarks/checkpoint_stall.py --rounds 5

Both train the same network with AdamW on the processor; weights and moments are 400 MB (``--mb``).
In each round one runs after the other, so both meet the same load. The Trainer's stall is the time
from the end of a step to its ``on_save``; volano's is what the loop itself measures: the copy into
memory set aside, while a thread writes and syncs. The ratio of a round is of the medians; printed
are their geometric mean and its 95 % interval. As the check of quality, a training that writes a
file after every step is broken off: the file must hold the weights of one step, bit by bit, and
none of another. Ends with 1 where the ratio is under the goal, or that check fails.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from shared import ratio
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from volano.core.events import Events
from volano.train.loop.batches import Batches
from volano.train.loop.checkpoints import FILE
from volano.train.loop.config import LoopConfig, OptimizerConfig
from volano.train.loop.fit import Recipe, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GOAL = 25.0
WIDTH, LAYERS_OF_MB = 1024, 1024 * 1024 * 4 * 3 / 1e6  # one layer, its two moments
EVERY_SECONDS, SAVES = 2.0, 4


class Tower(nn.Module):
    """Square layers one after the other."""

    def __init__(self, megabytes: float) -> None:
        super().__init__()
        num_layers = max(1, round(megabytes / LAYERS_OF_MB))
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(num_layers))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The loss is how far the answer is from nothing."""
        for layer in self.layers:
            x = x + layer(x).relu() / len(self.layers)
        return {"loss": F.mse_loss(x, torch.zeros_like(x)), "logits": x}


class Stalls(TrainerCallback):  # type: ignore[misc]
    """Milliseconds from the end of a step to the end of the save after it."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self._ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """The stall begins."""
        self._ended = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """The stall ends."""
        self.found.append((time.perf_counter() - self._ended) * 1e3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mb", type=float, default=400.0)
    options = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the Trainer is told to stay on the processor
    ours_by_round, theirs_by_round = [], []
    print("round  volano ms  longest  Trainer ms  longest  ratio")
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            ours = stalls_of_volano(options.mb, Path(scratch))
            theirs = stalls_of_trainer(options.mb, Path(scratch) / "trainer")
        mine, its = statistics.median(ours), statistics.median(theirs)
        ours_by_round.append(mine)
        theirs_by_round.append(its)
        print(f"{number:>5} {mine:>10.1f} {max(ours):>8.1f} {its:>11.1f} ", end="")
        print(f"{max(theirs):>8.1f} {its / mine:>6.1f}", flush=True)
    middle, low, high = ratio(theirs_by_round, ours_by_round)
    with tempfile.TemporaryDirectory() as scratch:
        firm = is_of_one_step(options.mb, Path(scratch))
    print(f"\n{options.mb:.0f} MB: a stall {middle:.1f} times shorter ", end="")
    print(f"({low:.1f} to {high:.1f}; goal {GOAL:.0f})", end="; ")
    print("a file holds the weights of one step" if firm else "A FILE IS TORN")
    print(f"load averages {os.getloadavg()}, {torch.get_num_threads()} threads")
    return 0 if firm and middle >= GOAL else 1


def stalls_of_volano(megabytes: float, scratch: Path) -> list[float]:
    """Milliseconds of each checkpoint but the last."""
    tower = make_tower(megabytes)
    begun = time.perf_counter()
    fit(tower, ROWS, loss, None, recipe(epochs=1, scratch=None), Events())
    epochs = EVERY_SECONDS * (SAVES + 1) / (time.perf_counter() - begun)
    tower = make_tower(megabytes)
    history = fit(tower, ROWS, loss, None, recipe(max(epochs, 2), scratch), Events())
    stalls: list[float] = history.told["stall_ms"][:-1]
    return stalls


def is_of_one_step(megabytes: float, scratch: Path) -> bool:
    """Whether each file of a training that is broken off holds the weights of one step."""
    tower = make_tower(megabytes)
    seen: list[dict[str, Tensor]] = []
    files: list[dict[str, Tensor]] = []

    class BrokenOffError(Exception):
        """The training is broken off."""

    def remember(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        seen.append({name: one.detach().clone() for name, one in module.named_parameters()})
        if len(seen) > 2:  # what lies there was copied while a step changed the weights
            files.append(load_file(scratch / FILE))
        if len(seen) == 6:
            raise BrokenOffError
        return loss(module, batch)

    with suppress(BrokenOffError):
        fit(tower, ROWS, remember, None, recipe(1, scratch, every_seconds=0.0), Events())
    return all(
        any(
            all(torch.equal(file[f"module.{name}"], weights) for name, weights in step.items())
            for step in seen
        )
        for file in files
    )


def recipe(epochs: float, scratch: Path | None, every_seconds: float = EVERY_SECONDS) -> Recipe:
    loop = LoopConfig(epochs=epochs, batch_rows=8, precision="float32", patience=0)
    loop = loop.model_copy(update={"checkpoint_seconds": every_seconds})
    return Recipe(loop, OptimizerConfig(lr=1e-4), seed=0, scratch=scratch)


def collate(rows: Sequence[int]) -> Mapping[str, Tensor]:
    return {"x": torch.ones(len(rows), WIDTH)}


def loss(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    found: Tensor = module(batch["x"])["loss"] * len(batch["x"])
    return found


def make_tower(megabytes: float) -> Tower:
    torch.manual_seed(0)
    return Tower(megabytes)


def stalls_of_trainer(megabytes: float, scratch: Path) -> list[float]:
    """Milliseconds of each save."""
    stalls = Stalls()
    settings = TrainingArguments(
        output_dir=str(scratch),
        max_steps=3 * SAVES,
        per_device_train_batch_size=8,
        save_steps=3,
        save_total_limit=1,
        learning_rate=1e-4,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
    )
    rows = [{"x": torch.ones(WIDTH)} for _ in range(80)]
    trainer = Trainer(make_tower(megabytes), settings, train_dataset=rows, callbacks=[stalls])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return stalls.found


ROWS = Batches(np.ones(80, np.int64), collate)


if __name__ == "__main__":
    sys.exit(main())
