"""``blend`` of tables: the linear model and the trees answer together.

They err elsewhere: trees cut where data is dense, a line goes on where it is thin. It trains
nothing but the weights, on rows that both parts answered without having seen them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.models.bundle import read_spec
from volano.models.ensemble import EnsembleEngine, Part
from volano.models.predictor import Predictor
from volano.train.calibrate import SHARES, mix
from volano.train.fitted import Made, fitted
from volano.train.held_out import read_held_out
from volano.train.learners.ensemble import part_files
from volano.train.tables.lesson import rows_at, told_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.held_out import Marked
    from volano.train.learner import Fitted, Lesson, TrainingSet

__all__ = ["BLEND", "TableBlend"]


@dataclass(frozen=True)
class TableBlend:
    """A learner that weighs the models of two others."""

    name: str = "blend"
    parts: tuple[str, ...] = ("linear", "trees")
    reads: frozenset[str] = frozenset({"unknown_false_alarms"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """One label, or a number, as both of its parts."""
        return not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose shares (of labels a temperature too) on rows that both parts had not seen."""
        rows = lesson.rows
        folders = [lesson.parts[name].folder for name in self.parts]
        marked = [read_held_out(folder) for folder in folders]
        row_H = np.intersect1d(marked[0].row_N, marked[1].row_N)
        weigh = _weigh_numbers if rows.answers == "number" else _weigh_labels
        share, values_HL = weigh([found.at(row_H) for found in marked], row_H, rows)
        shares = (1.0 - share, share)
        parts = [
            Part(one, _temperature(folder)) for one, folder in zip(shares, folders, strict=True)
        ]
        # The bundles as they were written: their own reading of rows has been compared before.
        engines = [Predictor.load(folder).engine for folder in folders]
        engine = EnsembleEngine(tuple(engines), tuple(parts))

        def values_of(places: Sequence[int]) -> Floats:
            return engine.decide(rows_at(rows, places))

        told = {
            "shares": dict(zip(self.parts, shares, strict=True)),
            "held_out_rows": len(row_H),
        }
        settings = {"parts": [asdict(part) for part in parts]}
        columns = told_columns(engine.featuriser)
        # Parts that answered the latest rows alone have left the others out.
        is_forward = lesson.is_forward and len(row_H) < len(rows)
        files = part_files(folders)
        made = Made("ensemble", settings, {}, values_of, told, files, columns, is_forward)
        return fitted(made, row_H, values_HL, rows, config)


BLEND = TableBlend()


def _temperature(folder: Path) -> float:
    """That a part was calibrated with; numbers have none."""
    return float(read_spec(folder).calibration.get("temperature", 1.0))


def _weigh_labels(
    marked: Sequence[Marked], row_H: NDArray[np.int64], rows: TrainingSet
) -> tuple[float, Floats]:
    logs = [np.log(np.maximum(found.of_labels.scores_NC, 1e-12)) for found in marked]
    return mix(logs[0], logs[1], rows.class_N[row_H])


def _weigh_numbers(
    marked: Sequence[Marked], row_H: NDArray[np.int64], rows: TrainingSet
) -> tuple[float, Floats]:
    first_H, second_H = (found.of_numbers.value_N for found in marked)
    weight_H, truth_H = rows.weight_N[row_H], rows.number_N[row_H]

    def loss(share: float) -> float:
        return float(weight_H @ ((1.0 - share) * first_H + share * second_H - truth_H) ** 2)

    best = min(SHARES, key=lambda share: (loss(share), share))
    return best, ((1.0 - best) * first_H + best * second_H)[:, None]
