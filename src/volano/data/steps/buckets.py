"""Which texts may be alike: those that agree in a whole band of places of their signatures.

Bands are overlapping choices of places, as many as it takes to miss few pairs at the threshold. A
bucket is the texts that agree in one band. In a crowd, a bucket too large to compare all with all,
texts are ordered by further places (as in LSH Forest, Bawa et al. 2005) and each is compared with
the first and with its next few neighbours, until it hangs together with them: a crowd takes time
in proportion to its texts and stays in one piece, though not every pair of it is named.

Shape suffixes: K places of a signature, T texts, P pairs, M members of crowds.
"""

from __future__ import annotations

from collections import deque
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from volano.data.split import number_groups
from volano.data.steps.shingles import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

__all__ = ["CROWD", "bands_for", "pairs_in_buckets", "sort_pairs"]

CROWD = 16  # texts in a bucket past which not all are compared with all
_NEIGHBOURS = 8  # that a text of a crowd is compared with
_RECALL = 0.99  # of pairs just at the threshold; those more alike are found more surely
_LONGEST = 6  # places in a band: a longer band lets fewer chance pairs through
_SLACK = 0.25  # how far the share of equal places may lie below the truth: over four sigma
_MOST = 64  # bands
_AT_ONCE = 200_000  # pairs whose signatures are compared


class _Band(NamedTuple):
    """What one band says, before it is known what those before it said."""

    pairs: NDArray[np.int64]  # of small buckets, if enough places are equal: (P, 2)
    equal_P: NDArray[np.uint64]  # a bit for each place in which they are
    members: NDArray[np.int64]  # of crowds
    joins: list[NDArray[np.int64]]  # pairs of crowds, (P, 2) each, if enough places are equal


def bands_for(threshold: float) -> list[NDArray[np.int64]]:
    """The places of each band: the longest bands, and as few of them, as the threshold allows."""
    num, length = next(
        (num, length)
        for length in range(_LONGEST, 0, -1)
        for num in range(1, _MOST + 1)
        if _recall(threshold, length, num) >= _RECALL or (length, num) == (1, _MOST)
    )
    rng = np.random.default_rng(2)
    bands: list[NDArray[np.int64]] = []
    while len(bands) < num:
        places = rng.permutation(PLACES)
        bands += [places[at : at + length] for at in range(0, PLACES - length + 1, length)]
    return bands[:num]


def _recall(threshold: float, length: int, num: int) -> float:
    """The chance that a pair of this similarity agrees in one of ``num`` bands drawn at random."""
    return sum(
        comb(PLACES, equal)
        * threshold**equal
        * (1 - threshold) ** (PLACES - equal)
        * (1 - (1 - comb(equal, length) / comb(PLACES, length)) ** num)
        for equal in range(PLACES + 1)
    )


def pairs_in_buckets(
    signatures_KT: NDArray[np.uint8],
    threshold: float,
    are_alike: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    threads: Executor,
) -> NDArray[np.int64]:
    """Pairs that are alike among the texts that share a bucket, shape (P, 2), low place first.

    Args:
        signatures_KT: of all texts; neighbours are best of like length.
        threshold: at least so alike.
        are_alike: says of pairs, shape (P, 2), whether they truly are.
        threads: which sort the buckets.
    """
    search = _Search(signatures_KT, threshold, are_alike)
    ahead: deque[Future[_Band]] = deque()
    for places in search.bands:
        ahead.append(threads.submit(search.look, places))
        if len(ahead) > 2:
            search.note(ahead.popleft().result())
    while ahead:
        search.note(ahead.popleft().result())
    return search.finish()


def _sort_band(
    signatures_KT: NDArray[np.uint8], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Texts in the order of their buckets; where each bucket ends, and its size."""
    num = signatures_KT.shape[1]
    bits = np.uint64(max(num - 1, 1).bit_length())
    keys = np.zeros(num, np.uint64)
    for place in places:
        keys <<= np.uint64(8)
        keys |= signatures_KT[place]
    # The number of the text takes the low bits: sorting numbers is faster than sorting places.
    keys *= np.uint64(0x9E3779B97F4A7C15)
    keys >>= bits
    keys <<= bits
    keys |= np.arange(num, dtype=np.uint64)
    keys.sort()
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    keys >>= bits
    is_last = np.ones(num, bool)
    is_last[:-1] = keys[1:] != keys[:-1]
    ends = np.flatnonzero(is_last) + 1
    return order, ends, np.diff(ends, prepend=0)


class _Search:
    """What was found in the bands so far."""

    def __init__(
        self,
        signatures_KT: NDArray[np.uint8],
        threshold: float,
        are_alike: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    ) -> None:
        self.bands = bands_for(threshold)
        self._are_alike = are_alike
        self._signatures_KT = signatures_KT
        self._signatures_TK = np.ascontiguousarray(signatures_KT.T)
        self._least = int(max(threshold - _SLACK, 0) * PLACES)
        self._masks: list[np.uint64] = []
        num = signatures_KT.shape[1]
        self._crowded_T = np.zeros(num, np.uint64)  # bit b: in a crowd in band b
        self._piece_T = np.arange(num)  # texts of crowds that hang together have one number
        self._likely: list[NDArray[np.int64]] = []
        self._found: list[NDArray[np.int64]] = []

    def look(self, places: NDArray[np.int64]) -> _Band:
        """Compare the texts that share a bucket; several bands may be looked at at once."""
        order_T, ends, sizes = _sort_band(self._signatures_KT, places)
        is_small = (sizes > 1) & (sizes <= CROWD)
        likely = [
            self._likely_of(pairs[begin : begin + _AT_ONCE])
            for pairs in _all_pairs(order_T, ends[is_small], sizes[is_small])
            for begin in range(0, len(pairs), _AT_ONCE)
        ]
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *(pairs for pairs, _ in likely)])
        equal_P = np.concatenate([np.zeros(0, np.uint64), *(equal for _, equal in likely)])
        is_crowd = sizes > CROWD
        if not is_crowd.any():
            return _Band(pairs, equal_P, order_T[:0], [])
        return _Band(
            pairs, equal_P, *self._in_crowds(order_T, ends[is_crowd], sizes[is_crowd], places)
        )

    def _likely_of(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Those of the pairs that agree in enough places, and a bit for each of these."""
        one, other = (self._signatures_TK.take(places, axis=0) for places in pairs.T)
        bits = np.packbits((one == other).ravel(), bitorder="little").view("<u8")
        is_likely = np.bitwise_count(bits) >= self._least
        return pairs[is_likely], bits[is_likely]

    def _in_crowds(
        self,
        order_T: NDArray[np.int64],
        ends: NDArray[np.int64],
        sizes: NDArray[np.int64],
        places: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        """The members of crowds, and pairs by which those of a crowd may hang together."""
        starts = np.cumsum(sizes) - sizes
        crowd_M = np.repeat(np.arange(len(sizes)), sizes)
        members_M = order_T[np.repeat(ends - sizes - starts, sizes) + np.arange(len(crowd_M))]
        rest = np.setdiff1d(np.arange(PLACES), places)
        further = [self._signatures_KT[place][members_M] for place in rest[:8]]
        members_M = members_M[np.lexsort((*further, crowd_M))]
        joins = [self._apart(members_M[np.repeat(starts, sizes)], members_M)]
        for step in range(1, _NEIGHBOURS + 1):
            is_same = crowd_M[step:] == crowd_M[:-step]
            joins.append(self._apart(members_M[:-step][is_same], members_M[step:][is_same]))
        return members_M, joins

    def _apart(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        """Likely pairs that are not known to hang together."""
        pieces_T = self._piece_T  # another thread may put a new array in its place
        is_apart = pieces_T[one] != pieces_T[other]
        pairs = np.stack([one[is_apart], other[is_apart]], axis=1)
        parts = range(0, len(pairs), _AT_ONCE)
        likely = [self._likely_of(pairs[begin : begin + _AT_ONCE])[0] for begin in parts]
        return np.concatenate([pairs[:0], *likely])

    def note(self, band: _Band) -> None:
        """Keep the pairs of one band that no band before it gave."""
        crowded = self._crowded_T[band.pairs[:, 0]]
        is_new = np.ones(len(band.pairs), bool)
        for number, mask in enumerate(self._masks):
            was_crowd = (crowded >> np.uint64(number)) & np.uint64(1) == 1
            is_new &= ((band.equal_P & mask) != mask) | was_crowd
        self._likely.append(band.pairs[is_new])
        self._crowded_T[band.members] |= np.uint64(1) << np.uint64(len(self._masks))
        for pairs in band.joins:
            is_apart = self._piece_T[pairs[:, 0]] != self._piece_T[pairs[:, 1]]
            pairs = pairs[is_apart]
            pairs = pairs[self._are_alike(pairs)]
            if len(pairs):
                self._found.append(pairs)
                self._piece_T = _merge(self._piece_T, pairs)
        self._masks.append(_mask(self.bands[len(self._masks)]))

    def finish(self) -> NDArray[np.int64]:
        """All pairs that are alike, once each, sorted."""
        likely = np.concatenate([np.zeros((0, 2), np.int64), *self._likely])
        self._likely = []
        found = np.concatenate([*self._found, likely[self._are_alike(likely)]])
        return sort_pairs(found, len(self._piece_T))


def sort_pairs(pairs: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    """Pairs of numbers under ``num``, the lower first, sorted, each once."""
    codes = np.minimum(pairs[:, 0], pairs[:, 1]) * num + np.maximum(pairs[:, 0], pairs[:, 1])
    codes.sort()
    codes = codes[np.diff(codes, prepend=-1) > 0]
    return np.stack(np.divmod(codes, max(num, 1)), axis=1)


def _mask(places: NDArray[np.int64]) -> np.uint64:
    return np.uint64(sum(1 << place for place in places.tolist()))


def _all_pairs(
    order_T: NDArray[np.int64], ends: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """All pairs within buckets, by their distance in the order."""
    for step in range(1, CROWD):
        is_long = sizes > step
        if not is_long.any():
            return
        ends, sizes = ends[is_long], sizes[is_long]
        count = sizes - step
        first = np.repeat(ends - sizes - (np.cumsum(count) - count), count)
        one = first + np.arange(len(first))
        yield np.stack([order_T[one], order_T[one + step]], axis=1)


def _merge(piece_T: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give pieces that a pair joins one number."""
    numbers, ends = np.unique(piece_T[pairs], return_inverse=True)
    label = number_groups(ends.reshape(-1, 2), len(numbers))
    least = np.full(len(numbers), len(piece_T))
    np.minimum.at(least, label, numbers)
    new = np.arange(len(piece_T))
    new[numbers] = least[label]
    merged: NDArray[np.int64] = new[piece_T]
    return merged
