"""How weights move: optimisers, schedules and penalties. Importing this file imports torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from volano.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from volano.train.loop.config import OptimizerConfig

__all__ = ["add_penalties", "decays", "make_optimizer", "rate", "set_rate"]


def make_optimizer(
    module: nn.Module, config: OptimizerConfig, head: Sequence[str] = ("head.",)
) -> Optimizer:
    """An optimiser of all weights that learn.

    Weights whose names begin with one of ``head`` learn at ``lr * head_lr``; biases, norms and
    other weights of one axis never decay.

    Raises:
        ConfigError: no weight learns, or the learning rate is not said.
    """
    lr = config.lr
    if lr == "auto":
        raise ConfigError(
            "nobody has said the learning rate",
            where="train.optimizer.lr",
            fix="a number, such as 2e-4",
        )
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            kind = name.startswith(tuple(head)), decays(weight)
            groups.setdefault(kind, []).append(weight)
    if not groups:
        raise ConfigError(
            "no weight of this network learns: all are frozen",
            where="train.learner",
            fix="train another learner, such as finetune",
        )
    told = [
        {
            "params": weights,
            "lr": lr * (config.head_lr if is_head else 1.0),
            "weight_decay": config.weight_decay if is_decaying else 0.0,
        }
        for (is_head, is_decaying), weights in groups.items()
    ]
    for group in told:
        group["peak"] = group["lr"]
    return _kind(told, config)


def _kind(groups: list[dict[str, object]], config: OptimizerConfig) -> Optimizer:
    """One kernel for all weights (``fused``) is 2 to 3 times a loop over them, on CPUs too."""
    match config.name:
        case "adamw":
            return torch.optim.AdamW(groups, fused=True)
        case "adam":
            return torch.optim.Adam(groups, fused=True)
        case "momentum":
            return torch.optim.SGD(groups, lr=0.0, momentum=config.momentum, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=0.0, fused=True)


def decays(weight: Tensor) -> bool:
    """Whether it is a matrix: biases and norms are left alone by decay and penalties."""
    return weight.ndim > 1


def rate(config: OptimizerConfig, done: float) -> float:
    """The learning rate as a share of its peak, when ``done`` of the training (0 to 1) is over.

    >>> from volano.train.loop.config import OptimizerConfig
    >>> rate(OptimizerConfig(warmup=0.2), 0.1), rate(OptimizerConfig(warmup=0.2), 0.6)
    (0.5, 0.5)
    """
    if done < config.warmup or config.warmup == 1.0:
        return done / config.warmup
    if config.schedule == "constant":
        return 1.0
    left = (1.0 - done) / (1.0 - config.warmup)
    if config.schedule == "linear":
        return left
    return (1.0 + math.cos(math.pi * (1.0 - left))) / 2.0


def set_rate(optimizer: Optimizer, share: float) -> None:
    """Let each group of weights learn at a share of its own peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def add_penalties(weights: Iterable[Tensor], config: OptimizerConfig) -> None:
    """Add the gradients of ``l1 * sum |w| + l2 * sum w ** 2`` over matrices.

    Added once a step and not through the loss: the same for any number of batches or processes.
    """
    if not config.l1 and not config.l2:
        return
    for weight in weights:
        if weight.grad is None or not decays(weight):
            continue
        if config.l2:
            weight.grad.add_(weight.detach(), alpha=2.0 * config.l2)
        if config.l1:
            weight.grad.add_(weight.detach().sign(), alpha=config.l1)
