"""Texts that are nearly the same: found, named as clusters, never dropped for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.data.split import components
from volano.data.steps.duplicates import rows_by_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_near_duplicates", "name_clusters"]

_NAME = 12


def find_near_duplicates(keys: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Pairs of places whose normal forms are alike; equal forms always are (also when off)."""
    same = [(places[0], place) for places in rows_by_text(keys) for place in places[1:]]
    if not threshold or len(keys) < 2:
        return same
    from volano.data.steps.shingles import alike_pairs, shingle

    # Equal texts are one text here: their pairs are known, and a crowd of them hides others.
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    places = sorted(first.values())
    pairs = alike_pairs(shingle([keys[place] for place in places]), threshold)
    near = [(places[one], places[other]) for one, other in pairs.tolist()]
    return _with_twins(near, same) + same


def _with_twins(near: list[tuple[int, int]], same: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is near a text is near its twins too."""
    twins: dict[int, list[int]] = {}
    for first, place in same:
        twins.setdefault(first, [first]).append(place)
    return [
        (one, other)
        for left, right in near
        for one in twins.get(left, [left])
        for other in twins.get(right, [right])
    ]


def name_clusters(ids: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[str | None]:
    """The cluster of each row: the start of the lowest id in it; None for a row alone."""
    names: list[str | None] = [None] * len(ids)
    within = {place for pair in pairs for place in pair}
    for places in components(within, pairs):
        name = min(ids[place] for place in places)[:_NAME]
        for place in places:
            names[place] = name
    return names
