"""A network from rows to themselves through a narrow middle, trained by the loop.

Importing this file imports torch. Shape suffixes: N rows, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from volano.train.loop.batches import Batches
from volano.train.loop.fit import Watched, fit
from volano.train.tables.network import NetworkJob, NetworkRows, answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from volano.core.events import Events
    from volano.train.config import TrainConfig

__all__ = ["train_layers"]

_WIDEST, _NARROWEST = 64, 2


def train_layers(
    learnt_ND: NDArray[np.float32],
    watched_ND: NDArray[np.float32],
    config: TrainConfig,
    seed: int,
    scratch: Path | None,
    log: Events,
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Weights and bias of each layer; with watched rows the network ends as it was at its best."""
    width = learnt_ND.shape[1]
    wide = max(_NARROWEST + 1, min(_WIDEST, width))
    middle = max(_NARROWEST, min(wide // 2, width // 3))
    shape = config.mlp.model_copy(update={"hidden": (wide, middle, wide), "dropout": 0.0})
    watched = _rows(watched_ND) if len(watched_ND) else None
    job = NetworkJob(_rows(learnt_ND), watched, width, shape, config.loop, seed)
    module = job.make()

    def watch(trained: nn.Module) -> Watched:
        error = (answer(trained, watched_ND) - watched_ND) ** 2
        spread = float(watched_ND.var(axis=0).sum()) or 1.0
        loss = float(error.sum(axis=1).mean())
        return Watched(loss, 1.0 - loss / spread)

    batches = Batches(np.ones(len(job.rows), np.int64), job.rows.collate)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other longer than such small products take
    try:
        fit(module, batches, _loss, watch if watched else None, job.recipe(scratch), log)
    finally:
        torch.set_num_threads(threads)
    return tuple(module.arrays())


def _rows(dense_ND: NDArray[np.float32]) -> NetworkRows:
    num = len(dense_ND)
    return NetworkRows(dense_ND, np.zeros(num, np.float32), np.ones(num, np.float32))


def _loss(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    loss: Tensor = (module(batch["dense"]) - batch["dense"]).square().sum()
    return loss
