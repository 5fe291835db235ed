"""How all learners end: they calibrate on held-out rows and say what goes into the bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from volano.models.bundle import Spec
from volano.train.calibrate import calibrate
from volano.train.learner import Fitted, HeldOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from volano.models.calibration import Floats, Labels
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
    """

    engine: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    values_of: Callable[[Sequence[int]], Floats]
    told: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def fitted(
    made: Made, row_H: NDArray[np.int64], values_HC: Floats, rows: TrainingSet, config: TrainConfig
) -> Fitted:
    """Calibrate by decision values on rows that the answering model had not seen.

    Args:
        made: by the learner.
        row_H: places of the held-out rows.
        values_HC: decision values there.
        rows: training rows, then validation rows.
        config: how unknown texts are told apart.
    """
    unknown = rows.labels.index(rows.unknown) if rows.unknown in rows.labels else None
    calibration = calibrate(
        values_HC,
        rows.truth_NC[row_H],
        unknown,
        is_multiple=rows.is_multiple,
        false_alarms=config.unknown_false_alarms,
    )

    def answered(values_NC: Floats) -> tuple[Floats, Labels]:
        scores_NC = calibration.probabilities(values_NC)
        return scores_NC, calibration.decide(scores_NC, unknown)

    spec = Spec(
        task="text-classification",
        engine=made.engine,
        text=rows.text,
        labels=rows.labels,
        is_multiple=rows.is_multiple,
        unknown="" if unknown is None else rows.unknown,
        settings=made.settings,
        calibration=calibration.settings(),
    )
    return Fitted(
        spec,
        {**made.arrays, **calibration.arrays()},
        HeldOut(row_H, *answered(values_HC)),
        lambda places: answered(made.values_of(places)),
        made.told,
        made.files,
    )
