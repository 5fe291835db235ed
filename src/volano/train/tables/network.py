"""A small network over the dense features of a table, and one training of it.

Importing this file imports torch. Shape suffixes: N rows, D dense features, L values.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that all of torch's users know)

from volano.train.loop.batches import Batches
from volano.train.loop.config import OptimizerConfig
from volano.train.loop.fit import History, Recipe, Watched, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.train.loop.config import LoopConfig
    from volano.train.tables.config import MlpConfig

__all__ = ["Network", "NetworkJob", "NetworkRows", "answer", "train_network"]

_MOST_BATCH, _FEWEST_BATCH, _FEWEST_STEPS = 256, 8, 16  # the last: batches of one epoch
_ANSWERED = 4096  # rows at once


class Network(nn.Module):
    """Linear layers with a bend between them."""

    def __init__(self, width: int, hidden: Sequence[int], num_values: int, dropout: float) -> None:
        super().__init__()
        sizes = pairwise([width, *hidden, num_values])
        self.layers = nn.ModuleList(nn.Linear(inside, outside) for inside, outside in sizes)
        self.dropout = dropout

    def forward(self, value: Tensor) -> Tensor:
        """Decision values, shape (N, L)."""
        for layer in list(self.layers)[:-1]:
            value = F.dropout(F.relu(layer(value)), self.dropout, self.training)
        last: Tensor = self.layers[-1](value)
        return last

    def arrays(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Weights (in, out) and bias of each layer."""
        found: list[Any] = list(self.layers)
        return [
            (
                np.ascontiguousarray(layer.weight.detach().numpy().T),
                layer.bias.detach().numpy().copy(),
            )
            for layer in found
        ]


@dataclass(frozen=True)
class NetworkRows:
    """Rows as a network is trained on them.

    Attributes:
        dense_ND: their features.
        target_N: the class of each, or its number on the scale of all.
        weight_N: how much each counts; 1 on average.
    """

    dense_ND: NDArray[np.float32]
    target_N: NDArray[np.int64] | NDArray[np.float32]
    weight_N: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.target_N)

    def at(self, places: NDArray[np.int64]) -> NetworkRows:
        """Only these rows."""
        return NetworkRows(self.dense_ND[places], self.target_N[places], self.weight_N[places])

    def collate(self, places: Sequence[int]) -> dict[str, Tensor]:
        """A batch: ``dense``, ``target``, ``weight``."""
        found = list(places)
        return {
            "dense": torch.from_numpy(self.dense_ND[found]),
            "target": torch.from_numpy(self.target_N[found]),
            "weight": torch.from_numpy(self.weight_N[found]),
        }

    def digest(self) -> str:
        """A hash of everything in it."""
        found = sha256()
        for array in (self.dense_ND, self.target_N, self.weight_N):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class NetworkJob:
    """What is trained on what.

    Attributes:
        rows: to learn from.
        watched: rows that say when to stop; None: all epochs run.
        num_values: of an answer.
        config: of network and training.
        loop: what else there is to say of the loop.
        seed: of the first weights, of the order of rows and of dropout.
    """

    rows: NetworkRows
    watched: NetworkRows | None
    num_values: int
    config: MlpConfig
    loop: LoopConfig
    seed: int

    def make(self) -> Network:
        """A network of chance."""
        width, config = self.rows.dense_ND.shape[1], self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return Network(width, config.hidden, self.num_values, config.dropout)

    def recipe(self, scratch: Path | None) -> Recipe:
        """How it is trained; float32, since it is small and its numbers are to be kept."""
        config, batch_rows = self.config, _choose_batch_rows(self.config, len(self.rows))
        settings = {
            "epochs": config.epochs,
            "batch_rows": batch_rows,
            "batch_tokens": batch_rows,
            "accumulate": 1,
            "precision": "float32",
            "gradient_checkpointing": False,
            "patience": 0 if self.watched is None else config.patience,
            "processes": 1,
        }
        digests = [rows.digest() for rows in (self.rows, self.watched) if rows is not None]
        return Recipe(
            loop=self.loop.model_copy(update=settings),
            optimizer=OptimizerConfig(lr=config.lr, head_lr=1.0, weight_decay=config.weight_decay),
            seed=self.seed,
            scratch=scratch,
            content=" ".join([*digests, config.model_dump_json()]),
        )


def train_network(job: NetworkJob, scratch: Path | None, log: Events) -> tuple[Network, History]:
    """Train a network; with watched rows it ends as it was at its best.

    Args:
        job: what is trained on what.
        scratch: a folder of this very training; None keeps no checkpoint.
        log: gets the live curve.
    """
    module, watched = job.make(), job.watched

    def watch(trained: nn.Module) -> Watched:
        assert watched is not None
        return _judge(torch.from_numpy(answer(trained, watched.dense_ND)), watched)

    batches = Batches(np.ones(len(job.rows), np.int64), job.rows.collate)
    with _one_thread():
        history = fit(module, batches, _loss, watch if watched else None, job.recipe(scratch), log)
    return module, history


def _choose_batch_rows(config: MlpConfig, num_rows: int) -> int:
    """Rows of one step: at most 256, and so few that an epoch has 16 steps where that leaves 8."""
    if config.batch_rows != "auto":
        return config.batch_rows
    return min(_MOST_BATCH, max(_FEWEST_BATCH, num_rows // _FEWEST_STEPS))


def answer(module: nn.Module, dense_ND: NDArray[np.float32]) -> Floats:
    """Decision values in evaluation mode, shape (N, L)."""
    was_training = module.training
    module.eval()
    parts = range(0, max(1, len(dense_ND)), _ANSWERED)
    with torch.inference_mode():
        found = [module(torch.from_numpy(dense_ND[at : at + _ANSWERED])).numpy() for at in parts]
    module.train(was_training)
    return np.concatenate(found).astype(np.float64)


def _loss(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return (_losses(module(batch["dense"]), batch["target"]) * batch["weight"]).sum()


def _losses(values: Tensor, target: Tensor) -> Tensor:
    """Of each row: squared error, or log loss."""
    if target.dtype == torch.float32:
        return (values[:, 0] - target).square()
    return F.cross_entropy(values, target, reduction="none")


def _judge(values: Tensor, rows: NetworkRows) -> Watched:
    """The mean loss, and accuracy or the share of variance that is explained."""
    batch = rows.collate(range(len(rows)))
    target, weight = batch["target"], batch["weight"]
    total = float(weight.sum()) or 1.0
    loss = float((_losses(values.float(), target) * weight).sum()) / total
    if target.dtype == torch.float32:
        mean = float((target * weight).sum()) / total
        spread = float(((target - mean).square() * weight).sum()) / total
        return Watched(loss, 1.0 - loss / spread if spread > 0 else 0.0)
    right = (values.argmax(dim=1) == target).float()
    return Watched(loss, float((right * weight).sum()) / total)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Several threads wait for each other longer than such a small product takes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
