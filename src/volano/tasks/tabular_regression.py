"""Regression: which number the columns of a row speak for, and how far off it may be.

A target is the number as text, in one spelling (``number_text``), so that sources, feedback and
reviews keep truth in one form whatever the kind of work; only this file knows that it is a number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from volano.core.cells import is_missing, read_number
from volano.core.errors import DataError
from volano.core.nouns import Answer
from volano.tasks.numbers import (
    INTERVAL,
    NUMBER_METRICS,
    NumberOutcomes,
    number_of,
    number_text,
)
from volano.tasks.task import LabelsConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from volano.tasks.scoring import Metric

__all__ = ["TabularRegression"]

_LARGEST = 1e150  # beyond it squares of errors leave the numbers


@dataclass(frozen=True)
class TabularRegression:
    """Which number a row of a table has."""

    labels: LabelsConfig = field(default_factory=LabelsConfig)
    name: str = "tabular-regression"
    input: Literal["text", "columns"] = "columns"
    answers: Literal["labels", "number"] = "number"
    needs_target: bool = True
    is_multiple: bool = False
    learners: tuple[str, ...] = ("linear", "trees", "blend", "mlp")
    metrics: Mapping[str, Metric] = field(default_factory=lambda: NUMBER_METRICS)
    default_metric: str = "rmse"

    @property
    def target_type(self) -> pa.DataType:
        """A list of one string: the number, in one spelling."""
        return pa.list_(pa.string())

    def read_target(self, cell: object, names: Sequence[str] = ()) -> tuple[str, ...] | None:
        """The number of a cell, in one spelling; None where there is none.

        >>> TabularRegression().read_target(" 1,250.50 ")
        ('1250.5',)

        Raises:
            DataError: the cell is no number, or none that can be computed with.
        """
        if isinstance(cell, list | tuple):
            cell = cell[0] if len(cell) == 1 else (None if not cell else str(list(cell)))
        if is_missing(cell):
            return None
        number = read_number(cell)
        if math.isnan(number):
            raise DataError(
                "{cell!r} is no number",
                fix="write it with digits and a point, as in 1250.5, or leave it empty",
                cell=str(cell)[:80],
            )
        if abs(number) > _LARGEST:
            raise DataError(
                "{cell!r} is too large a number to compute with",
                fix="mend it, or leave the cell empty where the number is not known",
                cell=str(cell)[:80],
            )
        return (number_text(number),)

    def today(self, labels: Sequence[str]) -> tuple[str, ...]:
        """A number has no other name."""
        return tuple(labels)

    def answer_today(self, answer: Answer) -> Answer:
        """As it is."""
        return answer

    def guess(self, targets: Iterable[Sequence[str]]) -> Answer:
        """The mean, and the interval that holds nine in ten: all that can be said unread."""
        truth = np.array([number_of(tuple(target)) for target in targets])
        if not truth.size:
            raise ValueError("there are no training rows to guess from")
        low, high = np.quantile(truth, ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
        return Answer.of_number(float(truth.mean()), float(low), float(high))

    def outcomes(self, truth: Sequence[Sequence[str]], answers: Sequence[Answer]) -> NumberOutcomes:
        """Truth and answers as arrays."""
        told = [(answer.value, answer.low, answer.high) for answer in answers]
        value, low, high = np.array(told, dtype=np.float64).reshape(-1, 3).T
        true = np.array([number_of(tuple(target)) for target in truth], dtype=np.float64)
        return NumberOutcomes.of(true, value, low, high)

    def output(self, answer: Answer) -> dict[str, object]:
        """``value``, ``low``, ``high``, and reasons where they were asked for."""
        said: dict[str, object] = {"value": answer.value, "low": answer.low, "high": answer.high}
        if answer.reasons:
            said["reasons"] = [{"text": text, "weight": weight} for text, weight in answer.reasons]
        return said
