"""What stands in the way of a training, and how it is told. Importing this file imports torch."""

from __future__ import annotations

import math
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.compute.machine import is_of_memory
from volano.core.errors import ConfigError, ExhaustedError, Term

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from torch import nn

    from volano.train.loop.curve import Place

__all__ = ["Stop", "check_finite", "recompute_layers", "stoppable", "telling_memory"]


@dataclass
class Stop:
    """Whether somebody has asked the training to stop."""

    asked: bool = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Hear the first signal; the second interrupts at once."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C wait for the end of a step, where nothing is half changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python gives signals to the main thread alone
        return
    before = signal.signal(signal.SIGINT, stop.ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def check_finite(name: Term, value: float, place: Place, lr: float) -> None:
    """Stop a training that has left the numbers.

    Raises:
        ConfigError: ``value`` is infinite or not a number.
    """
    if math.isfinite(value):
        return
    raise ConfigError(
        "{name} became {value} in step {step} (epoch {epoch}): the training has diverged",
        where="train.optimizer.lr",
        fix="a lower one, such as {lower:.1g}; or --set train.loop.precision=float32",
        name=name,
        value=value,
        step=place.steps + 1,
        epoch=place.epoch + 1,
        lower=lr / 4,
    )


@contextmanager
def telling_memory(batch_tokens: int) -> Iterator[None]:
    """Say what to lower where memory is too little.

    Raises:
        ExhaustedError: it was.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_of_memory(error):
            raise
        raise ExhaustedError(
            "there is too little memory to train on batches of {tokens} tokens",
            where="train.loop.batch_tokens",
            fix="lower it, such as to {fewer}; or --set train.loop.gradient_checkpointing=true",
            tokens=batch_tokens,
            fewer=max(16, batch_tokens // 2),
        ) from error


def recompute_layers(module: nn.Module) -> None:
    """Keep no activations within layers; compute them again when gradients need them.

    Raises:
        ConfigError: no part of the module knows how.
    """
    for part in module.modules():
        for kind in ("activation", "gradient"):  # what transformers calls it now, and did before
            enable: Any = getattr(part, f"{kind}_checkpointing_enable", None)
            if enable is not None and getattr(part, "supports_gradient_checkpointing", True):
                enable(**{f"{kind}_checkpointing_kwargs": {"use_reentrant": False}})
                return
    raise ConfigError(
        "this network cannot recompute its layers",
        where="train.loop.gradient_checkpointing",
        fix="leave it out; lower train.loop.batch_tokens to save memory",
    )
