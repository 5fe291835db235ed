"""How alike texts are: character shingles, a short signature of each text, and exact similarity.

A Chinese character says about as much as two Latin letters and counts as two symbols, so that one
shingle length serves both scripts. A shingle is kept as a number that no other shingle has, so the
similarity of two texts is exact. A signature is MinHash (Broder 1997): two texts agree in each of
its places with the chance of their Jaccard similarity; one byte of each value is kept (Li and
König 2010), which adds 1/256 to the chance.

Shape suffixes: T texts, S shingles of all texts, K places of a signature, P pairs, W of one text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PLACES", "Shingles", "are_alike", "count_symbols", "shingle", "signatures"]

PLACES = 64  # of a signature
_BASE = np.uint64(2 * 0x110000 + 1)  # over the largest symbol; its cube is under 2**64
_NOTHING = np.uint64(2**64 - 1)  # no shingle
_COLUMNS = 512  # texts hashed side by side: their shingles stay in the cache
_LONG = 512  # shingles from which a text is hashed by itself
_FACTORS_K = np.random.default_rng(1).integers(2**31, size=PLACES, dtype=np.uint32) * 2 + 1


class Shingles(NamedTuple):
    """Shingles of texts, repeats kept; text t owns ``codes_S[starts_T[t] :][: sizes_T[t]]``."""

    codes_S: NDArray[np.uint64]
    starts_T: NDArray[np.int64]
    sizes_T: NDArray[np.int64]


def count_symbols(texts: pa.LargeStringArray) -> NDArray[np.int64]:
    """About how many symbols each text has: exact where it is ASCII and common Chinese."""
    num_bytes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    num_points = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    count: NDArray[np.int64] = ((num_bytes + num_points) // 2).astype(np.int64)
    return count


def shingle(texts: pa.LargeStringArray) -> Shingles:
    """The shingles of each text; one shorter than a shingle is its own one, an empty one none."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    raw = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data else np.zeros(0, np.uint8)
    if not len(raw) or raw.max() < 0x80:
        lengths, symbols = np.diff(bounds), _double(raw)
    else:
        lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        text = raw.tobytes().decode("utf-8", "surrogatepass").encode("utf-32-le", "surrogatepass")
        lengths, symbols = _symbols(np.frombuffer(text, np.uint32), lengths)
    starts = np.cumsum(lengths) - lengths
    codes = np.zeros(len(symbols) + 1, np.uint64)  # one more, so that an empty text has a start
    whole = codes[: max(len(symbols) - 2, 0)]
    np.multiply(symbols[: len(whole)], _BASE, out=whole)
    whole += symbols[1 : len(whole) + 1]
    whole *= _BASE
    whole += symbols[2:]
    for length in (1, 2):
        short = starts[lengths == length]
        codes[short] = symbols[short]
        if length == 2:
            codes[short] = codes[short] * _BASE + symbols[short + 1]
    return Shingles(codes, starts, np.maximum(lengths - 2, np.minimum(lengths, 1)))


def _symbols(
    points: NDArray[np.uint32], lengths_T: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Code points as symbols: a wide character is two, told apart by their last bit."""
    is_wide = (points >= 0x2E80) & (points < 0x30000)
    if not is_wide.any():
        return lengths_T, _double(points)
    wide_before = np.zeros(len(points) + 1, np.int64)
    np.cumsum(is_wide, out=wide_before[1:])
    symbols = np.repeat(_double(points), is_wide + np.uint8(1))
    seconds = np.flatnonzero(is_wide)
    symbols[seconds + wide_before[1:][seconds]] += np.uint64(1)
    ends = np.cumsum(lengths_T)
    return lengths_T + wide_before[ends] - wide_before[ends - lengths_T], symbols


def _double(points: NDArray[Any]) -> NDArray[np.uint64]:
    """Odd, so that there is an even number for a second symbol, and none is zero."""
    symbols: NDArray[np.uint64] = points.astype(np.uint64)
    symbols *= np.uint64(2)
    symbols += np.uint64(1)
    return symbols


def signatures(shingles: Shingles) -> NDArray[np.uint8]:
    """One byte for each of ``PLACES`` hash functions and each text, shape (K, T); none is empty."""
    hashes = shingles.codes_S * np.uint64(0xFF51AFD7ED558CCD)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xC4CEB9FE1A85EC53)
    hashes_S = (hashes >> np.uint64(32)).astype(np.uint32)
    _, starts, sizes = shingles
    least_KT = np.empty((PLACES, len(sizes)), np.uint32)
    if sizes.max() > _LONG:
        _hash_by_itself(hashes_S, starts, sizes, least_KT)
    else:
        for begin in range(0, len(sizes), _COLUMNS):
            part = slice(begin, begin + _COLUMNS)
            _hash_side_by_side(hashes_S, starts[part], sizes[part], least_KT[:, part])
    least_KT *= np.uint32(0x9E3779B1)
    return (least_KT >> np.uint32(24)).astype(np.uint8)


def _hash_side_by_side(
    hashes_S: NDArray[np.uint32],
    starts_T: NDArray[np.int64],
    sizes_T: NDArray[np.int64],
    least_KT: NDArray[np.uint32],
) -> None:
    """Texts as columns, shorter ones filled up with their last shingle."""
    rows = np.arange(sizes_T.max())[:, None]
    side_WT = hashes_S[starts_T + np.minimum(rows, sizes_T - 1)]
    product_WT = np.empty_like(side_WT)
    for factor, least_T in zip(_FACTORS_K, least_KT, strict=True):
        np.multiply(side_WT, factor, out=product_WT)
        np.minimum.reduce(product_WT, axis=0, out=least_T)


def _hash_by_itself(
    hashes_S: NDArray[np.uint32],
    starts_T: NDArray[np.int64],
    sizes_T: NDArray[np.int64],
    least_KT: NDArray[np.uint32],
) -> None:
    edges = np.stack([starts_T, starts_T + sizes_T], axis=1).ravel()
    product_S = np.empty_like(hashes_S)
    for factor, least_T in zip(_FACTORS_K, least_KT, strict=True):
        np.multiply(hashes_S, factor, out=product_S)
        least_T[:] = np.minimum.reduceat(product_S, edges)[::2]


def are_alike(
    shingles: Shingles, one_P: NDArray[np.int64], other_P: NDArray[np.int64], threshold: float
) -> NDArray[np.bool_]:
    """Whether the Jaccard similarity of the distinct shingles of two texts is at the threshold."""
    width = int(shingles.sizes_T.max())
    columns = np.arange(width)
    places_TW = shingles.starts_T[:, None] + columns
    np.minimum(places_TW, len(shingles.codes_S) - 1, out=places_TW)
    codes_TW = shingles.codes_S[places_TW]
    codes_TW[columns >= shingles.sizes_T[:, None]] = _NOTHING
    codes_TW.sort(axis=1)
    codes_TW[:, 1:][codes_TW[:, 1:] == codes_TW[:, :-1]] = _NOTHING
    sizes_T = np.count_nonzero(codes_TW != _NOTHING, axis=1)
    codes_TW.sort(axis=1)
    codes_TW = codes_TW[:, : sizes_T.max()]
    both_PW = np.concatenate([codes_TW[one_P], codes_TW[other_P]], axis=1)
    both_PW.sort(axis=1, kind="stable")  # merges what is sorted already
    is_shared = (both_PW[:, 1:] == both_PW[:, :-1]) & (both_PW[:, 1:] != _NOTHING)
    shared_P = np.count_nonzero(is_shared, axis=1)
    is_alike: NDArray[np.bool_] = shared_P >= threshold * (
        sizes_T[one_P] + sizes_T[other_P] - shared_P
    )
    return is_alike
