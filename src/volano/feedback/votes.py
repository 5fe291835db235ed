"""What several people say of one thing, and what follows from it.

Every signal gets one fate, so that nothing a person sent goes unexplained.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volano.feedback.config import FeedbackConfig

__all__ = ["Decision", "Fate", "Outcome", "Vote", "decide"]

Outcome = Literal["label", "conflict", "new-label", "nothing"]
Fate = Literal[
    "used",
    "replaced",  # the same person said something else later
    "outvoted",
    "not-trusted",  # a trusted person settled it
    "settled-by-review",
    "conflict",
    "new-label",  # a label that no model knows yet
    "too-few-people",
    "score-only",
    "output-only",
    "comment-only",
    "corrections-off",
    "label-removed",  # the project removed it since
    "not-one-label",
    "unknown-prediction",
]


@dataclass(frozen=True)
class Vote:
    """One person's labels; ``is_explicit`` when they wrote them, not only confirmed the answer."""

    signal: str
    person: str
    labels: tuple[str, ...]
    at: float
    is_explicit: bool = True


@dataclass(frozen=True)
class Decision:
    """What follows from all votes, and what became of each signal."""

    outcome: Outcome
    labels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    fates: dict[str, Fate] = field(default_factory=dict)


def decide(votes: Sequence[Vote], config: FeedbackConfig, *, is_review: bool = False) -> Decision:
    """Count one vote per person by the project's rule.

    >>> from volano.feedback.config import FeedbackConfig
    >>> ann, bo = Vote("1", "ann", ("card",), 1.0), Vote("2", "bo", ("loan",), 2.0)
    >>> decide([ann, bo], FeedbackConfig()).outcome
    'conflict'
    >>> decide([ann, bo], FeedbackConfig(trusted=("ann",))).labels
    ('card',)
    """
    fates: dict[str, Fate] = {}
    current = _one_each(votes, fates)
    trusted = [vote for vote in current if vote.person in config.trusted]
    if trusted:
        fates |= {v.signal: "not-trusted" for v in current if v.person not in config.trusted}
        current = trusted
    elif not is_review and len(current) < config.min_people:
        fates |= dict.fromkeys((vote.signal for vote in current), "too-few-people")
        return Decision("nothing", fates=fates)
    labels = _agreed(current, config)
    if labels is None:
        fates |= dict.fromkeys((vote.signal for vote in current), "conflict")
        return Decision("conflict", people=_people(current), fates=fates)
    for vote in current:
        fates[vote.signal] = "used" if vote.labels == labels else "outvoted"
    agreeing = _people(vote for vote in current if vote.labels == labels)
    return Decision("label", labels, agreeing, fates)


def _one_each(votes: Iterable[Vote], fates: dict[str, Fate]) -> list[Vote]:
    """The latest vote of each person; confirming never replaces a label they wrote.

    Without a name nobody can tell two people from one: each label then counts once.
    """
    kept: dict[tuple[str, tuple[str, ...]], Vote] = {}
    for vote in sorted(votes, key=lambda vote: (vote.is_explicit, vote.at, vote.signal)):
        voice = (vote.person, () if vote.person else vote.labels)
        if voice in kept:
            fates[kept[voice].signal] = "replaced"
        kept[voice] = vote
    return sorted(kept.values(), key=lambda vote: (vote.at, vote.signal))


def _agreed(votes: Sequence[Vote], config: FeedbackConfig) -> tuple[str, ...] | None:
    counts = Counter(vote.labels for vote in votes)
    first, num_first = counts.most_common(1)[0]
    if len(counts) == 1 or (config.agreement == "majority" and 2 * num_first > len(votes)):
        return first
    return votes[-1].labels if config.agreement == "latest" else None


def _people(votes: Iterable[Vote]) -> tuple[str, ...]:
    return tuple(sorted({vote.person for vote in votes if vote.person}))
