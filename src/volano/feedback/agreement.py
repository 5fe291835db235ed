"""How far people who labelled the same things agree, beyond what chance would give.

Numbers are compared by their distance, labels by being the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

__all__ = [
    "Agreement",
    "cohen_kappa",
    "krippendorff_alpha",
    "krippendorff_alpha_of_numbers",
    "measure_agreement",
]


@dataclass(frozen=True)
class Agreement:
    """Between all people on all things that two or more of them labelled.

    ``kappas`` of each two people; numbers have none.
    """

    num_shared: int
    share_agreeing: float
    alpha: float | None
    kappas: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """As JSON carries it."""
        return asdict(self)


def measure_agreement(answers: Iterable[tuple[Hashable, str, Any]]) -> Agreement | None:
    """From (thing, person, label or number); None where no two people spoke of the same thing.

    >>> measure_agreement([(1, "ann", "a"), (1, "bo", "a"), (2, "ann", "b"), (2, "bo", "b")]).alpha
    1.0
    """
    by_thing: dict[Hashable, dict[str, Any]] = defaultdict(dict)
    for thing, person, label in answers:
        by_thing[thing][person] = label
    shared = [labels for labels in by_thing.values() if len(labels) > 1]
    if not shared:
        return None
    agreeing = sum(len(set(labels.values())) == 1 for labels in shared)
    if all(isinstance(label, float) for labels in shared for label in labels.values()):
        distant = krippendorff_alpha_of_numbers([list(numbers.values()) for numbers in shared])
        return Agreement(len(shared), agreeing / len(shared), distant, {})
    people = sorted({person for labels in shared for person in labels})
    kappas = {}
    for first, second in combinations(people, 2):
        both = [(s[first], s[second]) for s in shared if first in s and second in s]
        if both:
            kappas[f"{first} and {second}"] = cohen_kappa(both)
    alpha = krippendorff_alpha([list(labels.values()) for labels in shared])
    return Agreement(len(shared), agreeing / len(shared), alpha, kappas)


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen 1960, for two people; None where both always said the same one label."""
    num = len(pairs)
    seen = sum(first == second for first, second in pairs) / num
    firsts, seconds = Counter(f for f, _ in pairs), Counter(s for _, s in pairs)
    chance = sum(firsts[label] * seconds[label] for label in firsts) / num**2
    return None if chance == 1 else (seen - chance) / (1 - chance)


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff 2011, nominal labels, any number of people; None without any variation."""
    coincidences: Counter[tuple[Hashable, Hashable]] = Counter()
    for labels in units:
        if len(labels) > 1:
            for pair in permutations(labels, 2):
                coincidences[pair] += 1 / (len(labels) - 1)  # type: ignore[assignment]
    totals: Counter[Hashable] = Counter()
    for (label, _), weight in coincidences.items():
        totals[label] += weight
    num = sum(totals.values())
    seen = sum(weight for (first, second), weight in coincidences.items() if first != second)
    by_chance = num * num - sum(total * total for total in totals.values())
    return None if by_chance == 0 else 1 - (num - 1) * seen / by_chance


def krippendorff_alpha_of_numbers(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff 2011 with squared distances; None without any variation.

    >>> krippendorff_alpha_of_numbers([[1.0, 1.0], [5.0, 5.0]])
    1.0
    """
    paired = [values for values in units if len(values) > 1]
    every = [value for values in paired for value in values]
    if not every:
        return None
    middle = sum(every) / len(every)  # squares of what is left keep their digits
    seen = sum(_distances(values, middle) / (len(values) - 1) for values in paired)
    by_chance = _distances(every, middle)
    return None if by_chance == 0 else 1 - (len(every) - 1) * seen / by_chance


def _distances(values: Sequence[float], middle: float) -> float:
    """Squared distances of all ordered pairs, summed."""
    moved = [value - middle for value in values]
    return 2 * (len(moved) * sum(value * value for value in moved) - sum(moved) ** 2)
