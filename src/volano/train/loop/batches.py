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

__all__ = ["Batches", "choose_rows"]

_WINDOW = 50  # batches among which rows are sorted: little padding left, much chance left
_MOST_ROWS, _FEWEST_ROWS, _FEWEST_BATCHES = 32, 8, 16


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
        most, _ = choose_rows(loop, len(self))
        batches = self._cut(self._near_sorted(most, chance), most, loop.batch_tokens)
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

    def _cut(self, rows: Sequence[int], most: int, tokens: int) -> list[list[int]]:
        lengths = self.lengths_N.tolist()
        batches: list[list[int]] = []
        batch: list[int] = []
        longest = 0
        for row in rows:
            longest = max(longest, lengths[row])
            full = len(batch) == most or longest * (len(batch) + 1) > tokens
            if batch and full:
                batches.append(batch)
                batch, longest = [], lengths[row]
            batch.append(row)
        return [*batches, batch] if batch else batches


def choose_rows(loop: LoopConfig, num_rows: int) -> tuple[int, str]:
    """The most rows of one batch, and why: by the rule 32, or down to 8 for 16 batches an epoch.

    >>> from volano.train.loop.config import LoopConfig
    >>> choose_rows(LoopConfig(), 200), choose_rows(LoopConfig(batch_rows=64), 200)
    ((12, 'there are 200 training rows'), (64, 'named in the project'))
    """
    if loop.batch_rows != "auto":
        return loop.batch_rows, "named in the project"
    found = min(_MOST_ROWS, max(_FEWEST_ROWS, num_rows // _FEWEST_BATCHES))
    return found, f"there are {num_rows} training rows"
