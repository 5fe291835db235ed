"""``linear`` of tables: the baseline of every project with columns; quick, and easy to explain."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.core.seeds import derive_seed
from volano.models.table_linear import TableLinearEngine
from volano.train.fitted import Made, fitted
from volano.train.tables.heads import fit_table_head
from volano.train.tables.lesson import TableLesson, told_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["LINEAR", "TableLinear"]


@dataclass(frozen=True)
class TableLinear:
    """A learner of weights over standardised columns and levels."""

    name: str = "linear"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset({"folds", "settings_tried", "unknown_false_alarms", "seed"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """One label, or a number."""
        return not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose the penalty on held-out rows, calibrate, refit on all of them."""
        assert config.settings_tried != "auto"
        assert config.seed != "auto"
        began = time.monotonic()
        table = TableLesson.of(lesson, config, log)
        found = fit_table_head(table, config.settings_tried, derive_seed(config.seed, "linear"))
        engine = TableLinearEngine(table.featuriser, found.weights_DL, found.bias_L)

        def values_of(places: Sequence[int]) -> Floats:
            # From the codes of training: an error in reading rows shows as a gap.
            dense = table.dense(np.asarray(places, np.int64))
            values: Floats = dense @ found.weights_DL + found.bias_L
            return values

        told = {
            "settings": {"linear": f"penalty={found.penalty:g}"},
            "penalties": {f"{penalty:g}": grade for penalty, grade in found.grades.items()},
            "features": table.featuriser.width,
            "rows_fitted": found.num_fitted,
            "seconds": round(time.monotonic() - began, 1),
        }
        made = Made(
            "table-linear",
            engine.settings(),
            engine.arrays(),
            values_of,
            told,
            engine.files(),
            told_columns(table.featuriser),
            table.is_forward,
        )
        return fitted(made, table.row_H, found.values_HL, table.rows, config)


LINEAR = TableLinear()
