"""The tensors that a training changes, by name. Importing this file imports torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from volano.core.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn
    from torch.optim import Optimizer

__all__ = ["State", "hash_module"]


@dataclass
class State:
    """A module, its optimiser and the best weights so far, as tensors by name.

    Weights that do not learn are left out: whoever calls gives the same again.
    """

    module: nn.Module
    optimizer: Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def learned(self) -> dict[str, Tensor]:
        """Weights that learn, and buffers, such as the running means of norms."""
        named = self.module.named_parameters()
        weights = {name: weight for name, weight in named if weight.requires_grad}
        return {**weights, **dict(self.module.named_buffers())}

    @property
    def changing(self) -> dict[str, Tensor]:
        """What a step changes in place."""
        tensors = {f"module.{name}": tensor for name, tensor in self.learned.items()}
        for name, weight in self.module.named_parameters():
            for key, value in self.optimizer.state.get(weight, {}).items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer.{key}.{name}"] = value
        return tensors

    @property
    def kept(self) -> dict[str, Tensor]:
        """What no step changes: the best weights so far."""
        return {f"best.{name}": tensor for name, tensor in self.best.items()}

    @property
    def final(self) -> dict[str, Tensor]:
        """What a finished training leaves, which no step will change."""
        named = self.learned.items()
        return {f"module.{name}": tensor.detach().cpu() for name, tensor in named}

    def keep_best(self) -> None:
        """The weights of now are the best; a copy anew, since the old one may be being written."""
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.learned.items()}

    def take_best(self) -> None:
        """Put the best weights back into the module."""
        with torch.no_grad():
            for name, tensor in self.learned.items():
                tensor.copy_(self.best[name])

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over ``changing`` and ``kept`` from a checkpoint."""
        weights = dict(self.module.named_parameters())
        learned = self.learned
        with torch.no_grad():
            for full_name, tensor in tensors.items():
                kind, _, name = full_name.partition(".")
                if kind == "module":
                    learned[name].copy_(tensor)
                elif kind == "best":
                    self.best[name] = tensor
                else:
                    key, _, name = name.partition(".")
                    self.optimizer.state[weights[name]][key] = tensor.to(weights[name].device)


def hash_module(module: nn.Module) -> str:
    """A hash of all weights and buffers, those that do not learn too."""
    tensors: dict[str, Any] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    told = []
    for name, tensor in sorted(tensors.items()):
        content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        told.append([name, str(tensor.dtype), hashlib.sha256(content).hexdigest()])
    return hash_json(told)
