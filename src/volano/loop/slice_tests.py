"""Slices that got worse: an exact paired test on each, corrected for how many are looked at.

Under "no worse", each unit's difference in credit is as likely to be a loss as a gain of the same
size; the p-value is the chance that such coin flips add up to a loss as large. Exact where the
differences are multiples of 1/60 (right or wrong; F1 of small sets of labels); else normal where
no few units weigh much, and drawn where they do.

Shape suffixes: N examples, U units.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from volano.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from volano.loop.gate import GateConfig
    from volano.loop.scored import Scored

__all__ = ["SliceResult", "compare_slices", "holm", "loss_chance", "nearly_all"]

_NEARLY_ALL = 0.9  # a slice this large is the test set once more
_GRID = 60
_LONGEST = 50_000  # cells of an exact distribution
_BLOCK = 2000  # coin flips at a time
_CELLS = 4_000_000  # signs held at once
_LIGHT = 1e-3  # half the excess kurtosis of a sum that is as good as normal
_HITS = 20  # enough of them tell a p-value that will not matter (Besag and Clifford 1991)


@dataclass(frozen=True)
class SliceResult:
    """Credit of both models on one slice, and how sure it is that the candidate's is lower."""

    field: str
    value: str
    num_examples: int
    candidate: float
    champion: float
    p: float
    p_corrected: float
    is_worse: bool

    def to_dict(self) -> dict[str, Any]:
        """As the verdict carries it."""
        return asdict(self)


def compare_slices(
    config: GateConfig, candidate: Scored, champion: Scored, seed: int
) -> tuple[SliceResult, ...]:
    """Every slice that is large enough and not nearly the whole, the worst first.

    Raises:
        ConfigError: ``gate.slices`` names a field that the report does not slice by.
    """
    ours, theirs = candidate.credit, champion.credit
    rng = np.random.default_rng([seed, 2])
    found = [
        (field, value, rows)
        for field, value, rows in _slices(config, candidate)
        if config.slice_minimum <= len(rows) <= _NEARLY_ALL * len(ours)
        and not (field == "label" and candidate.credit_N is not None)
    ]
    most = int(2 * len(found) / config.tail) + _BLOCK
    p = [
        loss_chance(_by_unit((ours - theirs)[rows], candidate.unit_N[rows]), rng, most)
        for _, _, rows in found
    ]
    results = [
        _result(config, names, (ours[rows], theirs[rows]), chances)
        for (*names, rows), chances in zip(found, zip(p, holm(p), strict=True), strict=True)
    ]
    return tuple(sorted(results, key=lambda r: (r.p_corrected, r.p, r.field, r.value)))


def nearly_all(config: GateConfig, candidate: Scored) -> dict[str, str]:
    """The slices that were left out, each with the reason.

    The whole speaks for one that is nearly all of it. Where the project says what mistakes cost,
    it has traded one label for another, so labels are not judged each by itself.
    """
    num = len(candidate.ids)
    told = {}
    for field, value, rows in _slices(config, candidate):
        if len(rows) > _NEARLY_ALL * num:
            share = len(rows) / num
            told[f"{field}={value}"] = f"{share:.0%} of the test examples: the whole is judged"
        elif field == "label" and candidate.credit_N is not None:
            told[f"{field}={value}"] = "labels.costs trades one label for another"
    return told


def _result(
    config: GateConfig,
    names: Sequence[str],
    credits: tuple[NDArray[np.float64], NDArray[np.float64]],
    chances: tuple[float, float],
) -> SliceResult:
    ours, theirs = (float(credit.mean()) for credit in credits)
    is_worse = chances[1] <= config.tail and theirs - ours > config.slice_tolerance
    return SliceResult(names[0], names[1], len(credits[0]), ours, theirs, *chances, is_worse)


def _slices(config: GateConfig, candidate: Scored) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    given = candidate.slices
    has_labels = bool(candidate.outcomes.labels)
    known = {*given, *(["label"] if has_labels else [])}
    for name in () if config.slices == "auto" else config.slices:
        if name not in known:
            raise ConfigError.among("slice", name, known, where="gate.slices")
    wanted = sorted(known) if config.slices == "auto" else sorted(set(config.slices))
    for name in wanted:
        yield from _values(name, given[name]) if name in given else _labels(candidate)


def _values(name: str, values: Sequence[str]) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    for value in sorted(rows):
        if value:
            yield name, value, np.array(rows[value], dtype=np.int64)


def _labels(candidate: Scored) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    truth_NC = candidate.outcomes.arrays()["truth"]
    for column, label in enumerate(candidate.outcomes.labels):
        rows = np.flatnonzero(truth_NC[:, column])
        if rows.size:
            yield "label", label, rows


def _by_unit(change_N: NDArray[np.float64], unit_N: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(unit_N, weights=change_N).astype(np.float64)


def loss_chance(
    change_U: NDArray[np.float64], rng: np.random.Generator, most: int = 20_000
) -> float:
    """One-sided p-value that the units lost: chance of a sum as low with each sign flipped.

    A sum that is not a loss has 1: it is not asked how good it is.

    >>> loss_chance(np.array([-1.0, -1.0, -1.0]), np.random.default_rng(0))
    0.125
    """
    change_U = change_U[np.abs(change_U) > 1e-9]
    if change_U.sum() > -1e-9:
        return 1.0
    whole = np.rint(change_U * _GRID)
    if np.abs(change_U * _GRID - whole).max() < 1e-6:
        steps = whole.astype(np.int64)
        steps //= np.gcd.reduce(steps)
        sizes = np.abs(steps)
        if sizes.max() == 1:
            return float(special.bdtr((steps > 0).sum(), steps.size, 0.5))
        if sizes.sum() <= _LONGEST:
            return _exact(steps, sizes)
    variance = float((change_U**2).sum())
    if float((change_U**4).sum()) < _LIGHT * variance**2:
        return float(special.ndtr(change_U.sum() / np.sqrt(variance)))
    return _drawn(change_U, rng, most)


def _exact(steps: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
    """The whole distribution: one binomial for each size of step, convolved."""
    chance = np.ones(1)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        wins = np.arange(count + 1)
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = np.exp(
            special.gammaln(count + 1)
            - special.gammaln(wins + 1)
            - special.gammaln(count - wins + 1)
            - count * np.log(2)
        )
        chance = np.convolve(chance, spread)
    lowest = -int(sizes.sum())
    return float(min(1.0, chance[: int(steps.sum()) - lowest + 1].sum()))


def _drawn(change_U: NDArray[np.float64], rng: np.random.Generator, most: int) -> float:
    total, hits, tried = float(change_U.sum()), 0, 0
    block = min(_BLOCK, max(1, _CELLS // change_U.size))
    width = -(-change_U.size // 8)
    while tried < most and hits < _HITS:
        coins = np.frombuffer(rng.bytes(block * width), np.uint8).reshape(block, width)
        stays_BU = np.unpackbits(coins, axis=1, count=change_U.size)
        # Each stays or turns its sign: twice what stays, less all.
        hits += int((2.0 * (stays_BU.astype(np.float64) @ change_U) - total <= total + 1e-9).sum())
        tried += block
    return (hits + 1) / (tried + 1)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, uniformly better than Bonferroni's (Holm 1979).

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    corrected = [0.0] * len(p)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = highest
    return corrected
