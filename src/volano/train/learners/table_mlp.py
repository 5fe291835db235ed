"""``mlp``: a small network over the columns of a table, trained by the loop that encoders are.

Trees are rarely beaten by it; it errs elsewhere, and is there for who wants a network. It is tried
with the effort ``thorough``, or where the project names it. A tenth of the rows it learns from says
when to stop, so rows held out chose nothing.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volano.core.seeds import derive_seed
from volano.models.table_mlp import TableMlpEngine
from volano.train.config import NEEDS
from volano.train.fitted import Made, fitted
from volano.train.folds import NEVER, assign_folds, table_strata
from volano.train.learners.table_linear import LINEAR
from volano.train.tables.lesson import TableLesson, fill_absent, told_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson
    from volano.train.loop.fit import History
    from volano.train.tables.lesson import Ints
    from volano.train.tables.network import Network, NetworkRows

__all__ = ["MLP", "TableMlp"]

_MOST_FOLDS = 5  # a training each
_FEWEST_WATCHED = 100  # of fewer rows none are spared to say when to stop
_PARTS = 10


@dataclass(frozen=True)
class TableMlp:
    """A learner of a small network."""

    name: str = "mlp"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset({"folds", "mlp", "seed", "unknown_false_alarms"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """One label, or a number."""
        return not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Answer held-out rows by networks of the others, then learn from all rows.

        Raises:
            MissingExtraError: torch is not installed.
            ConfigError: the loss left the numbers, or memory is too little.
        """
        from volano.train.encoders.base import need_packages

        need_packages(NEEDS[self.name], where="train.learner")
        from volano.train.tables.network import answer

        began = time.monotonic()
        table = TableLesson.of(lesson, config, log)
        if not table.featuriser.width:
            log.note("there is nothing that a network could read: a linear model stands for it")
            return LINEAR.fit(lesson, config, log)
        course = _Course.of(table, config, lesson.scratch, log)
        values_HL = course.values_of_held_rows()
        network, history = course.train("whole", np.arange(len(table)))
        *layers, (weights, bias) = network.arrays()
        # The last layer answers on the scale of the numbers that were learnt.
        weights, bias = weights.astype(np.float64), bias.astype(np.float64)
        last = weights * course.unit, bias * course.unit + course.centre
        engine = TableMlpEngine(table.featuriser, (*layers, last))

        def values_of(places: Sequence[int]) -> Floats:
            # From the codes of training: an error in reading rows shows as a gap.
            dense = table.dense(np.asarray(places, np.int64)).astype(np.float32)
            return answer(network, dense) * course.unit + course.centre

        told = {
            "settings": {"mlp": f"hidden layers of {config.mlp.hidden}"},
            **_told(history),
            "seconds": round(time.monotonic() - began, 1),
        }
        made = Made(
            "table-mlp",
            engine.settings(),
            engine.arrays(),
            values_of,
            told,
            engine.files(),
            told_columns(table.featuriser),
            table.is_forward,
        )
        return fitted(made, table.row_H, values_HL, table.rows, config)


MLP = TableMlp()


@dataclass(frozen=True)
class _Course:
    """The trainings of one fit: one for each fold, and one for all rows.

    Attributes:
        table: the rows.
        numbers: the same, as networks are trained on them.
        centre: of the numbers that are learnt, and of labels 0.
        unit: their standard deviation, and of labels 1.
    """

    table: TableLesson
    numbers: NetworkRows
    centre: float
    unit: float
    config: TrainConfig
    scratch: Path | None
    log: Events

    @classmethod
    def of(
        cls, table: TableLesson, config: TrainConfig, scratch: Path | None, log: Events
    ) -> _Course:
        from volano.train.tables.network import NetworkRows

        rows = table.rows
        weight_N = (rows.weight_N / (float(rows.weight_N.mean()) or 1.0)).astype(np.float32)
        dense_ND = table.dense(np.arange(len(table))).astype(np.float32)
        if not table.is_number:
            numbers = NetworkRows(dense_ND, rows.class_N, weight_N)
            return cls(table, numbers, 0.0, 1.0, config, scratch, log)
        centre, unit = float(rows.number_N.mean()), float(rows.number_N.std()) or 1.0
        target_N = ((rows.number_N - centre) / unit).astype(np.float32)
        numbers = NetworkRows(dense_ND, target_N, weight_N)
        return cls(table, numbers, centre, unit, config, scratch, log)

    def values_of_held_rows(self) -> Floats:
        """Values of the rows that are held out, by networks that had not seen them."""
        from volano.train.tables.network import answer

        table = self.table
        num = min(table.num_folds, _MOST_FOLDS)
        fold_N = np.where(table.fold_N == NEVER, NEVER, table.fold_N % num)
        found = np.empty((len(table), table.num_values))
        for fold in range(num):
            held, others = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
            network, _ = self.train(f"fold-{fold}", others)
            values = answer(network, self.numbers.dense_ND[held]) * self.unit + self.centre
            if not table.is_number:
                counts = np.bincount(table.rows.class_N[others], minlength=table.num_values)
                values = fill_absent(values, counts > 0, len(others))
            found[held] = values
        return found[table.row_H]

    def train(self, part: str, places: Ints) -> tuple[Network, History]:
        """One training on these rows, of which a tenth says when to stop."""
        from volano.train.tables.network import NetworkJob, train_network

        assert self.config.seed != "auto"
        seed = derive_seed(self.config.seed, "mlp", part)
        learnt, watched = self._spare(places, seed)
        scratch = self.scratch / part if self.scratch is not None else None
        # Steps of each training count from 0: on one curve they would overwrite each other.
        log = self.log if part == "whole" else self.log.of(f"{self.log.stage}.{part}")
        job = NetworkJob(
            self.numbers.at(learnt),
            self.numbers.at(watched) if len(watched) else None,
            self.table.num_values,
            self.config.mlp,
            self.config.loop,
            seed,
        )
        return train_network(job, scratch, log)

    def _spare(self, places: Ints, seed: int) -> tuple[Ints, Ints]:
        """Rows to learn from, and rows to stop by; units stay together."""
        if len(places) < _FEWEST_WATCHED:
            return places, places[:0]
        rows = self.table.rows
        part_N = assign_folds(table_strata(rows)[places], rows.unit_N[places], _PARTS, seed)
        return places[part_N != 0], places[part_N == 0]


def _told(history: History) -> dict[str, Any]:
    epochs = [asdict(epoch) for epoch in history.epochs]
    for epoch in epochs:
        for name in ("valid_loss", "valid_score"):
            epoch[name] = epoch[name] if math.isfinite(epoch[name]) else None
    return {
        "epochs": epochs,
        "best_epoch": history.best,
        "stopped_early": history.stopped_early,
        "steps": history.steps,
        "finishing_epoch": False,
    }
