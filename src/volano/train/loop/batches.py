"""Batches of rows of like length, in an order that depends on nothing but the seed and the epoch.

Padding is the largest waste of training on text. Sorting all rows would cure it and make every
epoch the same; so rows are shuffled, sorted within large windows, cut, and the batches shuffled.
Importing this file needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.core.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from volano.train.loop.config import LoopConfig

__all__ = ["Batches"]

_WINDOW = 50  # batches among which rows are sorted: little padding left, much chance left


@dataclass(frozen=True)
class Batches:
    """Rows to train on.

    Attributes:
        lengths_N: tokens of each row; ones where rows have no length.
        collate: from places of rows to tensors on the processor, padded to the longest of them. The
            first axis of each tensor is the rows. It must give the same for the same rows.
    """

    lengths_N: NDArray[np.int64]
    collate: Callable[[Sequence[int]], Mapping[str, Tensor]]

    def __len__(self) -> int:
        return len(self.lengths_N)

    def of_epoch(self, loop: LoopConfig, seed: int, epoch: int) -> list[list[int]]:
        """Places of the rows of each batch: every row once, under both limits.

        A row longer than ``batch_tokens`` is a batch by itself.
        """
        chance = np.random.default_rng(derive_seed(seed, "batches", epoch))
        batches = self._cut(self._near_sorted(loop.batch_rows, chance), loop)
        return [batches[place] for place in chance.permutation(len(batches))]

    def _near_sorted(self, batch_rows: int, chance: np.random.Generator) -> list[int]:
        """All rows, sorted within windows: up, down, up, so that windows meet at like lengths."""
        shuffled_N = chance.permutation(len(self))
        num_windows = max(1, round(len(self) / (batch_rows * _WINDOW)))
        windows = []
        for number, window in enumerate(np.array_split(shuffled_N, num_windows)):
            rising = window[np.argsort(self.lengths_N[window], kind="stable")]
            windows.append(rising[::-1] if number % 2 else rising)
        return [int(row) for row in np.concatenate(windows)]

    def _cut(self, rows: Sequence[int], loop: LoopConfig) -> list[list[int]]:
        lengths = self.lengths_N.tolist()
        batches: list[list[int]] = []
        batch: list[int] = []
        longest = 0
        for row in rows:
            longest = max(longest, lengths[row])
            full = len(batch) == loop.batch_rows or longest * (len(batch) + 1) > loop.batch_tokens
            if batch and full:
                batches.append(batch)
                batch, longest = [], lengths[row]
            batch.append(row)
        return [*batches, batch] if batch else batches
