"""Where a training stands, and how that is told while it runs. This file needs no torch."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.events import Events

__all__ = ["Curve", "Epoch", "Place"]

_POINTS = 200  # of the training loss, in one run


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    Attributes:
        number: from 0.
        train_loss: mean over its rows, as they were trained on (with dropout, before each step).
        valid_loss: after it; NaN where nothing watches.
        valid_score: after it; NaN where nothing watches.
        seconds: validation included.
    """

    number: int
    train_loss: float
    valid_loss: float
    valid_score: float
    seconds: float


@dataclass
class Place:
    """Where a training stands between two steps; all of it is in a checkpoint.

    Attributes:
        epoch: the epoch, from 0.
        step: steps done in it.
        steps: steps done in all.
        loss: sum over rows trained on in this epoch.
        rows: trained on in this epoch.
        seconds: of this epoch.
        point_loss: sum over rows since the last point of the curve.
        point_rows: trained on since then.
        epochs: those that are over.
        best: number of the epoch with the least validation loss, or -1.
        stopped_early: whether patience has run out.
        finished: whether nothing is left to do.
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    point_loss: float = 0.0
    point_rows: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    best: int = -1
    stopped_early: bool = False
    finished: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As a checkpoint carries it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` gave."""
        epochs = [Epoch(**epoch) for epoch in told["epochs"]]
        return cls(**{**told, "epochs": epochs})

    def done(self, epochs: float, num_steps: int) -> float:
        """The share of the training that is over in the middle of the step that comes next.

        Args:
            epochs: of the whole training; the last of them may be a part of one.
            num_steps: that this epoch takes.
        """
        share = min(1.0, epochs - self.epoch)  # of this epoch
        return (self.epoch + share * (self.step + 0.5) / num_steps) / epochs

    def note_step(self, loss: float, num_rows: int, seconds: float) -> None:
        """One more step; ``loss`` is the sum over its rows."""
        self.step += 1
        self.steps += 1
        self.loss += loss
        self.rows += num_rows
        self.seconds += seconds
        self.point_loss += loss
        self.point_rows += num_rows

    def end_epoch(self, valid_loss: float, valid_score: float, seconds: float) -> bool:
        """One more epoch, whose validation took ``seconds``; whether it is the best so far."""
        seconds += self.seconds
        train_loss = self.loss / max(self.rows, 1)
        self.epochs.append(Epoch(self.epoch, train_loss, valid_loss, valid_score, seconds))
        is_best = self.best < 0 or valid_loss < self.epochs[self.best].valid_loss
        if is_best:
            self.best = self.epoch
        self.epoch, self.step, self.loss, self.rows, self.seconds = self.epoch + 1, 0, 0.0, 0, 0.0
        return is_best


@dataclass
class Curve:
    """Tells a training to whoever listens.

    Attributes:
        log: who listens.
        epochs: how many there will be at most.
        tokens: trained on in this life of the process.
        seconds: it took, validation left out.
    """

    log: Events
    epochs: float
    tokens: int = 0
    seconds: float = 0.0
    _told: float = field(default_factory=time.monotonic)

    @property
    def tokens_per_second(self) -> float:
        """Of training, padding left out."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def tell_step(self, place: Place, steps_in_epoch: int) -> None:
        """Tell where the training stands, and a point of its loss where one is due."""
        total = place.steps - place.step + math.ceil((self.epochs - place.epoch) * steps_in_epoch)
        self.log.progress("steps", place.steps, total)
        if place.steps % max(1, total // _POINTS) == 0:
            self.log.scalar("loss", place.point_loss / place.point_rows, place.steps)
            place.point_loss, place.point_rows = 0.0, 0
        if time.monotonic() - self._told >= 1:
            self._told = time.monotonic()
            self.log.scalar("tokens_per_second", self.tokens_per_second, place.steps)
            self.log.scalar("epoch", place.epoch + place.step / steps_in_epoch, place.steps)

    def tell_epoch(self, place: Place) -> None:
        """Tell the validation of the epoch that has just ended."""
        last = place.epochs[-1]
        self.log.scalar("epoch", place.epoch, place.steps)
        if not math.isnan(last.valid_loss):
            self.log.scalar("valid_loss", last.valid_loss, place.steps)
            self.log.scalar("valid_score", last.valid_score, place.steps)
