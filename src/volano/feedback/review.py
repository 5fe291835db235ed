"""What people should look at: what is theirs to answer, then by chance and where a label teaches.

The random picks tell how right the answers are (``live``), so each Prediction takes part in one
draw, with a probability that is exact and kept; routes play no part in it, nor in its order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from volano.core.hashing import hash_json
from volano.core.seeds import unit_interval
from volano.feedback.examples import read_signals
from volano.feedback.rules import given_labels, known_labels, predicted_labels, settle
from volano.store.audit import list_audit, record
from volano.store.predictions import list_predictions
from volano.store.reviews import ReviewItem, answered_reviews, file_reviews, open_reviews

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from volano.core.nouns import Prediction
    from volano.feedback.config import FeedbackConfig
    from volano.feedback.rules import Settlement, Signals
    from volano.store.ledger import Ledger
    from volano.tasks.task import Task

__all__ = [
    "Background",
    "Picks",
    "conflict_items",
    "fill_reviews",
    "pick_reviews",
    "unsureness",
]

_DREW = "draw-reviews"


@dataclass(frozen=True)
class Background:
    """What is known before picking.

    Attributes:
        since: the random half draws from Predictions given after this time.
        until: and up to this one.
        reviewed: ids that are or were in review.
        settled: ids whose label is known by feedback, or in dispute; not picked as unsure.
        doubted: ids that somebody scored low or gave another label for.
    """

    since: float = 0.0
    until: float = float("inf")
    reviewed: Collection[str] = frozenset()
    settled: Collection[str] = frozenset()
    doubted: Collection[str] = frozenset()


@dataclass(frozen=True)
class Picks:
    """Items to file, of how many they were drawn, and why others could not be picked."""

    items: tuple[ReviewItem, ...]
    num_drawn_from: int
    left_out: Mapping[str, int] = field(default_factory=dict)


def pick_reviews(
    task: Task,
    predictions: Sequence[Prediction],
    num: int,
    seed: int,
    background: Background | None = None,
) -> Picks:
    """All that was routed to a person, half of ``num`` by chance, the rest of it the least sure.

    Args:
        task: today's labels.
        predictions: all that may be picked; those without an input cannot be shown to anybody.
        num: how many items, fewer where there are not enough; more where more are for a person.
        seed: the same seed picks the same.
        background: what was drawn, reviewed and said before.
    """
    known = background or Background()
    shown = {p.id: p for p in predictions if p.input}
    left_out = Counter({"input-not-kept": len(predictions) - len(shown)})
    new = [p for p in shown.values() if known.since < p.at <= known.until]
    drawn = sorted(new, key=lambda p: (unit_interval(seed, "review", p.id), p.id))[: (num + 1) // 2]
    probability = len(drawn) / len(new) if new else 1.0
    taken = {p.id for p in drawn}.union(known.reviewed, known.settled)
    ranked = _least_sure(
        task, [p for p in shown.values() if p.id not in taken], known.doubted, left_out
    )
    theirs = [p for p in ranked if _is_for_a_person(p)]
    teaching = ranked[len(theirs) : max(len(theirs), num - len(drawn))]
    items = [_item(task, p, "person", 1.0) for p in theirs]
    items += [_item(task, p, "random", probability) for p in drawn]
    items += [_item(task, p, "unsure", 1.0) for p in teaching]
    return Picks(tuple(items), len(new), {why: n for why, n in left_out.items() if n})


def unsureness(output: Mapping[str, Any]) -> float:
    """How little an answer was sure: 0 certain, 1 a coin toss, more where it knew no label.

    Of a number, how wide its interval is, in the number's own unit. Where one label is asked about,
    its score: what is likeliest to be one is worth a look, a usual row is not.

    >>> unsureness({"label": "a", "scores": {"a": 0.5, "b": 0.5}})
    1.0
    >>> unsureness({"value": 12.0, "low": 10.5, "high": 13.0})
    2.5
    """
    if "value" in output:
        return float(output["high"]) - float(output["low"])
    if "score" in output:
        return float(output["score"])
    scores = sorted((float(s) for s in (output.get("scores") or {}).values()), reverse=True)
    if "labels" in output:
        unsure = 1 - 2 * min((abs(score - 0.5) for score in scores), default=0.0)
    else:
        first, second = (*scores, 0.0, 0.0)[:2]
        unsure = 1 - (first - second)
    return unsure + (0.5 if output.get("unknown") else 0.0)


def _is_for_a_person(prediction: Prediction) -> bool:
    return prediction.output.get("route") == "person"


def _least_sure(
    task: Task, candidates: Sequence[Prediction], doubted: Collection[str], left_out: Counter[str]
) -> list[Prediction]:
    """For a person first, then doubted, then by unsureness; the same input is asked once."""

    def rank(prediction: Prediction) -> tuple[bool, bool, float, str]:
        unsure = unsureness(prediction.output)
        return (
            not _is_for_a_person(prediction),
            prediction.id not in doubted,
            -unsure,
            prediction.id,
        )

    ranked = sorted(candidates, key=rank)
    seen: set[str] = set()
    kept = []
    for prediction in ranked:
        content = hash_json(dict(prediction.input or {}))
        if content in seen:
            left_out["same-input"] += 1
        else:
            seen.add(content)
            kept.append(prediction)
    return kept


def _item(
    task: Task,
    prediction: Prediction,
    why: Literal["person", "random", "unsure", "conflict"],
    probability: float,
) -> ReviewItem:
    return ReviewItem(
        what="prediction",
        ref=prediction.id,
        fields=prediction.input or {},
        target=predicted_labels(task, prediction),
        why=why,
        probability=probability,
    )


def conflict_items(task: Task, settlement: Settlement, signals: Signals) -> tuple[ReviewItem, ...]:
    """Items for what people disagree on, and for labels that no model knows yet."""
    earlier = {(review.what, review.ref): review for review in signals.reviews}
    items = []
    for settled in settlement.conflicts:
        prediction = signals.predictions.get(settled.ref)
        review = earlier.get((settled.what, settled.ref))
        if prediction is not None and prediction.input:
            items.append(_item(task, prediction, "conflict", 1.0))
        elif review is not None:
            items.append(
                ReviewItem(settled.what, settled.ref, review.fields, review.target, "conflict")
            )
    return tuple(items)


def fill_reviews(
    config: FeedbackConfig,
    task: Task,
    ledger: Ledger,
    seed: int,
    labels: Collection[str] = (),
) -> tuple[ReviewItem, ...]:
    """File this turn's picks and conflicts: the items that are newly open.

    Candidates are the answers since the last draw, and older ones that somebody spoke about. What
    is among ``labels`` (those of today's data and champion) is no new label.
    """
    signals = read_signals(ledger)
    settlement = settle(config, task, signals, labels)
    since = _drawn_until(ledger)
    recent = list_predictions(ledger, since=since)
    candidates = {p.id: p for p in recent if p.at > since}
    candidates.update(signals.predictions)
    until = max((p.at for p in candidates.values()), default=since)
    background = Background(
        since=since,
        until=until,
        reviewed=_reviewed(ledger),
        # A dispute is filed as one; picked as unsure, nobody would see that people disagree.
        settled={s.ref for s in (*settlement.labelled, *settlement.conflicts)},
        doubted=_doubted(config, task, signals, known_labels(task, signals, labels)),
    )
    picks = pick_reviews(task, list(candidates.values()), config.num_reviews, seed, background)
    if picks.items:
        # Remembered first: after a crash between the two, some answers are never drawn, but none
        # is drawn twice, so the probabilities stay exact.
        num_random = sum(pick.why == "random" for pick in picks.items)
        detail = {"until": until, "of": picks.num_drawn_from, "random": num_random}
        record(ledger, "volano", _DREW, detail | {"left_out": dict(picks.left_out)})
    return file_reviews(ledger, [*picks.items, *conflict_items(task, settlement, signals)])


def _doubted(
    config: FeedbackConfig, task: Task, signals: Signals, known: Collection[str]
) -> set[str]:
    """Answers that somebody scored low (where scores mean nothing yet: 0 or less) or corrected."""
    enough = config.score_makes_label
    doubted = set()
    for sent in signals.feedback:
        prediction = signals.predictions.get(sent.prediction)
        if prediction is None:
            continue
        is_low = sent.score is not None and (
            sent.score <= 0 if enough == "off" else sent.score < enough
        )
        given = given_labels(task, sent, known)
        is_other = given is not None and given != predicted_labels(task, prediction)
        if is_low or is_other:
            doubted.add(prediction.id)
    return doubted


def _drawn_until(ledger: Ledger) -> float:
    draws = list_audit(ledger, action=_DREW, limit=1)
    return float(draws[0].detail["until"]) if draws else 0.0


def _reviewed(ledger: Ledger) -> set[str]:
    every = (*open_reviews(ledger), *answered_reviews(ledger, skipped=True))
    return {review.ref for review in every if review.what == "prediction"}
