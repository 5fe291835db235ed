"""The line of a training that runs: where it is, its curve so far, its pace, and what is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Event

__all__ = ["LiveTraining"]

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-=#"  # for terminals without Unicode
_BARS_SHOWN = 16


@dataclass
class LiveTraining:
    """What one stage has told of its training: last figures, and the losses for a small curve."""

    figures: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    began: tuple[float, int] | None = None  # when this process took the first step, and which

    def hear(self, event: Event) -> None:
        """A point of a curve, or a step."""
        if event.kind == "scalar" and event.value is not None:
            self.figures[event.text] = event.value
            if event.text == "loss":
                self.losses.append(event.value)
        elif event.kind == "progress" and (self.began is None or event.done < self.began[1]):
            self.began = time.monotonic(), event.done

    def line(self, event: Event, *, is_plain: bool) -> str:
        """``epoch 2.3, step 412 of 936 ▇▅▂ loss 0.31, score 0.931, 5,120 tokens/s, 2:10 left``."""
        told = []
        if "epoch" in self.figures:
            told.append(f"epoch {self.figures['epoch']:.1f}")
        told.append(f"step {event.done:,} of {event.total:,}")
        if self.losses:
            bars = _PLAIN if is_plain else _BARS
            told.append(f"{_curve(self.losses, bars)} loss {self.losses[-1]:.3g}")
        if "valid_score" in self.figures:
            told.append(f"score {self.figures['valid_score']:.3f}")
        if "tokens_per_second" in self.figures:
            told.append(f"{self.figures['tokens_per_second']:,.0f} tokens/s")
        left = self._seconds_left(event)
        if left is not None:
            told.append(f"{int(left) // 60}:{int(left) % 60:02} left")
        return ", ".join(told)

    def _seconds_left(self, event: Event) -> float | None:
        if self.began is None or event.done <= self.began[1]:
            return None
        since, first = self.began
        return (event.total - event.done) * (time.monotonic() - since) / (event.done - first)


def _curve(values: Sequence[float], bars: str) -> str:
    """The whole curve in a few characters, each the mean of its stretch."""
    num = min(len(values), _BARS_SHOWN)
    cuts = [len(values) * place // num for place in range(num + 1)]
    means = [
        sum(values[start:end]) / (end - start) for start, end in zip(cuts, cuts[1:], strict=False)
    ]
    low, high = min(means), max(means)
    scale = (len(bars) - 1) / (high - low) if high > low else 0.0
    return "".join(bars[round((mean - low) * scale)] for mean in means)
