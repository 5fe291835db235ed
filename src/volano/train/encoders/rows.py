"""Rows as encoders are trained on them: token numbers, truth and weights; padded as late as can be.

Importing this file imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from volano.models.calibration import Floats, Labels
    from volano.train.loop.precision import Arithmetic

__all__ = ["Rows", "answer"]

_ANSWERED_TOKENS = 4096  # of one batch, padding included
_WIDTHS = 4  # a width is a multiple of it: kernels are made anew for each one


@dataclass(frozen=True)
class Rows:
    """Training rows, all numbers.

    Attributes:
        ids_N: token numbers of each row.
        truth_NC: which labels each carries.
        weight_N: how much each counts; 1 on average.
        teacher_NC: decision values of the model to learn from, where there is one.
    """

    ids_N: Sequence[NDArray[np.int32]]
    truth_NC: Labels
    weight_N: NDArray[np.float32]
    teacher_NC: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids_N)

    @cached_property
    def lengths_N(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.array([len(ids) for ids in self.ids_N], np.int64)

    def at(self, places: NDArray[np.int64]) -> Rows:
        """Only these rows."""
        teacher = None if self.teacher_NC is None else self.teacher_NC[places]
        ids_N = [self.ids_N[place] for place in places.tolist()]
        return Rows(ids_N, self.truth_NC[places], self.weight_N[places], teacher)

    def without_teacher(self) -> Rows:
        """The same rows, with nothing but their truth to learn from."""
        return replace(self, teacher_NC=None)

    def collate(self, places: Sequence[int]) -> dict[str, Tensor]:
        """A batch: ``input_ids``, ``attention_mask``, ``truth``, ``weight`` and ``teacher``."""
        found = list(places)
        batch = _pad([self.ids_N[place] for place in found], int(self.lengths_N.max()))
        batch["truth"] = torch.from_numpy(self.truth_NC[found].astype(np.float32))
        batch["weight"] = torch.from_numpy(self.weight_N[found])
        if self.teacher_NC is not None:
            batch["teacher"] = torch.from_numpy(self.teacher_NC[found])
        return batch


def _pad(ids_N: Sequence[NDArray[np.int32]], most: int) -> dict[str, Tensor]:
    """Token numbers and mask, int64, shape (texts, width), of width ``most`` at the most."""
    longest = max(len(ids) for ids in ids_N)
    width = min(-(-longest // _WIDTHS) * _WIDTHS, most)
    found = np.zeros((len(ids_N), width), np.int64)
    mask = np.zeros_like(found)
    for row, ids in enumerate(ids_N):
        found[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return {"input_ids": torch.from_numpy(found), "attention_mask": torch.from_numpy(mask)}


def answer(module: nn.Module, ids_N: Sequence[NDArray[np.int32]], arithmetic: Arithmetic) -> Floats:
    """Decision values in evaluation mode, shape (texts, labels), in the order of the texts."""
    was_training = module.training
    module.eval()
    device = next(module.parameters()).device
    most = max(len(ids) for ids in ids_N)
    order = np.argsort([len(ids) for ids in ids_N], kind="stable")[::-1].tolist()
    found: list[tuple[list[int], Floats]] = []
    with torch.inference_mode(), arithmetic.routed(), arithmetic.forward():
        while order:
            size = max(1, _ANSWERED_TOKENS // len(ids_N[order[0]]))
            part, order = order[:size], order[size:]
            batch = _pad([ids_N[place] for place in part], most)
            values = module(**{name: tensor.to(device) for name, tensor in batch.items()})
            found.append((part, values.float().cpu().numpy().astype(np.float64)))
    module.train(was_training)
    places = np.concatenate([part for part, _ in found])
    answers = np.concatenate([values for _, values in found])
    return answers[np.argsort(places)]
