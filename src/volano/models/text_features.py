"""Hashed word and character n-grams with TF-IDF weights, from plain numpy arithmetic.

Chinese needs no word segmenter: an ideogram is a token, and one or two in a row are features. The
same text gives the same bits alone or in any batch, and in any process.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

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
_U27, _U30, _U31 = np.uint64(27), np.uint64(30), np.uint64(31)
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
_SPACE_CODE, _BREAK_CODE = np.uint32(32), np.uint32(10)
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
    values = values ^ (values >> _U30)
    values *= _MIX_1
    values ^= values >> _U27
    values *= _MIX_2
    values ^= values >> _U31
    return values


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

    def __init__(self, codes: NDArray[np.uint32], *, is_ascii: bool) -> None:
        size = codes.size + 1
        short = size <= _SHORT
        powers = _SHORT_POWERS if short else _list_powers(int(_BASE), size)
        self._inverses = _SHORT_INVERSES if short else _list_powers(int(_BASE_INVERSE), size)
        self._prefix = np.zeros(size, dtype=np.uint64)
        mixed = _ASCII_MIXED[codes] if is_ascii else _mix(codes + _BASE)
        mixed *= powers[: size - 1]
        mixed.cumsum(out=self._prefix[1:])

    def hash(self, starts: Ints, ends: Ints) -> UInts:
        hashes = self._prefix[ends]
        hashes -= self._prefix[starts]
        hashes *= self._inverses[starts]
        return hashes


_ASCII_MIXED = _mix(np.arange(128, dtype=np.uint32) + _BASE)


@lru_cache
def _salt(kind: int, order: int) -> np.uint64:
    return np.uint64((kind * 16 + order + 1) * 0xD6E8FEB86659FD93 % 2**64)


@dataclass(frozen=True)
class _Codes:
    """A batch of texts laid end to end, one separator before, between and after.

    ``rows`` is None for one text, where every position is of row 0.
    """

    codes: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    rows: Ints | None
    spans: _Spans


@dataclass
class _Grams:
    """Stretches, a part for each order: their hashes, and where each begins and ends."""

    hashes: list[UInts] = field(default_factory=list)
    starts: list[Ints] = field(default_factory=list)
    ends: list[Ints] = field(default_factory=list)

    def add(self, hashes: UInts, starts: Ints, ends: Ints) -> None:
        self.hashes.append(hashes)
        self.starts.append(starts)
        self.ends.append(ends)


def _lay_out(texts: Sequence[str]) -> _Codes:
    joined = "\n" + "\n".join(texts) + "\n"
    is_ascii = joined.isascii()
    if is_ascii:
        codes = np.frombuffer(joined.encode(), dtype=np.uint8).astype(np.uint32)
    else:
        encoded = joined.encode("utf-32-le", "surrogatepass")
        codes = np.frombuffer(encoded, dtype=np.uint32).copy()
    rows: Ints | None = None
    if len(texts) == 1:
        # A text that was normalised holds no line break of its own.
        codes[0] = codes[-1] = _SPACE_CODE
    else:
        breaks = codes == _BREAK_CODE
        rows = breaks.cumsum()
        rows -= 1
        codes[breaks] = _SPACE_CODE
    kinds = _KINDS[codes] if is_ascii else _classify(codes)
    return _Codes(codes, kinds, rows, _Spans(codes, is_ascii=is_ascii))


def _find_tokens(kinds: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Words; an ideogram or a symbol is a word of its own."""
    word = kinds == _WORD
    alone = kinds > _WORD
    begins = word[1:] > word[:-1]
    begins |= alone[1:]
    ends = word[1:] < word[:-1]
    ends |= alone[:-1]
    starts = begins.nonzero()[0]
    starts += 1
    stops = ends.nonzero()[0]
    stops += 1
    return starts, stops


def token_spans(text: str) -> list[tuple[int, int]]:
    """Where each word, ideogram and symbol of a text as written begins and ends."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    starts, ends = (bounds - 1 for bounds in _find_tokens(_classify(codes)))
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def is_ideogram(character: str) -> bool:
    """Whether a character is written without spaces around its words."""
    return bool(_classify(np.array([ord(character)], np.uint32))[0] == _IDEOGRAM)


def _hash_tokens(text: _Codes, settings: TextSettings, found: _Grams) -> None:
    """Sequences of tokens, longer ones among ideograms alone if the settings say so."""
    starts, ends = _find_tokens(text.kinds)
    rows = None if text.rows is None else text.rows[starts]
    single = _mix(text.spans.hash(starts, ends))
    chain = single
    alike = settings.word_orders == settings.ideogram_orders
    pure = ideogram = np.empty(0, np.bool_) if alike else text.kinds[starts] == _IDEOGRAM
    for order in range(1, max((*settings.word_orders, *settings.ideogram_orders, 0)) + 1):
        count = max(single.size - order + 1, 0)
        if order > 1:
            chain = chain[:count] * _BASE
            chain += single[order - 1 :]
            pure = pure[:count] & ideogram[order - 1 :]
        keep: NDArray[np.bool_] | None = None
        if rows is not None:
            keep = rows[:count] == rows[order - 1 :]
        if order not in settings.word_orders:
            keep = pure if keep is None else keep & pure
        if order not in settings.ideogram_orders:
            keep = ~pure if keep is None else keep & ~pure
        first, last = starts[:count], ends[order - 1 :]
        salted = chain + _salt(0, order)
        if keep is not None:
            salted, first, last = salted[keep], first[keep], last[keep]
        found.add(salted, first, last)


def _count_before(flags: NDArray[np.bool_]) -> Ints:
    before = np.zeros(flags.size + 1, dtype=np.int64)
    flags.cumsum(out=before[1:])
    return before


def _hash_characters(text: _Codes, settings: TextSettings, found: _Grams) -> None:
    """Stretches of characters inside one word and its edges; ideograms are tokens already."""
    space = text.kinds == _SPACE
    spaces = _count_before(space)
    ideograms = _count_before(text.kinds == _IDEOGRAM)
    for order in settings.char_orders:
        count = space.size - order + 1
        if count <= 0 or ideograms[-1] + 2 >= space.size:
            continue
        keep = spaces[1 : count + 1] == spaces[order - 1 : -1]
        if ideograms[-1]:
            keep &= ideograms[order:] == ideograms[:-order]
        if order == 2:
            keep &= ~(space[:count] & space[1:])
        starts = keep.nonzero()[0]
        ends = starts + order
        hashes = text.spans.hash(starts, ends)
        hashes += _salt(1, order)
        found.add(hashes, starts, ends)


def _count_repeats(keys: Ints) -> tuple[Ints, Ints]:
    """Distinct keys in order, and how often each occurs."""
    keys.sort()
    fresh = np.empty(keys.size, dtype=np.bool_)
    fresh[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
    first = fresh.nonzero()[0]
    counts = np.empty_like(first)
    np.subtract(first[1:], first[:-1], out=counts[:-1])
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


class Rows(NamedTuple):
    """Row n holds ``values`` at ``columns``, both from ``starts[n]`` to ``starts[n + 1]``."""

    values: NDArray[np.float32]
    columns: NDArray[np.int32]
    starts: NDArray[np.int32]


_NOTHING = np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)


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
        return self._matrix(self._weigh(len(texts), rows, buckets, counts))

    def transform(self, texts: Sequence[str]) -> sparse.csr_array:
        """(rows, width) float32, columns sorted, words at length 1 and characters at length 1."""
        return self._matrix(self.rows(texts))

    def rows(self, texts: Sequence[str]) -> Rows:
        """The same numbers as ``transform`` gives, without the time that a matrix takes."""
        return self._weigh(len(texts), *self._count(texts))

    def _matrix(self, rows: Rows) -> sparse.csr_array:
        from scipy import sparse

        shape = (rows.starts.size - 1, self.width)
        return sparse.csr_array((rows.values, rows.columns, rows.starts), shape=shape)

    def attribute(self, text: str, weight_F: NDArray[np.floating]) -> list[tuple[str, float]]:
        """How much each word, or run of ideograms, adds to ``features @ weight_F``.

        A feature's part is spread evenly over the characters where it stands, spaces left out, so
        the parts add up to the product (up to rounding).
        """
        laid = _lay_out([normalise_text(text)])
        row = self.rows([text])
        value_of = dict(zip(row.columns.tolist(), row.values.tolist(), strict=True))
        part = np.zeros(laid.codes.size)
        solid = laid.kinds != _SPACE
        grams, buckets = self._buckets_of(laid)
        columns = self._columns_of(buckets)
        seen = np.bincount(columns[columns >= 0], minlength=1)
        starts, ends = (np.concatenate(found) for found in (grams.starts, grams.ends))
        bounds = zip(columns.tolist(), starts.tolist(), ends.tolist(), strict=True)
        for column, start, end in bounds:
            if column >= 0:
                whole = value_of[column] * float(weight_F[column]) / float(seen[column])
                here = solid[start:end]
                part[start:end] += whole * here / here.sum()
        return _pieces(laid, part)

    def _count(self, texts: Sequence[str]) -> tuple[Ints | None, Ints, Ints]:
        """Row (None where there is one text), bucket and count of whatever occurs."""
        if len(texts) == 1:
            return None, *self._count_chunk(texts, 0)
        parts = [self._count_chunk(texts[a:b], a) for a, b in _chunks(texts)]
        keys = parts[0][0] if len(parts) == 1 else np.concatenate([part[0] for part in parts])
        counts = parts[0][1] if len(parts) == 1 else np.concatenate([part[1] for part in parts])
        return keys >> self._bits, keys & ((1 << self._bits) - 1), counts

    def _count_chunk(self, texts: Sequence[str], first_row: int) -> tuple[Ints, Ints]:
        laid = _lay_out([normalise_text(text) for text in texts])
        grams, keys = self._buckets_of(laid)
        if laid.rows is not None:
            rows = laid.rows[np.concatenate(grams.starts)]
            rows += first_row
            rows <<= self._bits
            keys += rows
        elif first_row:
            keys += first_row << self._bits
        return _count_repeats(keys)

    def _buckets_of(self, laid: _Codes) -> tuple[_Grams, Ints]:
        """Stretches of tokens, then of characters, and the bucket of each."""
        grams = _Grams()
        _hash_tokens(laid, self.settings, grams)
        num_tokens = sum(part.size for part in grams.hashes)
        _hash_characters(laid, self.settings, grams)
        grams.add(*_NOTHING)  # so that there is something to join
        hashes = _mix(np.concatenate(grams.hashes))
        hashes >>= np.uint64(65 - self._bits)
        buckets: Ints = hashes.view(np.int64)
        buckets[num_tokens:] += 1 << (self._bits - 1)
        return grams, buckets

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

        A table of all buckets would be 32 MB in each loaded model, to save a twentieth of a row.
        """
        if self.width == 0:
            return np.full(buckets.size, -1)
        places = self._buckets.searchsorted(buckets)
        np.minimum(places, self.width - 1, out=places)
        places[self._buckets[places] != buckets] = -1
        return places

    def _weigh(self, size: int, rows: Ints | None, buckets: Ints, counts: Ints) -> Rows:
        """Bincount adds one by one in column order, so a row's length has one value only."""
        columns = self._columns_of(buckets)
        known = columns >= 0
        columns, counts = columns[known], counts[known]
        weights = _COUNT_WEIGHTS[np.minimum(counts, _LONGEST_COUNT - 1)]
        weights *= self._idf[columns]
        starts = np.zeros(size + 1, dtype=np.int32)
        half: Ints = (columns >= self._first_stretch).astype(np.int64)
        if rows is None:
            starts[1] = columns.size
        else:
            rows = rows[known]
            half += rows * 2
            np.bincount(rows, minlength=size).cumsum(out=starts[1:])
        lengths = np.sqrt(np.bincount(half, weights=weights * weights, minlength=2 * size))
        weights /= lengths[half]
        return Rows(weights.astype(np.float32), columns.astype(np.int32), starts)


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
