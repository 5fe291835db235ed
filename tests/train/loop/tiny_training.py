"""A training small enough for tests: a network of two layers, rows of numbers, no text.

``train_here`` is what processes started by tests run; its job is ``job.json`` in the folder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from volano.core.events import Events
from volano.train.loop.batches import Batches
from volano.train.loop.config import LoopConfig, OptimizerConfig
from volano.train.loop.fit import History, Recipe, Watched, fit
from volano.train.loop.processes import Team

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH, LABELS, ROWS = 8, 3, 240


class Net(nn.Module):
    """Two layers, a norm with running means, dropout: all that a checkpoint must hold."""

    def __init__(self, dropout: float = 0.1, norm: bool = True, width: int = 16) -> None:
        super().__init__()
        middle: nn.Module = nn.BatchNorm1d(width) if norm else nn.LayerNorm(width)
        self.body = nn.Sequential(
            nn.Linear(WIDTH, width), middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.head = nn.Linear(width, LABELS)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.head(self.body(x))
        return values


def make_net(**settings: Any) -> Net:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return Net(**settings)


def make_rows(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows whose label can be learned."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, WIDTH, generator=chance)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def make_batches(seed: int = 0) -> Batches:
    x, y = make_rows(seed)
    lengths_N = np.random.default_rng(seed).integers(1, 40, ROWS)

    def collate(rows: Sequence[int]) -> Mapping[str, Tensor]:
        return {"x": x[list(rows)], "y": y[list(rows)]}

    return Batches(lengths_N, collate)


def loss(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return F.cross_entropy(module(batch["x"]).float(), batch["y"], reduction="sum")


def watch(module: nn.Module) -> Watched:
    x, y = make_rows(seed=1)
    values = module(x).float()
    return Watched(F.cross_entropy(values, y).item(), (values.argmax(1) == y).float().mean().item())


def make_recipe(scratch: Path | None = None, seed: int = 0, **settings: Any) -> Recipe:
    """Settings of the loop and of the optimiser by their own names."""
    own = {name: value for name, value in settings.items() if name in LoopConfig.model_fields}
    others = {name: value for name, value in settings.items() if name not in own}
    loop = LoopConfig(**{"epochs": 4, "batch_rows": 16, "checkpoint_seconds": 0.0, **own})
    return Recipe(loop, OptimizerConfig(**{"lr": 1e-2, "head_lr": 1.0, **others}), seed, scratch)


def train(module: nn.Module, recipe: Recipe, log: Events | None = None) -> History:
    return fit(module, make_batches(), loss, watch, recipe, log or Events())


def train_here(folder: Path, log: Events) -> None:
    """Train as ``job.json`` says; leave weights and curve beside it."""
    job = json.loads((folder / "job.json").read_text("utf-8"))
    module = make_net(**job.get("net", {}))
    history = train(module, make_recipe(folder / "scratch", **job["recipe"]), log)
    if not Team.join().is_first:
        return
    save_file(module.state_dict(), folder / "weights.safetensors")
    curve = [[epoch.train_loss, epoch.valid_loss] for epoch in history.epochs]
    told = {"processes": history.told["processes"], "curve": curve}
    (folder / "outcome.json").write_text(json.dumps(told), "utf-8")
