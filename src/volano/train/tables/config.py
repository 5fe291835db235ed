"""Settings of learners of tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from volano.core.config import Config

__all__ = ["MlpConfig", "TreesConfig"]

_Auto = Literal["auto"]


class TreesConfig(Config):
    """How boosted trees grow.

    Attributes:
        rounds: most rounds, of one tree each (of more than two labels one for each); fewer are
            taken where held-out rows gain nothing more; ``auto`` goes by effort.
        learning_rate: how much of what it found each tree adds; ``auto`` is 50 by the most rounds.
        leaves: most leaves of a tree; ``auto`` compares some shapes of trees on held-out rows.
        seeds: how many models, alike but for chance, answer together where that pays; ``auto`` goes
            by effort.
    """

    rounds: Annotated[int, Field(ge=1, le=100_000)] | _Auto = "auto"
    learning_rate: Annotated[float, Field(gt=0, le=1)] | _Auto = "auto"
    leaves: Annotated[int, Field(ge=2, le=1024)] | _Auto = "auto"
    seeds: Annotated[int, Field(ge=1, le=64)] | _Auto = "auto"


class MlpConfig(Config):
    """A network of a few layers over the columns of a table, and how it is trained.

    Attributes:
        hidden: the width of each hidden layer.
        dropout: share of a hidden layer that is switched off by chance in each step.
        epochs: most passes over the training rows.
        patience: epochs without a better validation loss after which training ends.
        lr: the highest learning rate.
        weight_decay: share of a weight that a step at learning rate 1 takes away.
        batch_rows: rows of one step; ``auto`` is 256, and fewer where training rows are few.
    """

    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=4)] = (
        128,
        64,
    )
    dropout: float = Field(0.1, ge=0, lt=1)
    epochs: float = Field(100.0, gt=0, le=10_000)
    patience: int = Field(10, ge=1, le=1000)
    lr: float = Field(2e-3, gt=0, le=10)
    weight_decay: float = Field(0.01, ge=0, le=1)
    batch_rows: Annotated[int, Field(ge=1, le=4096)] | _Auto = "auto"
