"""Settings of the training loop and of its optimiser."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from volano.core.config import Config

__all__ = ["LoopConfig", "OptimizerConfig"]

_Auto = Literal["auto"]


class OptimizerConfig(Config):
    """How weights move.

    Attributes:
        name: ``momentum`` is SGD with it; ``adamw`` shrinks weights apart from the gradient.
        lr: the highest learning rate of the pretrained weights; ``auto`` goes by how wide they are.
        head_lr: what the learning rate of new weights is multiplied by.
        momentum: of ``momentum``.
        weight_decay: share of a weight that a step at learning rate 1 takes away; with others than
            ``adamw`` by way of the gradient.
        l1: penalty on absolute weights, added to the loss.
        l2: penalty on squared weights, added to the loss.
        clip: longest gradient; longer ones are scaled down; 0 is off.
        schedule: how the learning rate falls after the warm-up.
        warmup: share of all steps in which the learning rate rises from 0.
    """

    name: Literal["adamw", "adam", "sgd", "momentum"] = "adamw"
    lr: Annotated[float, Field(gt=0, le=10)] | _Auto = "auto"
    head_lr: float = Field(10.0, gt=0, le=1000)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0, le=1)
    l1: float = Field(0.0, ge=0, le=1)
    l2: float = Field(0.0, ge=0, le=1)
    clip: float = Field(1.0, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(0.1, ge=0, le=1)


class LoopConfig(Config):
    """How long and in what pieces a network is trained.

    Attributes:
        epochs: passes over the training rows; ``auto`` goes by effort.
        batch_rows: most rows of one batch; ``auto`` is 32, and fewer where training rows are few.
        batch_tokens: most tokens of one batch, padding included.
        accumulate: batches whose gradients make one step.
        precision: of products; ``auto`` is bfloat16 where the processor has it.
        gradient_checkpointing: less memory for about a third more time.
        patience: epochs without a better validation loss after which training ends, with the
            weights of the best; 0 is off.
        checkpoint_seconds: time between checkpoints; 0 writes one after every step.
        processes: how many train together, on processors; the curve is that of one but for dropout.
    """

    epochs: Annotated[float, Field(gt=0, le=1000)] | _Auto = "auto"
    batch_rows: Annotated[int, Field(ge=1, le=4096)] | _Auto = "auto"
    batch_tokens: int = Field(4096, ge=16)
    accumulate: int = Field(1, ge=1, le=1024)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    gradient_checkpointing: bool = False
    patience: int = Field(3, ge=0, le=100)
    checkpoint_seconds: float = Field(30.0, ge=0)
    processes: int = Field(1, ge=1, le=64)
