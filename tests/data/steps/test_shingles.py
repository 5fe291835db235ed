from __future__ import annotations

import random
import string

import pytest

from volano.data.steps.near_duplicates import find_near_duplicates


def shingles(text: str) -> set[str]:
    return {text[place : place + 3] for place in range(len(text) - 2)}


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.95])
def test_pairs_just_above_any_threshold_are_found(threshold: float) -> None:
    chance = random.Random(0)
    texts: list[str] = []
    planted = set()
    while len(planted) < 200:
        one = "".join(chance.choices(string.ascii_lowercase, k=200))
        num = round(200 * chance.uniform(0, 0.4))
        other = one[: 200 - num] + "".join(chance.choices(string.ascii_lowercase, k=num))
        mine, yours = shingles(one), shingles(other)
        alike = len(mine & yours) / len(mine | yours)
        if threshold <= alike < threshold + 0.04:
            planted.add((len(texts), len(texts) + 1))
            texts += [one, other]
    found = set(find_near_duplicates(texts, threshold))
    assert len(found & planted) >= 0.98 * len(planted)
