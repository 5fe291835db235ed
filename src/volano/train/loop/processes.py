"""The processes that train together; one is a team by itself. Importing this file imports torch.

Gradients are added up by hand, once a step and in one piece: so a module may be called in any way,
a process may be left without rows, and a batch cut unevenly weighs each row alike.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

__all__ = ["Team"]


@dataclass(frozen=True)
class Team:
    """Attributes: the device, this process's number, and how many there are."""

    device: torch.device
    number: int
    size: int

    @classmethod
    def join(cls) -> Self:
        """The team that this process was started in, by ``launch`` or ``accelerate launch``."""
        from accelerate import PartialState

        # Unlike Accelerator, it does not read this for itself; a team on processors fell apart.
        state = PartialState(cpu=os.environ.get("ACCELERATE_USE_CPU", "") == "true")
        return cls(state.device, state.process_index, state.num_processes)

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes checkpoints and tells the curve."""
        return self.number == 0

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's rows of a batch: of like length in each process; perhaps none."""
        return rows[self.number :: self.size]

    def add_up(self, weights: Sequence[Tensor], sums: Sequence[float]) -> list[float]:
        """Add up gradients over the team, in place, and numbers beside them.

        A weight that got a gradient in one process has one in all, as if one had seen all rows.
        """
        if self.size == 1:
            return list(sums)
        from accelerate.utils import reduce

        told = torch.tensor([*sums, *(float(w.grad is not None) for w in weights)])
        grads = [(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in weights]
        flat = torch.cat([told.to(self.device), *(grad.float() for grad in grads)])
        total = reduce(flat, "sum")
        heads: list[float] = total[: len(told)].tolist()
        place = len(told)
        for weight, has_grad in zip(weights, heads[len(sums) :], strict=True):
            if has_grad:
                part = total[place : place + weight.numel()]
                weight.grad = part.view_as(weight).to(weight.dtype)
            place += weight.numel()
        return heads[: len(sums)]

    def hear(self, values: Sequence[float]) -> list[float]:
        """What the first process says."""
        if self.size == 1:
            return list(values)
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        said = torch.tensor(list(values), dtype=kind, device=self.device)
        self.copy([said])
        return [float(value) for value in said.tolist()]

    def copy(self, tensors: Iterable[Tensor]) -> None:
        """Make these tensors those of the first process, in place."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.detach(), src=0)
