"""Guessing: the floor under every model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from volano.core.nouns import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["commonest"]


def commonest(targets: Iterable[Sequence[str]]) -> Answer:
    """The best that can be said without reading: the commonest labels, with their frequencies.

    >>> commonest([("card",), ("card",), ("loan",)]).labels
    ('card',)
    """
    sets = Counter(tuple(sorted(labels)) for labels in targets)
    if not sets:
        raise ValueError("there are no training rows to guess from")
    labels = min(sets, key=lambda found: (-sets[found], found))
    count = sum(sets.values())
    share: Counter[str] = Counter()
    for found, times in sets.items():
        share.update(dict.fromkeys(found, times))
    scores = {label: times / count for label, times in sorted(share.items())}
    return Answer(labels, sets[labels] / count, False, scores)
