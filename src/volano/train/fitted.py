"""How all learners end: they calibrate on held-out rows and say what goes into the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.models.bundle import Spec
from volano.models.spread import Spread
from volano.tasks.costs import cost_matrix
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes
from volano.train.calibrate import calibrate
from volano.train.learner import Fitted, HeldOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from volano.models.calibration import Floats
    from volano.tasks.outcomes import Outcomes
    from volano.train.config import TrainConfig
    from volano.train.learner import TrainingSet

__all__ = ["Made", "fitted"]


@dataclass(frozen=True)
class Made:
    """What a learner has made, before calibration.

    Attributes:
        engine: that answers from it.
        settings: of the engine.
        arrays: of the engine.
        values_of: the training-time model's decision values on rows, by the training code's path.
        told: what is worth telling.
        files: beside the arrays, by relative path.
        features: of tables, what each column was taken for.
        is_forward: whether the rows that were held out are the latest.
    """

    engine: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    values_of: Callable[[Sequence[int]], Floats]
    told: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    features: Sequence[Mapping[str, str]] = ()
    is_forward: bool = False


def fitted(
    made: Made, row_H: NDArray[np.int64], values_HC: Floats, rows: TrainingSet, config: TrainConfig
) -> Fitted:
    """Calibrate by decision values on rows that the answering model had not seen.

    Args:
        made: by the learner.
        row_H: places of the held-out rows.
        values_HC: decision values there; of numbers one column, the number.
        rows: training rows, then validation rows.
        config: how unknown texts are told apart.
    """
    if rows.answers == "number":
        told = _numbers(row_H, values_HC, rows, is_forward=made.is_forward)
    else:
        told = _labels(row_H, values_HC, rows, config)
    settings, arrays, unknown, outcomes = told
    spec = Spec(
        task=rows.task,
        engine=made.engine,
        text=rows.text,
        labels=rows.labels,
        is_multiple=rows.is_multiple,
        unknown=unknown,
        settings=made.settings,
        calibration=settings,
        columns=rows.columns,
        answers=rows.answers,
    )
    return Fitted(
        spec,
        {**made.arrays, **arrays},
        HeldOut(row_H, outcomes(row_H, values_HC)),
        lambda places: outcomes(np.asarray(places, np.int64), made.values_of(places)),
        made.told,
        made.files,
        made.features,
    )


_Outcomes = Callable[["NDArray[np.int64]", "Floats"], "Outcomes"]  # of rows and decision values
_Calibrated = tuple[Mapping[str, Any], Mapping[str, "NDArray[Any]"], str, _Outcomes]


def _labels(
    row_H: NDArray[np.int64], values_HC: Floats, rows: TrainingSet, config: TrainConfig
) -> _Calibrated:
    """Probabilities and decisions: settings, arrays, the unknown label, and how rows come out."""
    unknown = rows.labels.index(rows.unknown) if rows.unknown in rows.labels else None
    # A text may be about anything; a row of a table is none of the labels only if some are none.
    may_be_none = not rows.columns or unknown is not None
    calibration = calibrate(
        values_HC,
        rows.truth_NC[row_H],
        unknown,
        is_multiple=rows.is_multiple,
        false_alarms=config.unknown_false_alarms if may_be_none else None,
        cost_CC=cost_matrix(rows.labels, rows.costs) if rows.costs else None,
    )

    def outcomes(row_M: NDArray[np.int64], values_MC: Floats) -> LabelOutcomes:
        scores = calibration.probabilities(values_MC)
        decided = calibration.decide(scores, unknown)
        return LabelOutcomes(rows.labels, rows.truth_NC[row_M], decided, scores, rows.is_multiple)

    name = "" if unknown is None else rows.unknown
    return calibration.settings(), calibration.arrays(), name, outcomes


def _numbers(
    row_H: NDArray[np.int64], values_HC: Floats, rows: TrainingSet, *, is_forward: bool
) -> _Calibrated:
    """Intervals, by how far off held-out answers were."""
    spread = Spread.fit(values_HC[:, 0], rows.number_N[row_H], is_even=is_forward)

    def outcomes(row_M: NDArray[np.int64], values_MC: Floats) -> NumberOutcomes:
        value_M = values_MC[:, 0]
        return NumberOutcomes.of(rows.number_N[row_M], value_M, *spread.ends(value_M))

    return spread.settings(), spread.arrays(), "", outcomes
