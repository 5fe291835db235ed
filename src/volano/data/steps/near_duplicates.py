"""Texts that are nearly the same: found, named as clusters, never dropped for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from volano.compute import usable_cores
from volano.data.naming import group_digests
from volano.data.split import number_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["find_near_duplicates", "name_clusters"]

Texts: TypeAlias = "Sequence[str] | pa.Array | pa.ChunkedArray"
_NAME = 12
_TWINS = 16  # rows of one text that are paired with each row of a text near it
_SYMBOLS_AT_ONCE = 500_000
_SHINGLES_AT_ONCE = 1_000_000
_THREADS = 4


def find_near_duplicates(
    keys: Texts, threshold: float, names: NDArray[np.uint8] | None = None
) -> NDArray[np.int64]:
    """Pairs of places whose normal forms are alike; equal forms always are.

    Two texts are alike when the Jaccard similarity of their distinct shingles of 3 symbols is at
    least the threshold; every pair given was checked exactly. At least 0.985 of the pairs just at
    the threshold are found, and more of those above it.

    Equal texts: each is paired with the first of them. Of two texts that are near, each of the
    first 16 rows of one is paired with each of the first 16 of the other, and each further row
    with the first of the other: 10,000 rows beside 10,000 give no 100 million pairs.

    Crowds (over 16 texts that a band of their signatures does not tell apart): not every pair is
    given, but enough that the texts hang together. Who needs them together must follow pairs over
    all rows; with some rows left out first, a crowd can fall apart.

    Args:
        keys: the normal form of each row.
        threshold: 0 to 1; with 0 only equal forms count.
        names: a digest of each normal form where there is one, shape (R, 16), to know equal ones.

    Returns:
        Places of rows, shape (P, 2), the lower place first, sorted, no pair twice.
    """
    from volano.data.steps.buckets import sort_pairs

    texts, codes_R = _distinct(keys) if names is None else _distinct_by_name(keys, names)
    order_R = np.argsort(codes_R, kind="stable")
    bounds = np.searchsorted(codes_R[order_R], np.arange(len(texts) + 1))
    firsts = order_R[bounds[:-1]]
    equal = np.stack([firsts[codes_R], np.arange(len(codes_R))], axis=1)
    equal = equal[equal[:, 0] != equal[:, 1]]
    if not threshold or len(texts) < 2:
        return sort_pairs(equal, len(codes_R))
    near = _with_equals(_alike(texts, threshold), order_R, bounds)
    return sort_pairs(np.concatenate([near, equal]), len(codes_R))


def _distinct(keys: Texts) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """The texts, each once, in the order of their first places; and which one each row has."""
    coded = _as_bytes(keys).dictionary_encode()
    codes: NDArray[np.int64] = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return coded.dictionary.view(pa.large_string()), codes


def _distinct_by_name(
    keys: Texts, names: NDArray[np.uint8]
) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """The same, without reading the texts."""
    order_R, starts = group_digests(names)
    firsts = order_R[starts]
    texts = _as_bytes(keys).view(pa.large_string())
    if len(firsts) == len(names):
        return texts, np.arange(len(names))
    rank = np.argsort(np.argsort(firsts))
    codes = np.empty(len(names), np.int64)
    codes[order_R] = np.repeat(rank, np.diff(starts, append=len(names)))
    return texts.take(pa.array(np.sort(firsts))), codes


def _as_bytes(keys: Texts) -> pa.LargeBinaryArray:
    if not isinstance(keys, pa.Array | pa.ChunkedArray):
        # What is no text in UTF-8 (half of a surrogate pair) is kept as its bytes.
        raw = pa.array([key.encode("utf-8", "surrogatepass") for key in keys], pa.large_binary())
    else:
        raw = keys.cast(pa.large_string()).cast(pa.large_binary())
    return raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw


def _alike(texts: pa.LargeStringArray, threshold: float) -> NDArray[np.int64]:
    """Pairs of places of distinct texts that are alike."""
    from volano.data.steps.buckets import pairs_in_buckets
    from volano.data.steps.shingles import PLACES, count_symbols, shingle, signatures

    # Texts of like length are hashed side by side, and shorter ones can only be near those.
    sizes = count_symbols(texts)
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]
    sizes = sizes[order]
    signatures_KT = np.empty((PLACES, len(order)), np.uint8)

    def sign(part: slice) -> None:
        signatures_KT[:, part] = signatures(shingle(texts.take(pa.array(order[part]))))

    with ThreadPoolExecutor(min(_THREADS, usable_cores())) as threads:
        for _ in threads.map(sign, _blocks(sizes)):
            pass

        def check(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
            return _check(texts, order, sizes, pairs, threshold, threads)

        return order[pairs_in_buckets(signatures_KT, threshold, check, threads)]


def _blocks(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of texts of so many symbols together, or of one text that is longer by itself."""
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(sizes):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _SYMBOLS_AT_ONCE)))
        yield slice(begin, end)
        begin = end


def _check(
    texts: pa.LargeStringArray,
    order: NDArray[np.int64],
    sizes: NDArray[np.int64],
    pairs: NDArray[np.int64],
    threshold: float,
    threads: ThreadPoolExecutor,
) -> NDArray[np.bool_]:
    """Whether each pair of places in the order is truly alike, in blocks of bounded memory."""
    from volano.data.steps.shingles import are_alike, shingle

    by_length = np.lexsort((pairs.min(axis=1), pairs.max(axis=1)))

    def check(part: slice) -> NDArray[np.bool_]:
        used, ends = np.unique(pairs[by_length[part]], return_inverse=True)
        one, other = ends.reshape(-1, 2).T
        return are_alike(shingle(texts.take(pa.array(order[used]))), one, other, threshold)

    is_alike = np.zeros(len(pairs), bool)
    parts = list(_blocks_of_pairs(sizes[pairs.max(axis=1)[by_length]]))
    for part, found in zip(parts, threads.map(check, parts), strict=True):
        is_alike[by_length[part]] = found
    return is_alike


def _blocks_of_pairs(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of pairs whose shingles fit, given the longer text of each, in rising order."""
    begin = 0
    while begin < len(sizes):
        end = begin + max(1, _SHINGLES_AT_ONCE // (2 * int(sizes[begin])))
        end = min(end, len(sizes))
        while end - begin > 1 and (end - begin) * int(sizes[end - 1]) > _SHINGLES_AT_ONCE:
            end = begin + (end - begin) // 2
        yield slice(begin, end)
        begin = end


def _with_equals(
    near: NDArray[np.int64], order_R: NDArray[np.int64], bounds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs of rows for pairs of distinct texts."""
    sizes = np.diff(bounds)
    found = [_product(near, order_R, bounds, np.minimum(sizes, _TWINS))]
    for one, other in (near.T, near.T[::-1]):
        further = np.maximum(sizes - _TWINS, 0)[one]
        place = np.repeat(bounds[one] + _TWINS - (np.cumsum(further) - further), further)
        place += np.arange(len(place))
        found.append(np.stack([order_R[place], np.repeat(order_R[bounds[other]], further)], axis=1))
    return np.concatenate(found)


def _product(
    near: NDArray[np.int64],
    order_R: NDArray[np.int64],
    bounds: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Each of the first ``sizes`` rows of one text with each of those of the other."""
    one, other = near.T
    count = sizes[one] * sizes[other]
    pair = np.repeat(np.arange(len(near)), count)
    step = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    left = bounds[one[pair]] + step // sizes[other[pair]]
    right = bounds[other[pair]] + step % sizes[other[pair]]
    return np.stack([order_R[left], order_R[right]], axis=1)


def name_clusters(
    ids: Sequence[str] | pa.Array | pa.ChunkedArray, pairs: NDArray[np.int64]
) -> list[str | None]:
    """The cluster of each row: the start of the lowest id in it; None for a row alone.

    Args:
        ids: of all rows.
        pairs: places of rows, shape (P, 2).
    """
    names: list[str | None] = [None] * len(ids)
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    if not len(pairs):
        return names
    places, ends = np.unique(pairs, return_inverse=True)
    labels = number_groups(ends.reshape(-1, 2), len(places))
    if isinstance(ids, pa.Array | pa.ChunkedArray):
        own = ids.take(pa.array(places)).to_pylist()
    else:
        own = [ids[place] for place in places.tolist()]
    lowest: dict[int, str] = {}
    for label, name in zip(labels.tolist(), own, strict=True):
        lowest[label] = min(name, lowest.get(label, name))
    for place, label in zip(places.tolist(), labels.tolist(), strict=True):
        name = lowest[label]
        # A row's id is a hash; that of a prediction begins with its time, which others share.
        names[place] = name if "-" in name else name[:_NAME]
    return names
