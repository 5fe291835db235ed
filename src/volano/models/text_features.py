"""Hashed word and character n-grams with TF-IDF weights, from plain numpy arithmetic.

Chinese needs no word segmenter: an ideogram is a token, and one or two in a row are features. The
same text gives the same bits alone or in any batch, and in any process.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scipy import sparse

UInts = NDArray[np.uint64]
Ints = NDArray[np.int64]

_SPACE, _WORD, _IDEOGRAM, _SYMBOL = 0, 1, 2, 3
_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LONGEST_COUNT = 256
_CHUNK = 1_000_000  # characters laid out at once: about 100 MB of numbers on the way

# Written out rather than asked of unicodedata, so a newer Python cannot move a feature.
_IDEOGRAM_RANGES = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF))
_SYMBOL_RANGES = (
    (0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7),
    (0x2000, 0x2BFF), (0x3000, 0x303F), (0xE000, 0xF8FF), (0xFE00, 0xFE6F), (0xFF00, 0xFFEF),
)  # fmt: skip


@dataclass(frozen=True)
class TextSettings:
    """What is counted; part of the saved state because features depend on all of it."""

    hash_bits: int = 22
    word_orders: tuple[int, ...] = (1, 2)
    ideogram_orders: tuple[int, ...] = (1, 2)
    char_orders: tuple[int, ...] = (3, 4)
    min_rows: int = 2


def normalise_text(text: str) -> str:
    """Fold the differences that never change a meaning: width, case, runs of space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    else:
        text = text.lower()
    return " ".join(text.split())


def _build_character_kinds() -> NDArray[np.uint8]:
    kinds = np.full(0x10000, _WORD, dtype=np.uint8)
    kinds[:0x21] = _SPACE
    for first, last in _IDEOGRAM_RANGES:
        kinds[first : last + 1] = _IDEOGRAM
    for first, last in _SYMBOL_RANGES:
        kinds[first : last + 1] = _SYMBOL
    return kinds


_KINDS = _build_character_kinds()
_COUNT_WEIGHTS = np.array(
    [0.0] + [1.0 + math.log(n) for n in range(1, _LONGEST_COUNT)], dtype=np.float64
)


def _classify(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    if codes.size and int(codes.max()) >= 0x10000:
        kinds = _KINDS[np.minimum(codes, 0xFFFF)]
        kinds[(codes >= 0x20000) & (codes < 0x40000)] = _IDEOGRAM
        kinds[(codes >= 0x10000) & (codes < 0x20000)] = _SYMBOL
        return kinds
    return _KINDS[codes]


def _mix(values: UInts) -> UInts:
    """Spread every bit over the word (splitmix64), so that low bits make good buckets."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def _list_powers(base: int, size: int) -> UInts:
    powers = np.full(size, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


_SHORT = 4096
_SHORT_POWERS = _list_powers(int(_BASE), _SHORT)
_SHORT_INVERSES = _list_powers(int(_BASE_INVERSE), _SHORT)


class _Spans:
    """Hashes of any stretch of the text, equal wherever the stretch stands.

    A prefix sum of code * base**position, divided by base**start: exact modulo 2**64.
    """

    def __init__(self, codes: NDArray[np.uint32]) -> None:
        size = codes.size + 1
        short = size <= _SHORT
        powers = _SHORT_POWERS if short else _list_powers(int(_BASE), size)
        self._inverses = _SHORT_INVERSES if short else _list_powers(int(_BASE_INVERSE), size)
        self._prefix = np.zeros(size, dtype=np.uint64)
        np.cumsum(_mix(codes + _BASE) * powers[: size - 1], out=self._prefix[1:])

    def hash(self, starts: Ints, ends: Ints) -> UInts:
        return (self._prefix[ends] - self._prefix[starts]) * self._inverses[starts]


def _salt(kind: int, order: int) -> np.uint64:
    return np.uint64((kind * 16 + order + 1) * 0xD6E8FEB86659FD93 % 2**64)


@dataclass(frozen=True)
class _Codes:
    """A batch of texts laid end to end, one separator before, between and after."""

    codes: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    rows: Ints
    spans: _Spans


@dataclass(frozen=True)
class _Grams:
    """Hashes of stretches, and where in the batch each begins and ends."""

    hashes: UInts
    starts: Ints
    ends: Ints


def _lay_out(texts: Sequence[str]) -> _Codes:
    joined = "\n" + "\n".join(texts) + "\n"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    breaks = codes == 10
    rows = np.cumsum(breaks) - 1
    codes = np.where(breaks, np.uint32(32), codes)
    return _Codes(codes, _classify(codes), rows, _Spans(codes))


def _find_tokens(kinds: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Words; an ideogram or a symbol is a word of its own."""
    word = kinds == _WORD
    alone = kinds > _WORD
    starts = np.flatnonzero((word[1:] & ~word[:-1]) | alone[1:]) + 1
    ends = np.flatnonzero((word[:-1] & ~word[1:]) | alone[:-1]) + 1
    return starts, ends


def _hash_tokens(text: _Codes, settings: TextSettings) -> _Grams:
    """Sequences of tokens, longer ones among ideograms alone if the settings say so."""
    starts, ends = _find_tokens(text.kinds)
    rows = text.rows[starts]
    single = _mix(text.spans.hash(starts, ends))
    pure = ideogram = text.kinds[starts] == _IDEOGRAM
    chain = np.zeros_like(single)
    found: list[_Grams] = []
    for order in range(1, max((*settings.word_orders, *settings.ideogram_orders, 0)) + 1):
        count = max(single.size - order + 1, 0)
        chain = chain[:count] * _BASE + single[order - 1 :]
        pure = pure[:count] & ideogram[order - 1 :]
        keep = rows[:count] == rows[order - 1 :]
        if order not in settings.word_orders:
            keep &= pure
        if order not in settings.ideogram_orders:
            keep &= ~pure
        hashes = _mix(chain[keep] + _salt(0, order))
        found.append(_Grams(hashes, starts[:count][keep], ends[order - 1 :][keep]))
    return _join(found)


def _count_before(flags: NDArray[np.bool_]) -> Ints:
    before = np.zeros(flags.size + 1, dtype=np.int64)
    np.cumsum(flags, out=before[1:])
    return before


def _hash_characters(text: _Codes, settings: TextSettings) -> _Grams:
    """Stretches of characters inside one word and its edges; ideograms are tokens already."""
    space = text.kinds == _SPACE
    spaces = _count_before(space)
    ideograms = _count_before(text.kinds == _IDEOGRAM)
    found: list[_Grams] = []
    for order in settings.char_orders:
        count = space.size - order + 1
        if count <= 0 or ideograms[-1] + 2 >= space.size:
            continue
        keep = spaces[1 : count + 1] == spaces[order - 1 : -1]
        if ideograms[-1]:
            keep &= ideograms[order:] == ideograms[:-order]
        if order == 2:
            keep &= ~(space[:count] & space[1:])
        starts = np.flatnonzero(keep)
        hashes = _mix(text.spans.hash(starts, starts + order) + _salt(1, order))
        found.append(_Grams(hashes, starts, starts + order))
    return _join(found)


def _join(found: list[_Grams]) -> _Grams:
    if not found:
        return _Grams(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    return _Grams(
        np.concatenate([grams.hashes for grams in found]),
        np.concatenate([grams.starts for grams in found]),
        np.concatenate([grams.ends for grams in found]),
    )


def _count_repeats(keys: Ints) -> tuple[Ints, Ints]:
    """Distinct keys in order, and how often each occurs."""
    keys.sort()
    fresh = np.empty(keys.size, dtype=np.bool_)
    fresh[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
    first = np.flatnonzero(fresh)
    counts = np.empty_like(first)
    counts[:-1] = first[1:] - first[:-1]
    counts[-1:] = keys.size - first[-1:]
    return keys[first], counts


def _chunks(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of rows of about ``_CHUNK`` characters; at least one stretch, if an empty one."""
    stretches, start, size = [], 0, 0
    for place, text in enumerate(texts, start=1):
        size += len(text) + 1
        if size >= _CHUNK:
            stretches.append((start, place))
            start, size = place, 0
    if start < len(texts) or not stretches:
        stretches.append((start, len(texts)))
    return stretches


class TextFeaturiser:
    """Texts to sparse rows; the same text gives the same bits alone or in any batch.

    A bucket's top bit tells characters from tokens; each half is scaled to length 1.
    """

    def __init__(self, settings: TextSettings = TextSettings()) -> None:
        self.settings = settings
        self._bits = settings.hash_bits + 1
        self._adopt(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))

    @classmethod
    def load(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read back ``asdict(settings)`` and ``arrays()``; ValueError where they do not fit."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        made = cls(TextSettings(**plain))
        buckets, idf = (arrays[f"features.{name}"] for name in ("buckets", "idf"))
        if buckets.shape != idf.shape or (buckets[1:] <= buckets[:-1]).any():
            raise ValueError("buckets of features are not in order, or do not match their weights")
        made._adopt(buckets.astype(np.int64), idf.astype(np.float32))
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part of the state that goes into the weights."""
        return {"features.buckets": self._buckets.astype(np.uint32), "features.idf": self._idf}

    @property
    def width(self) -> int:
        """How many features there are."""
        return int(self._buckets.size)

    def fit_transform(self, texts: Sequence[str]) -> sparse.csr_array:
        """Learn which features occur and how often, and give the rows of these texts."""
        rows, buckets, counts = self._count(texts)
        self._fit_counts(len(texts), buckets, counts)
        return self._weigh(len(texts), rows, buckets, counts)

    def transform(self, texts: Sequence[str]) -> sparse.csr_array:
        """(rows, width) float32, columns sorted, words at length 1 and characters at length 1."""
        return self._weigh(len(texts), *self._count(texts))

    def attribute(self, text: str, weight_F: NDArray[np.floating]) -> list[tuple[str, float]]:
        """How much each word, or run of ideograms, adds to ``features @ weight_F``.

        A feature's part is spread evenly over the characters where it stands, spaces left out, so
        the parts add up to the product (up to rounding).
        """
        laid = _lay_out([normalise_text(text)])
        row = self.transform([text])
        value_of = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        part = np.zeros(laid.codes.size)
        solid = laid.kinds != _SPACE
        for grams, buckets in self._buckets_of(laid):
            columns = self._columns_of(buckets)
            seen = np.bincount(columns[columns >= 0], minlength=1)
            bounds = zip(columns.tolist(), grams.starts.tolist(), grams.ends.tolist(), strict=True)
            for column, start, end in bounds:
                if column >= 0:
                    whole = value_of[column] * float(weight_F[column]) / float(seen[column])
                    here = solid[start:end]
                    part[start:end] += whole * here / here.sum()
        return _pieces(laid, part)

    def _count(self, texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
        parts = [self._count_chunk(texts[a:b], a) for a, b in _chunks(texts)]
        keys = parts[0][0] if len(parts) == 1 else np.concatenate([part[0] for part in parts])
        counts = parts[0][1] if len(parts) == 1 else np.concatenate([part[1] for part in parts])
        return keys >> self._bits, keys & ((1 << self._bits) - 1), counts

    def _count_chunk(self, texts: Sequence[str], first_row: int) -> tuple[Ints, Ints]:
        laid = _lay_out([normalise_text(text) for text in texts])
        keys = [
            ((laid.rows[grams.starts] + first_row) << self._bits) + buckets
            for grams, buckets in self._buckets_of(laid)
        ]
        return _count_repeats(np.concatenate(keys))

    def _buckets_of(self, laid: _Codes) -> tuple[tuple[_Grams, Ints], tuple[_Grams, Ints]]:
        """Stretches of tokens, then of characters, each with its buckets."""
        shift = np.uint64(65 - self._bits)
        tokens = _hash_tokens(laid, self.settings)
        stretches = _hash_characters(laid, self.settings)
        return (
            (tokens, (tokens.hashes >> shift).view(np.int64)),
            (stretches, (stretches.hashes >> shift).view(np.int64) + (1 << (self._bits - 1))),
        )

    def _fit_counts(self, total: int, buckets: Ints, counts: Ints) -> None:
        frequency = np.bincount(buckets, minlength=1 << self._bits)
        kept = np.flatnonzero(frequency >= max(self.settings.min_rows, 1))
        idf = np.log((1.0 + total) / (1.0 + frequency[kept])) + 1.0
        self._adopt(kept, idf.astype(np.float32))

    def _adopt(self, buckets: Ints, idf: NDArray[np.float32]) -> None:
        self._buckets, self._idf = buckets, idf
        self._first_stretch = int(np.searchsorted(buckets, 1 << (self._bits - 1)))

    def _columns_of(self, buckets: Ints) -> Ints:
        """The column of each bucket, -1 where fitting did not see it.

        A search costs 10 of the 380 microseconds of a row; a table of all buckets would be 32 MB in
        each loaded model.
        """
        if self.width == 0:
            return np.full(buckets.size, -1)
        places = np.minimum(np.searchsorted(self._buckets, buckets), self.width - 1)
        columns: Ints = np.where(self._buckets[places] == buckets, places, -1)
        return columns

    def _weigh(self, size: int, rows: Ints, buckets: Ints, counts: Ints) -> sparse.csr_array:
        """Bincount adds one by one in column order, so a row's length has one value only."""
        from scipy import sparse

        columns = self._columns_of(buckets)
        known = columns >= 0
        rows, columns, counts = rows[known], columns[known], counts[known]
        weights = _COUNT_WEIGHTS[np.minimum(counts, _LONGEST_COUNT - 1)] * self._idf[columns]
        half = rows * 2 + (columns >= self._first_stretch)
        lengths = np.sqrt(np.bincount(half, weights=weights * weights, minlength=2 * size))
        values = (weights / lengths[half]).astype(np.float32)
        starts = np.zeros(size + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=size), out=starts[1:])
        columns = columns.astype(np.int32)
        return sparse.csr_array((values, columns, starts), shape=(size, self.width))


def _pieces(laid: _Codes, part: NDArray[np.float64]) -> list[tuple[str, float]]:
    """Words with their sums; neighbouring ideograms that pull the same way are one piece."""
    found: list[tuple[str, float]] = []
    last_end, was_ideogram = -1, False
    for start, end in zip(*(bounds.tolist() for bounds in _find_tokens(laid.kinds)), strict=True):
        text = laid.codes[start:end].tobytes().decode("utf-32-le", "surrogatepass")
        weight = float(part[start:end].sum())
        is_ideogram = bool(laid.kinds[start] == _IDEOGRAM)
        joins = is_ideogram and was_ideogram and start == last_end
        if joins and (found[-1][1] > 0) == (weight > 0):
            found[-1] = (found[-1][0] + text, found[-1][1] + weight)
        else:
            found.append((text, weight))
        last_end, was_ideogram = end, is_ideogram
    return found
