"""The mistakes that a model was surest of, or most wrong in, with the reasons that led it there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.evals.trial import answer_text, truth_text
from volano.tasks.numbers import NumberOutcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.evals.trial import Trial
    from volano.models.rows import Row

__all__ = ["worst_errors"]

_SECONDS = 20.0  # after which no more reasons are asked for: an encoder takes a while over one


def worst_errors(trial: Trial, most: int) -> list[dict[str, Any]]:
    """At most so many mistakes, the surest first; ``reasons`` is missing where time ran out.

    How sure: of the label it gave; where labels overlap, of the one it wrongly gave or left out.
    Numbers: those furthest off.
    """
    is_number = isinstance(trial.outcomes, NumberOutcomes)
    found = _furthest_off(trial, most) if is_number else _surest(trial, most)
    end = time.monotonic() + _SECONDS
    told = []
    for place, about, more in found:
        row = trial.rows[place]
        error = {
            "id": trial.ids[place],
            "text": trial.written(row),
            "truth": truth_text(trial.outcomes, place),
            "decided": answer_text(trial.outcomes, place),
            "about": about,
            **more,
        }
        if time.monotonic() < end:
            error["reasons"] = [list(reason) for reason in _reasons(trial, row, about)]
        told.append(error)
    return told


def _reasons(trial: Trial, row: Row, about: str) -> tuple[tuple[str, float], ...]:
    predictor = trial.predictor
    # A label that was renamed since is not one of the model's own; a number has none.
    return predictor.explain(row, about) if not about or about in predictor.labels else ()


def _surest(trial: Trial, most: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    outcomes = trial.labelled
    wrong = np.flatnonzero(~outcomes.right_N)
    sure_NC = outcomes.scores_NC
    if outcomes.is_multiple:
        missed_NC = outcomes.truth_NC & ~outcomes.decided_NC
        sure_NC = np.where(outcomes.truth_NC == outcomes.decided_NC, -1.0, sure_NC)
        sure_NC = np.where(missed_NC, 1.0 - outcomes.scores_NC, sure_NC)
    top_N = sure_NC.argmax(axis=1)
    sure_N = sure_NC.max(axis=1)
    for place in wrong[np.lexsort((wrong, -sure_N[wrong]))][:most].tolist():
        yield place, outcomes.labels[top_N[place]], {"confidence": float(sure_N[place])}


def _furthest_off(trial: Trial, most: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    outcomes = trial.outcomes
    assert isinstance(outcomes, NumberOutcomes)
    off_N = np.abs(outcomes.error_N)
    places = np.arange(len(off_N))
    for place in places[np.lexsort((places, -off_N))][:most].tolist():
        ends = {"low": float(outcomes.low_N[place]), "high": float(outcomes.high_N[place])}
        yield place, "", {"error": float(outcomes.error_N[place]), **ends}
