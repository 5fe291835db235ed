"""From a lesson to a fitted encoder classifier, whatever it starts from.

Held-out answers come from rows that the answering model never saw. Where rows are many, some are
held out (``held_rows``): they choose the epoch and calibrate, and a finishing epoch over all rows
ends it. Where they are few, folds answer all rows, epochs are fixed, and the model is trained on
all rows, as the light learners do.
Importing this file imports torch.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from volano.core.seeds import derive_seed
from volano.models.encoder import CONFIG
from volano.models.tokens import TOKENIZER
from volano.train.encoders.native import module_arrays
from volano.train.encoders.rows import Rows, answer
from volano.train.encoders.training import Job, Way, train_encoder
from volano.train.fitted import Made, fitted
from volano.train.folds import folds_of, held_rows
from volano.train.loop.batches import choose_rows
from volano.train.loop.precision import choose_arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.models.encoder import Encoder, Shape
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson
    from volano.train.loop.fit import History

__all__ = ["Start", "fit_classifier"]

_FINISHING = 0.25  # of the learning rate, in the finishing epoch


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Attributes:
        make: a fresh module with the weights to start from, given a seed for its new weights.
        shape: pooling, head and width.
        config: content of the body's ``config.json``.
        tokenizer: content of ``tokenizer.json``.
        rows: training rows, then validation rows.
        lr: the highest learning rate of weights that are not new.
        told: what is worth telling about all this.
        way: all weights, or low-rank changes to them.
    """

    make: Callable[[int], Encoder]
    shape: Shape
    config: bytes
    tokenizer: bytes
    rows: Rows
    lr: float
    told: dict[str, Any] = field(default_factory=dict)
    way: Way = "full"


@dataclass(frozen=True)
class _Trained:
    """A module, answers to rows by models that had not seen them, and how it went.

    Attributes:
        module: the one that is kept.
        held_H: places of the rows.
        values_HC: decision values there.
        history: of its training, before the finishing epoch.
        watched: of each training that validation rows or a fold watched.
        how: all this in words.
        is_finished: whether a finishing epoch followed.
    """

    module: Encoder
    held_H: NDArray[np.int64]
    values_HC: Floats
    history: History
    watched: tuple[History, ...]
    how: str
    is_finished: bool


def fit_classifier(
    name: str, start: Start, lesson: Lesson, config: TrainConfig, log: Events
) -> Fitted:
    """Train, calibrate on held-out rows, and say how it went."""
    begun = time.monotonic()
    batch_rows, batch_rows_why = choose_rows(config.loop, len(lesson.train))
    course = _Course(name, start, lesson, _settled(config, start.lr, batch_rows), log)
    assert config.seed != "auto"
    held_H = held_rows(lesson, config.seed)
    found = course.by_holding_out(held_H) if len(held_H) else course.by_folds()

    def values_of(places: Sequence[int]) -> Floats:
        # From the token numbers that it was trained on: an error in reading texts shows as a gap.
        return answer(found.module, [start.rows.ids_N[place] for place in places], _exact())

    told = {
        **start.told,
        "batch_rows": batch_rows,
        "batch_rows_why": batch_rows_why,
        **_told(found),
        "seconds": round(time.monotonic() - begun, 1),
    }
    files = {CONFIG: start.config, TOKENIZER: start.tokenizer}
    arrays = module_arrays(found.module)
    made = Made("encoder", start.shape.to_dict(), arrays, values_of, told, files)
    return fitted(made, found.held_H, found.values_HC, lesson.rows, config)


@dataclass(frozen=True)
class _Course:
    """The trainings of one fit: one, or one for each fold and one for all rows."""

    name: str
    start: Start
    lesson: Lesson
    config: TrainConfig
    log: Events

    def by_holding_out(self, held: NDArray[np.int64]) -> _Trained:
        """Learn from the other rows; those held out choose the epoch and calibrate.

        They choose among a few epochs by a loss over all of them, which leaves their answers nearly
        as honest as those of rows that chose nothing; the test set has chosen nothing at all.

        When they have answered, a finishing epoch over all rows lets the model learn from them too,
        as light learners are fitted again on all rows. Calibration, and all that is compared, is
        that of the model before it.
        """
        every = np.arange(len(self.lesson.rows))
        module, history = self._train("whole", np.setdiff1d(every, held), held)
        values = answer(module, self.start.rows.at(held).ids_N, _exact())
        as_it_is = replace(self.start, make=lambda _: module)
        finishing = replace(self, start=as_it_is, config=_slow(self.config))
        self.log.note("a finishing epoch over all rows, those held out among them")
        module, _ = finishing._train("finish", every, every[:0])
        how = f"{len(held)} rows, before a finishing epoch over all rows"
        return _Trained(module, held, values, history, (history,), how, is_finished=True)

    def by_folds(self) -> _Trained:
        """Answer each row by a model of the other folds, then learn from all rows.

        A teacher has seen all rows, so it teaches none of the models that answer for a fold.
        """
        rows = self.lesson.rows
        fold_N = folds_of(rows, self.config)
        num_folds = int(fold_N.max()) + 1
        self.log.note(
            f"{len(rows)} rows are too few to hold some out: {num_folds} folds are answered by "
            "models of the others, and the model learns from all rows"
        )
        values_NC = np.empty(rows.truth_NC.shape)
        watched = []
        for fold in range(num_folds):
            held = np.flatnonzero(fold_N == fold)
            others = np.flatnonzero(fold_N != fold)
            module, history = self._train(f"fold-{fold}", others, held, is_fold=True)
            values_NC[held] = answer(module, self.start.rows.at(held).ids_N, _exact())
            watched.append(history)
        every = np.arange(len(rows))
        module, history = self._train("whole", every, every[:0])
        how = f"all rows, each by a model of the other {num_folds - 1} of {num_folds} folds"
        return _Trained(module, every, values_NC, history, tuple(watched), how, is_finished=False)

    def _train(
        self,
        part: str,
        train: NDArray[np.int64],
        held: NDArray[np.int64],
        *,
        is_fold: bool = False,
    ) -> tuple[Encoder, History]:
        assert self.config.seed != "auto"
        seed = derive_seed(self.config.seed, self.name, part)
        rows, watched = self.start.rows.at(train), self.start.rows.at(held)
        rows = rows.without_teacher() if is_fold else rows
        scale = len(rows) / (float(rows.weight_N.sum()) or 1.0)
        rows = replace(rows, weight_N=(rows.weight_N * scale).astype(np.float32))
        job = Job(
            rows,
            watched.without_teacher() if len(held) else None,
            self.config,
            self.lesson.rows.is_multiple,
            self.start.way,
            seed,
            keeps_best=not is_fold,  # the model of all rows has nothing to choose an epoch by
        )
        scratch = self.lesson.scratch / part if self.lesson.scratch is not None else None
        # Steps of each training count from 0: on one curve they would overwrite each other.
        log = self.log if part == "whole" else self.log.of(f"{self.log.stage}.{part}")
        return train_encoder(job, self.start.make(seed), scratch, log)


def _settled(config: TrainConfig, lr: float, batch_rows: int) -> TrainConfig:
    """With numbers that are the same for each training of the fit."""
    optimizer = config.optimizer.model_copy(update={"lr": lr})
    loop = config.loop.model_copy(update={"batch_rows": batch_rows})
    return config.model_copy(update={"optimizer": optimizer, "loop": loop})


def _slow(config: TrainConfig) -> TrainConfig:
    """One epoch at a quarter of the learning rate, falling to none."""
    lr = float(config.optimizer.lr) * _FINISHING
    slow = {"lr": lr, "warmup": 0.0, "schedule": "linear"}
    optimizer = config.optimizer.model_copy(update=slow)
    loop = config.loop.model_copy(update={"epochs": 1.0, "patience": 0})
    return config.model_copy(update={"optimizer": optimizer, "loop": loop})


def _exact() -> Any:
    """Float32 on the processor: parity is to measure the export, not the training's rounding."""
    return choose_arithmetic("float32", torch.device("cpu"))


def _told(found: _Trained) -> dict[str, Any]:
    epochs = []
    for place, epoch in enumerate(found.history.epochs):
        seen = [history.epochs[place] for history in found.watched if place < len(history.epochs)]
        line = asdict(epoch)
        for name in ("valid_loss", "valid_score"):
            values = [getattr(one, name) for one in seen]
            is_known = bool(values) and not any(math.isnan(value) for value in values)
            line[name] = float(np.mean(values)) if is_known else None
        epochs.append(line)
    return {
        "epochs": epochs,
        "best_epoch": found.history.best,
        "stopped_early": found.history.stopped_early,
        "steps": found.history.steps,
        "held_out": found.how,
        "finishing_epoch": found.is_finished,
        **found.history.told,
    }
