"""What a row says: its text as one string, the form in which two texts are the same, its script."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from volano.compute import in_order, workers_for
from volano.data.frame import flat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from volano.data.frame import Frame, Step
    from volano.data.spool import Spool

__all__ = [
    "detect_language",
    "detect_languages",
    "drop_empty",
    "hash_text",
    "join_text",
    "mark",
    "mark_texts",
    "normalise",
    "texts_of",
]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?", re.IGNORECASE)
_LATIN = re.compile(r"[a-z]", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_FUNCTION_WORDS = {
    "en": "the a an is are was be to of and in on at for with my your i you it he she we they this "
    "that not do does did can have has how what when where why who me but so if just will would",
    "other": "el la los las de que y en un una es por con para le les des du et est une pour dans "
    "der die das und ist ein eine nicht mit ich zu den von il che di non per sono o os um uma não",
}
_WORDS = {word: kind for kind, words in _FUNCTION_WORDS.items() for word in words.split()}
_WORDS |= {"a": "en", "in": "en", "me": "en", "on": "en", "no": "", "i": "en"}
_OTHER_WORDS = frozenset(word.encode() for word, kind in _WORDS.items() if kind == "other")
_ONLY_LETTERS = bytes(n if chr(n).isalpha() and n < 128 else 32 for n in range(256))
_IS_HAN, _IS_LETTER, _IS_KANA, _IS_LATIN = 1, 2, 4, 8
_NO_LETTERS = 0x40000  # from here on no code point is one
_TEXTS_AT_ONCE = 4_096
_FEW = 20_000
_HASH = 16  # bytes: 128 bits
_MARKS = {
    "num_chars": pa.int64(),
    "language": pa.string(),
    "_key": pa.binary(_HASH),
    "_is_empty": pa.bool_(),
}


def join_text(fields: Mapping[str, Any], columns: Sequence[str]) -> str:
    """The text columns of a row as one string, one below the other."""
    values = (fields.get(column) for column in columns)
    return "\n".join(str(value) for value in values if value is not None and str(value).strip())


def normalise(text: str) -> str:
    """The form in which two texts are the same: NFKC, case folded, runs of space as one.

    >>> normalise("Ｃａｒｄ   LOST")
    'card lost'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def texts_of(table: pa.Table, columns: Sequence[str]) -> list[str]:
    """``join_text`` of each row of raw fields."""
    if len(columns) == 1 and columns[0] in table.column_names:
        column = table[columns[0]]
        if pa.types.is_string(column.type):
            return [v if v and not v.isspace() else "" for v in column.to_pylist()]
    named = [name for name in columns if name in table.column_names]
    return [join_text(fields, columns) for fields in table.select(named).to_pylist()]


def hash_text(normal: str) -> bytes:
    """The name under which a normal form is compared and remembered: 16 bytes."""
    return hashlib.sha256(normal.encode()).digest()[:_HASH]


def mark_texts(columns: Sequence[str], keys: Spool) -> Step:
    """Add the length and language of each text, and the name of its normal form.

    Normal forms go to ``keys``, at the place of the row.
    """

    def said(frame: Frame) -> Iterator[pa.Table]:
        for _, rows in frame.fields.windows(frame.numbers("_place")):
            fields = flat(rows)
            yield fields.select([name for name in columns if name in fields.column_names])

    def step(frame: Frame) -> Frame:
        marks: list[pa.Table] = []
        for found in in_order(mark, said(frame), *columns, workers=workers_for(len(frame))):
            keys.add(found.select(["key"]))
            marks.append(found.drop_columns("key"))
        for name, kind in _MARKS.items():
            chunks = [chunk for found in marks for chunk in found[name].chunks]
            frame = frame.with_column(name, pa.chunked_array(chunks, kind))
        return frame

    return step


def mark(fields: pa.Table, *columns: str) -> pa.Table:
    """The normal form (``key``) and the marks of each row of raw fields."""
    texts = texts_of(fields, columns)
    normal = [normalise(text) for text in texts]
    marks = {
        "num_chars": map(len, texts),
        "language": detect_languages(texts),
        "_key": map(hash_text, normal),
        "_is_empty": map(_is_empty, normal),
    }
    keys = {"key": pa.array(normal, pa.large_string())}
    return pa.table(keys | {name: pa.array(marks[name], kind) for name, kind in _MARKS.items()})


def drop_empty(frame: Frame) -> Frame:
    """Drop rows that say nothing: no text, or only space."""
    places = np.flatnonzero(frame.numbers("_is_empty"))
    num = len(places)
    return frame.drop(places, pa.repeat("empty-text", num), pa.repeat("", num))


def _is_empty(key: str) -> bool:
    if key and key[0] > " " and key[0].isprintable():
        return False  # what cannot be seen is never printable: most texts are done here
    return not any(not c.isspace() and unicodedata.category(c) not in {"Cf", "Cc"} for c in key)


def detect_languages(texts: Sequence[str]) -> list[str]:
    """``detect_language`` of each text, with short ways for the commonest scripts."""
    found = [_of_ascii(text) if text.isascii() else "" for text in texts]
    others = [n for n, language in enumerate(found) if not language]
    if len(others) < _FEW:  # the table of code points would take longer
        for place in others:
            found[place] = detect_language(texts[place])
        return found
    for start in range(0, len(others), _TEXTS_AT_ONCE):
        places = others[start : start + _TEXTS_AT_ONCE]
        for place, language in zip(places, _by_script([texts[n] for n in places]), strict=True):
            found[place] = language or detect_language(texts[place])
    return found


def _of_ascii(text: str) -> str:
    """The language of a text without other letters; empty where apostrophes ask for more care."""
    if "'" in text:
        return ""
    words = text.lower().encode().translate(_ONLY_LETTERS).split()
    if words and _OTHER_WORDS.isdisjoint(words):
        return "en"
    return "" if words else "other"


def _by_script(texts: list[str]) -> list[str]:
    """The language of texts that need no count of function words; empty for the rest."""
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    ends = np.cumsum([0, *map(len, texts)])
    kinds = _kinds_of_points()[points]

    def count(kind: int) -> NDArray[np.int64]:
        sums = np.concatenate([[0], np.cumsum(kinds & kind != 0)])
        found: NDArray[np.int64] = sums[ends[1:]] - sums[ends[:-1]]
        return found

    han, letters, kana = count(_IS_HAN), count(_IS_LETTER), count(_IS_KANA)
    latin = count(_IS_LATIN)
    is_other = (letters == 0) | (3 * kana > letters) | (han + latin == 0)
    is_chinese = ~is_other & (han > 0) & (latin == 0)
    found = np.where(is_other, "other", np.where(is_chinese, "zh", ""))
    return list(found.tolist())


@lru_cache(1)
def _kinds_of_points() -> NDArray[np.uint8]:
    """What each code point is, asked of the same patterns once."""
    kinds = np.zeros(0x110000, np.uint8)
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, _NO_LETTERS))))
    patterns = {_HAN: _IS_HAN, _LETTER: _IS_LETTER, _KANA_HANGUL: _IS_KANA, _LATIN: _IS_LATIN}
    for pattern, kind in patterns.items():
        kinds[[ord(c) for c in pattern.findall(every)]] |= kind
    return kinds


def detect_language(text: str) -> str:
    """``en``, ``zh``, ``mixed`` (both) or ``other``, by script and a few function words.

    >>> detect_language("where is my card"), detect_language("我的卡在哪里")
    ('en', 'zh')
    >>> detect_language("我的 card 还没到 please help me"), detect_language("¿dónde está la casa?")
    ('mixed', 'other')
    """
    han = len(_HAN.findall(text))
    words = _LATIN_WORD.findall(text)
    letters = len(_LETTER.findall(text))
    if not letters or 3 * len(_KANA_HANGUL.findall(text)) > letters:
        return "other"
    # One English word says about what two characters say.
    if han and han >= 8 * len(words):
        return "zh"
    if han and 2 * len(words) * 4 >= han:
        return "mixed" if han >= 2 * 0.25 * len(words) else _of_latin(words, letters - han)
    return "zh" if han else _of_latin(words, letters)


def _of_latin(words: list[str], letters: int) -> str:
    if sum(map(len, words)) < 0.8 * letters:
        return "other"
    votes = Counter(_WORDS.get(word.lower(), "") for word in words)
    return "other" if votes["other"] > votes["en"] else "en"
