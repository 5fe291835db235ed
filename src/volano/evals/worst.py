"""The mistakes that a model was surest of, with the words that led it there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from volano.evals.trial import Trial

__all__ = ["worst_errors"]

_SECONDS = 20.0  # after which no more reasons are asked for: an encoder takes a while over one


def worst_errors(trial: Trial, most: int) -> list[dict[str, Any]]:
    """At most so many mistakes, the surest first; ``reasons`` is missing where time ran out.

    How sure: of the label it gave; where labels overlap, of the one it wrongly gave or left out.
    """
    outcomes, predictor = trial.outcomes, trial.predictor
    wrong = np.flatnonzero(~outcomes.right_N)
    sure_NC = outcomes.scores_NC
    if outcomes.is_multiple:
        missed_NC = outcomes.truth_NC & ~outcomes.decided_NC
        sure_NC = np.where(outcomes.truth_NC == outcomes.decided_NC, -1.0, sure_NC)
        sure_NC = np.where(missed_NC, 1.0 - outcomes.scores_NC, sure_NC)
    top_N = sure_NC.argmax(axis=1)
    sure_N = sure_NC.max(axis=1)
    order = wrong[np.lexsort((wrong, -sure_N[wrong]))][:most]
    labels = np.array(outcomes.labels, dtype=object)
    end = time.monotonic() + _SECONDS
    found = []
    for place in order.tolist():
        about = labels[top_N[place]]
        row = trial.rows[place]
        told = {
            "id": trial.ids[place],
            "text": predictor.text_of(row),
            "truth": labels[outcomes.truth_NC[place]].tolist(),
            "decided": labels[outcomes.decided_NC[place]].tolist(),
            "confidence": float(sure_N[place]),
            "about": about,
        }
        if time.monotonic() < end:
            # A label that was renamed since is not one of the model's own.
            reasons = predictor.explain(row, about) if about in predictor.labels else ()
            told["reasons"] = [list(reason) for reason in reasons]
        found.append(told)
    return found
