"""How learners of anomalies end: a calibration within the budget, and what goes into the bundle.

Unlike ``train/fitted.py`` it needs no truth: labels are named beforehand, and only rows that
somebody has looked at count as held out. Shape suffixes: H held-out labelled rows, M any rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volano.models.bundle import Spec
from volano.tasks.anomaly_detection import ANOMALY
from volano.tasks.scoring import LabelOutcomes
from volano.train.anomalies.lesson import LABELS
from volano.train.learner import Fitted, HeldOut

if TYPE_CHECKING:
    from volano.models.calibration import Calibration, Floats
    from volano.train.anomalies.lesson import Ints, OddLesson
    from volano.train.fitted import Made

__all__ = ["finished"]


def finished(
    made: Made, lesson: OddLesson, row_H: Ints, values_H2: Floats, calibration: Calibration
) -> Fitted:
    """What training leaves.

    Args:
        made: by the learner.
        lesson: all rows.
        row_H: places of labelled rows that the answering models had not seen.
        values_H2: decision values there.
        calibration: with the threshold that keeps the budget.
    """
    rows = lesson.rows
    spec = Spec(
        task=rows.task,
        engine=made.engine,
        text=(),
        labels=LABELS,
        settings=made.settings,
        calibration=calibration.settings(),
        columns=rows.columns,
        asked=ANOMALY,
    )

    def outcomes(row_M: Ints, values_M2: Floats) -> LabelOutcomes:
        scores = calibration.probabilities(values_M2) if len(row_M) else values_M2.reshape(0, 2)
        decided = calibration.decide(scores)
        return LabelOutcomes(LABELS, lesson.truth_NC[row_M], decided, scores, False)

    return Fitted(
        spec,
        {**made.arrays, **calibration.arrays()},
        HeldOut(row_H, outcomes(row_H, values_H2)),
        lambda places: outcomes(np.asarray(places, np.int64), made.values_of(places)),
        made.told,
        made.files,
        made.features,
    )
