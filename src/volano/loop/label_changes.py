"""Labels that came or went between two models, and what that does to their comparison.

The figure is over the union of labels: what the champion never learned counts as wrong for it,
because a user who needs that label is not served. The gain on labels both know stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volano.loop import reasons
from volano.loop.reasons import Reason, few, signed
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from volano.loop.paired import Comparison
    from volano.loop.scored import Scored

    CompareRows = Callable[[Scored, Scored, NDArray[np.bool_]], Comparison]

__all__ = ["compare_labels", "unlearned"]


def compare_labels(
    candidate: Scored, champion: Scored, compare_rows: CompareRows
) -> tuple[list[Reason], dict[str, Any]]:
    """What added and removed labels did to the comparison, and the gain on labels both know.

    A number has no labels, and nothing to say here.
    """
    if not isinstance(candidate.outcomes, LabelOutcomes):
        return [], {}
    new_C, rows_N = _outside(champion)
    labels = np.array(candidate.outcomes.labels, dtype=object)
    checks: dict[str, Any] = {"new": labels[new_C].tolist(), "new_examples": int(rows_N.sum())}
    notes = unlearned(candidate) + _removed(candidate, champion)
    if not rows_N.any():
        return notes, checks
    if rows_N.all():
        return [*unlearned(champion, reasons.ONLY_NEW_LABELS), *notes], checks
    found = compare_rows(candidate, champion, ~rows_N)
    if not np.isfinite(found.gain.value):  # one label alone is left, and has no order
        return [*unlearned(champion, reasons.ONLY_NEW_LABELS), *notes], checks
    checks["shared"] = {"num_examples": found.num_examples, "gain": found.gain.to_dict()}
    values = {
        "labels": few(labels[new_C].tolist()),
        "num": str(int(rows_N.sum())),
        "rest": str(found.num_examples),
        "gain": signed(found.gain.value),
        "low": signed(found.gain.low),
        "high": signed(found.gain.high),
    }
    return [Reason(reasons.NEW_LABELS, values), *notes], checks


def _outside(scored: Scored) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """True labels that the model cannot answer, and the examples that carry one."""
    outcomes = scored.outcomes
    assert isinstance(outcomes, LabelOutcomes)
    can_C = outcomes.decided_NC.any(axis=0)
    if scored.known is None:
        can_C = np.ones_like(can_C)
    else:
        can_C = can_C | np.isin(outcomes.labels, sorted(scored.known))
    cannot_C = outcomes.truth_NC.any(axis=0) & ~can_C
    rows_N = np.asarray(outcomes.truth_NC[:, cannot_C].any(axis=1), dtype=np.bool_)
    return cannot_C, rows_N


def unlearned(scored: Scored, text: str = reasons.UNLEARNED) -> list[Reason]:
    """Says so where the truth holds labels that the model cannot answer."""
    if not isinstance(scored.outcomes, LabelOutcomes):
        return []
    cannot_C, rows_N = _outside(scored)
    labels = [scored.outcomes.labels[place] for place in np.flatnonzero(cannot_C)]
    values = {"labels": few(labels), "num": str(int(rows_N.sum()))}
    return [Reason(text, values)] if labels else []


def _removed(candidate: Scored, champion: Scored) -> list[Reason]:
    if candidate.known is None:
        return []
    ours, theirs = candidate.outcomes, champion.outcomes
    assert isinstance(ours, LabelOutcomes)
    assert isinstance(theirs, LabelOutcomes)
    today_C = ours.truth_NC.any(axis=0) | ours.decided_NC.any(axis=0)
    today_C |= np.isin(ours.labels, sorted(candidate.known))
    gone_NC = theirs.decided_NC & ~today_C
    labels = [ours.labels[place] for place in np.flatnonzero(gone_NC.any(axis=0))]
    values = {"labels": few(labels), "num": str(int(gone_NC.any(axis=1).sum()))}
    return [Reason(reasons.REMOVED, values)] if labels else []
