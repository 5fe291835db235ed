"""One way for all learners that need no labels: detectors, their scales, and the threshold.

Scales come from rows that a detector had not seen: it is fitted without each fold, answers it, and
is then fitted on all rows. Shape suffixes: N rows, M rows that give the scale, H labelled ones.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from volano.models.calibration import Calibration
from volano.models.odd_engine import OddEngine
from volano.models.odd_scale import OddScale
from volano.train.anomalies.budget import budgeted, logit_cut
from volano.train.anomalies.detectors import some
from volano.train.anomalies.finish import finished
from volano.train.fitted import Made
from volano.train.tables.lesson import told_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.models.odd_scale import Detector
    from volano.train.anomalies.lesson import Ints, OddLesson
    from volano.train.learner import Fitted

    # From a detector's name, a part's name (``fold-0``, ``whole``) and places of rows.
    Fit = Callable[[str, str, Ints], Detector]

__all__ = ["fit_unlabelled"]

_MOST_SCALE = 200_000


def fit_unlabelled(names: Sequence[str], fit: Fit, lesson: OddLesson, log: Events) -> Fitted:
    """Fit detectors on all rows, labelled or not, and scale them by rows they had not seen.

    Args:
        names: of the detectors; the mean of their log-odds counts.
        fit: fits one of them on some rows.
        lesson: all rows.
        log: hears of folds.
    """
    began = time.monotonic()
    place_P = np.union1d(lesson.row_M, lesson.row_H)
    odd_P = _held_out(names, fit, lesson, place_P, log)
    whole = {name: fit(name, "whole", np.arange(len(lesson))) for name in names}
    if lesson.has_own_scale:
        is_M = np.isin(place_P, lesson.row_M)
        odd_M = {name: found[is_M] for name, found in odd_P.items()}
    else:
        codes = some(lesson.codes_NF, _MOST_SCALE)
        odd_M = {name: detector.oddness(codes) for name, detector in whole.items()}
    scales = {name: OddScale.fit(found) for name, found in odd_M.items()}
    both = OddScale.fit(_mean_logit(scales, odd_M))
    engine = OddEngine(lesson.featuriser, whole, scales, both)
    cut = logit_cut(both.logits(_mean_logit(scales, odd_M)), lesson.alert_share)
    logit_H = both.logits(_mean_logit(scales, odd_P))[np.isin(place_P, lesson.row_H)]

    def values_of(places: Sequence[int]) -> Floats:
        # From the codes of training: an error in reading rows shows as a gap.
        return engine.values(lesson.codes_NF[np.asarray(places, np.int64)])

    told = {
        "settings": {"detectors": ", ".join(names)},
        "alert_share": lesson.alert_share,
        "threshold": 1.0 / (1.0 + float(np.exp(-cut))),
        "scale_rows": len(next(iter(odd_M.values()))),
        "scale_is_held_out": lesson.has_own_scale,
        "labelled_rows": int(lesson.is_labelled_N.sum()),
        "seconds": round(time.monotonic() - began, 1),
    }
    made = Made(
        "odd",
        engine.settings(),
        engine.arrays(),
        values_of,
        told,
        engine.files(),
        told_columns(lesson.featuriser),
    )
    values_H2 = np.stack([logit_H / 2, -logit_H / 2], axis=1)
    return finished(made, lesson, lesson.row_H, values_H2, budgeted(Calibration(), cut))


def _held_out(
    names: Sequence[str], fit: Fit, lesson: OddLesson, place_P: Ints, log: Events
) -> dict[str, Floats]:
    """How odd these rows are to detectors of the other folds, by name."""
    odd_P = {name: np.zeros(len(place_P)) for name in names}
    fold_P = lesson.fold_N[place_P]
    for fold in range(lesson.num_folds):
        log.progress("folds", fold, lesson.num_folds)
        others, held_P = np.flatnonzero(lesson.fold_N != fold), fold_P == fold
        codes = lesson.codes_NF[place_P[held_P]]
        for name in names:
            odd_P[name][held_P] = fit(name, f"fold-{fold}", others).oddness(codes)
    log.progress("folds", lesson.num_folds, lesson.num_folds)
    return odd_P


def _mean_logit(scales: Mapping[str, OddScale], odd: Mapping[str, Floats]) -> Floats:
    """Added up one after another, as the engine does."""
    total = np.zeros(len(next(iter(odd.values()))))
    for name, scale in scales.items():
        total += scale.logits(odd[name])
    return total / len(scales)
