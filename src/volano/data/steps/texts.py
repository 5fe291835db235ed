"""What a row says: its text as one string, the form in which two texts are the same, its script."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.data.frame import Frame, Step

__all__ = ["detect_language", "drop_empty", "join_text", "mark_texts", "normalise"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_FUNCTION_WORDS = {
    "en": "the a an is are was be to of and in on at for with my your i you it he she we they this "
    "that not do does did can have has how what when where why who me but so if just will would",
    "other": "el la los las de que y en un una es por con para le les des du et est une pour dans "
    "der die das und ist ein eine nicht mit ich zu den von il che di non per sono o os um uma não",
}
_WORDS = {word: kind for kind, words in _FUNCTION_WORDS.items() for word in words.split()}
_WORDS |= {"a": "en", "in": "en", "me": "en", "on": "en", "no": "", "i": "en"}


def join_text(fields: dict[str, Any], columns: Sequence[str]) -> str:
    """The text columns of a row as one string, one below the other."""
    values = (fields.get(column) for column in columns)
    return "\n".join(str(value) for value in values if value is not None and str(value).strip())


def normalise(text: str) -> str:
    """The form in which two texts are the same: NFKC, case folded, runs of space as one.

    >>> normalise("Ｃａｒｄ   LOST")
    'card lost'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def mark_texts(columns: Sequence[str]) -> Step:
    """Add the text, its normal form, its length and its language."""

    def mark(frame: Frame) -> Frame:
        texts = [join_text(fields, columns) for fields in frame.column("fields")]
        return (
            frame.with_column("_text", texts, pa.string())
            .with_column("_key", [normalise(text) for text in texts], pa.string())
            .with_column("num_chars", [len(text) for text in texts], pa.int64())
            .with_column("language", [detect_language(text) for text in texts], pa.string())
        )

    return mark


def drop_empty(frame: Frame) -> Frame:
    """Drop rows that say nothing: no text, or only space."""
    empty = {
        place: ("empty-text", "")
        for place, key in enumerate(frame.column("_key"))
        if not any(not c.isspace() and unicodedata.category(c) not in {"Cf", "Cc"} for c in key)
    }
    return frame.drop(empty)


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
