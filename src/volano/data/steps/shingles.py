"""How alike texts are: character shingles, their MinHash, and pairs that are truly alike.

Candidates come from bands of MinHash values (Broder 1997; Leskovec et al., "Mining of Massive
Datasets", chapter 3); each is then checked by the Jaccard similarity of the whole shingle sets, so
no pair is reported by chance. A Chinese character says about as much as two Latin letters and
counts as two symbols, so that one shingle length serves both scripts.

Shape suffixes: T texts, S shingles of all texts, H hash functions, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Shingles", "alike_pairs", "shingle"]

WIDTH = 3  # symbols in a shingle
_HASHES = 96
_RECALL = 0.985  # of pairs just at the threshold; those more alike are found more surely
_SLACK = 0.25  # how far a MinHash estimate of 96 values may lie below the truth: over five sigma
_SYMBOLS_AT_ONCE = 500_000
_PAIRS_AT_ONCE = 200_000
_CROWD = 40  # texts in one bucket past which each is compared with its neighbours only


@dataclass(frozen=True)
class Shingles:
    """The distinct shingles of each text, one after the other; text t owns ``bounds[t:t+2]``."""

    hashes_S: NDArray[np.uint64]
    bounds_T: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds_T) - 1


def shingle(texts: Sequence[str]) -> Shingles:
    """The shingles of each text; a text shorter than a shingle is its own one shingle."""
    parts: list[NDArray[np.uint64]] = []
    counts: list[NDArray[np.int64]] = []
    for block in _blocks(texts):
        hashes, sizes = _shingle_block(block)
        parts.append(hashes)
        counts.append(sizes)
    sizes = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return Shingles(np.concatenate(parts) if parts else np.zeros(0, np.uint64), bounds)


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size > _SYMBOLS_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block


def _shingle_block(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    is_wide = (points >= 0x2E80) & (points < 0x30000)
    times = np.where(is_wide, 2, 1)
    symbols, owner = np.repeat(points, times), np.repeat(owner, times)
    symbols = symbols * np.uint64(2) + _second(times)
    if not len(symbols):
        return np.zeros(0, np.uint64), np.zeros(len(texts), np.int64)
    # The two symbols before the first of a text belong to another text: zero stands for them.
    before = [np.where(_shift(owner, k) == owner, _shift(symbols, k), 0) for k in (2, 1)]
    mixed = (_mix(before[0]) * np.uint64(31) + _mix(before[1])) * np.uint64(37) + _mix(symbols)
    lengths_T = np.bincount(owner, minlength=len(texts))
    place = np.arange(len(symbols)) - (np.cumsum(lengths_T) - lengths_T)[owner]
    length = lengths_T[owner]
    is_whole = (place >= WIDTH - 1) | (place == length - 1) & (length < WIDTH)
    hashes, owner = _mix(mixed[is_whole]), owner[is_whole]
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    is_first = np.ones(len(hashes), bool)
    is_first[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    return hashes[is_first], np.bincount(owner[is_first], minlength=len(texts)).astype(np.int64)


def _second(times: NDArray[Any]) -> NDArray[np.uint64]:
    """1 at the second symbol of a wide character, else 0."""
    is_second = np.zeros(int(times.sum()), np.uint64)
    is_second[(np.cumsum(times) - 1)[times == 2]] = 1
    return is_second


def _shift(values: NDArray[Any], by: int) -> NDArray[Any]:
    shifted = np.empty_like(values)
    shifted[:by] = values[-1] if values.dtype == np.uint64 else -1
    shifted[by:] = values[:-by]
    return shifted


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of MurmurHash3: each bit of the input moves half of the output."""
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(33))
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    return mixed


def alike_pairs(shingles: Shingles, threshold: float) -> NDArray[np.int64]:
    """Pairs of texts whose Jaccard similarity is at least ``threshold``, shape (P, 2), sorted."""
    is_held = np.diff(shingles.bounds_T) > 0
    texts = np.flatnonzero(is_held)
    if len(texts) < 2:
        return np.zeros((0, 2), np.int64)
    signatures_HT = _signatures(shingles.hashes_S, shingles.bounds_T[:-1][is_held])
    pairs = _candidates(signatures_HT, threshold)
    whole = texts[pairs]
    return whole[_is_alike(shingles, whole, threshold)]


def _signatures(hashes_S: NDArray[np.uint64], starts_T: NDArray[np.int64]) -> NDArray[np.uint32]:
    signatures = np.empty((_HASHES, len(starts_T)), np.uint32)
    for number in range(_HASHES):
        odd = _mix(np.array([2 * number + 1], np.uint64)) | np.uint64(1)
        values = ((hashes_S * odd) >> np.uint64(32)).astype(np.uint32)
        signatures[number] = np.minimum.reduceat(values, starts_T)
    return signatures


def _rows_of_band(threshold: float) -> int:
    """The longest bands (fewest candidates to check) that miss few pairs at the threshold."""
    return next(
        rows for rows in (4, 3, 2, 1) if 1 - (1 - threshold**rows) ** (_HASHES // rows) >= _RECALL
    )


def _candidates(signatures_HT: NDArray[np.uint32], threshold: float) -> NDArray[np.int64]:
    num = signatures_HT.shape[1]
    found: list[NDArray[np.int64]] = []
    num_rows = _rows_of_band(threshold)
    for begin in range(0, _HASHES, num_rows):
        key = np.zeros(num, np.uint64)
        for row in signatures_HT[begin : begin + num_rows]:
            key = _mix(key * np.uint64(31) + row)
        order = np.argsort(key, kind="stable")
        found.extend(_bucket_pairs(order, key[order]))
    if not found:
        return np.zeros((0, 2), np.int64)
    codes = np.unique(np.concatenate(found))
    pairs = np.stack([codes // num, codes % num], axis=1)
    share = np.zeros(len(pairs))
    for begin in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[begin : begin + _PAIRS_AT_ONCE]
        same = signatures_HT[:, some[:, 0]] == signatures_HT[:, some[:, 1]]
        share[begin : begin + _PAIRS_AT_ONCE] = same.mean(axis=0)
    return pairs[share >= threshold - _SLACK]


def _bucket_pairs(
    order: NDArray[np.int64], keys: NDArray[np.uint64]
) -> Iterator[NDArray[np.int64]]:
    """Codes of all pairs in one bucket; in a crowd, of neighbours in order."""
    num = len(order)
    for step in range(1, min(_CROWD, num)):
        is_same = keys[step:] == keys[:-step]
        if not is_same.any():
            return
        one, other = order[:-step][is_same], order[step:][is_same]
        yield np.minimum(one, other) * num + np.maximum(one, other)


def _is_alike(shingles: Shingles, pairs: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
    from scipy.sparse import csr_array

    if not len(pairs):
        return np.zeros(0, np.bool_)
    used = np.unique(pairs)
    sizes = np.diff(shingles.bounds_T)[used]
    starts = np.repeat(shingles.bounds_T[used] - np.cumsum(sizes) + sizes, sizes)
    _, columns = np.unique(shingles.hashes_S[starts + np.arange(len(starts))], return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    held = csr_array((np.ones(len(columns), np.int32), columns, bounds))
    place = np.searchsorted(used, pairs)
    alike = np.zeros(len(pairs), bool)
    at_once = max(1, _SYMBOLS_AT_ONCE // max(int(sizes.mean()), 1))
    for begin in range(0, len(pairs), at_once):
        one, other = place[begin : begin + at_once].T
        both = np.asarray(held[one].multiply(held[other]).sum(axis=1)).ravel()
        alike[begin : begin + at_once] = both >= threshold * (sizes[one] + sizes[other] - both)
    return alike
