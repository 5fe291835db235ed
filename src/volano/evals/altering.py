"""Texts altered by rule, in English and Chinese, so that they still mean the same to a person.

A rule takes a text and a source of chance and gives the text altered, or as it was where it does
not apply. Digits, negations and their neighbours, and whatever looks like a code or an address,
are left alone. The kinds of typing error are those of Belinkov and Bisk 2018, arXiv:1711.02173;
checking models with edits that keep a label is from Ribeiro et al. 2020, arXiv:2005.04118.
"""

from __future__ import annotations

import html
import re
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from volano.evals.wording import (
    CLOSINGS,
    CONTRACTIONS,
    ENGLISH,
    GREETINGS,
    KEPT_CHARACTERS,
    KEPT_WORDS,
    LOOK_ALIKES,
    NEIGHBOURS,
    QUESTIONS,
    SYNONYMS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random

    from volano.evals.wording import Phrases

__all__ = ["KINDS", "Rule", "alter", "has_ideograms", "words_of"]

Rule: TypeAlias = "Callable[[str, Random], str]"

KINDS: Mapping[str, tuple[str, ...]] = {
    "typos": ("wrong letter", "swapped letters", "dropped letter", "doubled letter"),
    "case": ("all capitals", "no capitals", "Every Word", "full width", "half width"),
    "noise": ("spaces", "punctuation", "emoji", "line ends", "HTML entities", "drawn-out letters"),
    "paraphrase": ("contractions", "greeting", "closing", "synonyms", "question forms"),
}
_LONGEST = 2000  # characters of a text that are looked at, its first
_WORDS_PER_TYPO, _CHARACTERS_PER_TYPO, _MOST_TYPOS = 5, 12, 8
_EMOJI = "📌📎📱🔹✉️▶️"  # of no mood: a smile may be what a label is about
_MARKS = ("~", "..", "-", "*", "、")

_IDEOGRAM = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_CODE = re.compile(r"[\x21-\x7e]*[0-9@_{}#/\\<>=$%&][\x21-\x7e]*")
_GAP = re.compile(r"(?<=[A-Za-z]) (?=[A-Za-z])")
_PATTERNS = {
    pattern: re.compile(pattern, re.IGNORECASE)
    for table in (CONTRACTIONS, *SYNONYMS.values(), *QUESTIONS.values())
    for pattern, _ in table
}
_TO_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_TO_HALF = {full: code for code, full in _TO_FULL.items()} | {ord("。"): ord("."), 0x3000: 0x20}


def has_ideograms(text: str) -> bool:
    """Whether a text is Chinese, in whole or in part."""
    return bool(_IDEOGRAM.search(text)) and not _KANA.search(text)


def words_of(text: str) -> set[str]:
    """The English words of a text, small letters."""
    return {word.lower() for word in _WORD.findall(text)}


def alter(text: str, kind: str, draw: Random, known: Collection[str] = ()) -> tuple[str, str]:
    """The text altered by one rule of a kind, drawn among those that apply, and the rule's name.

    Args:
        text: what a person wrote.
        kind: one of ``KINDS``.
        draw: chance.
        known: words that a typing error may not make, since they are other words.

    Returns:
        The rule and the altered text; two empty texts where no rule of the kind applies.
    """
    rules = _rules(known)
    head, tail = text[:_LONGEST], text[_LONGEST:]
    for name in draw.sample(KINDS[kind], len(KINDS[kind])):
        altered = rules[name](head, draw)
        if altered != head and not (tail and name == "closing"):
            return name, altered + tail
    return "", ""


def _rules(known: Collection[str]) -> dict[str, Rule]:
    return {
        "wrong letter": partial(_misspell, _wrong, known),
        "swapped letters": partial(_misspell, _swapped, known),
        "dropped letter": partial(_misspell, _dropped, known),
        "doubled letter": partial(_misspell, _doubled, known),
        "all capitals": lambda text, _: text.upper(),
        "no capitals": lambda text, _: text.lower(),
        "Every Word": lambda text, _: _WORD.sub(lambda found: found[0].capitalize(), text),
        "full width": lambda text, _: text.translate(_TO_FULL) if has_ideograms(text) else text,
        "half width": lambda text, _: text.translate(_TO_HALF) if has_ideograms(text) else text,
        "spaces": _spaces,
        "punctuation": _punctuation,
        "emoji": _emoji,
        "line ends": _line_ends,
        "HTML entities": _entities,
        "drawn-out letters": _drawn_out,
        "contractions": _contract,
        "greeting": _greet,
        "closing": _close,
        "synonyms": _synonym,
        "question forms": _ask_otherwise,
    }


# Typing errors ---------------------------------------------------------------------------------

# Both change the stretch of a text that begins at ``start``: an English word (its inner letters),
# or one Chinese character; None where that cannot be.


def _wrong(text: str, start: int, end: int, draw: Random) -> tuple[int, int, str] | None:
    place = start if end == start + 1 else draw.randrange(start + 1, end - 1)
    others = (LOOK_ALIKES if end == start + 1 else NEIGHBOURS).get(text[place].lower(), "")
    if not others:
        return None
    other = draw.choice(others)
    return place, place + 1, other.upper() if text[place].isupper() else other


def _swapped(text: str, start: int, end: int, draw: Random) -> tuple[int, int, str] | None:
    place = start if end == start + 1 else draw.randrange(start + 1, end - 2)
    first, second = text[place], text[place + 1 : place + 2]
    if not second or first == second or (end == start + 1 and not _is_free(text, place + 1)):
        return None
    return place, place + 2, second + first


def _dropped(text: str, start: int, end: int, draw: Random) -> tuple[int, int, str] | None:
    place = start if end == start + 1 else draw.randrange(start + 1, end - 1)
    return place, place + 1, ""


def _doubled(text: str, start: int, end: int, draw: Random) -> tuple[int, int, str] | None:
    place = start if end == start + 1 else draw.randrange(start + 1, end - 1)
    return place, place + 1, 2 * text[place]


def _misspell(
    slip: Callable[[str, int, int, Random], tuple[int, int, str] | None],
    known: Collection[str],
    text: str,
    draw: Random,
) -> str:
    """One word in five and one Chinese character in twelve mistyped; at least one, at most 8."""
    words = _free_words(text, fewest=4)
    places = [(place, place + 1) for place in _free_characters(text)]
    spots = [
        *draw.sample(words, -(-len(words) // _WORDS_PER_TYPO)),
        *draw.sample(places, -(-len(places) // _CHARACTERS_PER_TYPO)),
    ]
    done = text
    for start, end in sorted(spots[:_MOST_TYPOS], reverse=True):
        change = slip(done, start, end, draw)
        if change is None:
            continue
        first, last, piece = change
        written = done[start:first] + piece + done[last : max(end, last)]
        if written.lower() not in known and written.lower() not in KEPT_WORDS:
            done = done[:first] + piece + done[last:]
    return done


def _free_words(text: str, fewest: int) -> list[tuple[int, int]]:
    """Where English words stand that may be altered: no short ones, negations or parts of codes."""
    plain = _CODE.sub(lambda found: " " * len(found[0]), text)
    return [
        found.span()
        for found in _WORD.finditer(plain)
        if len(found[0]) >= fewest and found[0].isalpha() and not _is_negation(found[0])
    ]


def _is_negation(word: str) -> bool:
    word = word.lower().replace("’", "'")
    return word in KEPT_WORDS or word.endswith("n't")


def _free_characters(text: str) -> list[int]:
    """Where Chinese characters stand that may be altered; none in a text of three or fewer."""
    places = [found.start() for found in _IDEOGRAM.finditer(text)]
    if len(places) <= 3 or _KANA.search(text):
        return []
    return [place for place in places if _is_free(text, place)]


def _is_free(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place + 2]
    return bool(_IDEOGRAM.match(text, place)) and not KEPT_CHARACTERS.intersection(around)


# Noise -----------------------------------------------------------------------------------------


def _spaces(text: str, draw: Random) -> str:
    gaps = _gaps(text) or [0, len(text)]
    for place in sorted(draw.sample(gaps, -(-len(gaps) // 4)), reverse=True):
        text = text[:place] + draw.choice(("  ", "   ", " ")) + text[place:]
    return text


def _gaps(text: str) -> list[int]:
    """Between words, and between Chinese characters; never beside a negation or a number."""
    free = set(_free_characters(text))
    denied = {
        edge
        for found in _WORD.finditer(text)
        if _is_negation(found[0])
        for edge in (found.start() - 1, found.end())
    }
    between_words = {found.start() for found in _GAP.finditer(text)} - denied
    return sorted(between_words | {place for place in free if place - 1 in free})


def _punctuation(text: str, draw: Random) -> str:
    gaps = _gaps(text)
    if not gaps:
        return text
    place = draw.choice(gaps)
    return f"{text[:place]} {draw.choice(_MARKS)} {text[place:].lstrip(' ')}"


def _emoji(text: str, draw: Random) -> str:
    one = draw.choice([sign for sign in _EMOJI if sign != "\ufe0f"])
    return draw.choice((f"{text} {one}", f"{one} {text}", f"{text}{one}"))


def _line_ends(text: str, draw: Random) -> str:
    gaps = _gaps(text)
    end = draw.choice(("\r\n", "\n", "\n\n"))
    if not gaps or draw.random() < 0.3:
        return text + end
    place = draw.choice(gaps)
    return text[:place] + end + text[place:].lstrip(" ")


def _entities(text: str, draw: Random) -> str:
    escaped = html.escape(text)
    gaps = _gaps(escaped) or [len(escaped)]
    place = draw.choice(gaps)
    return escaped[:place] + "&nbsp;" + escaped[place:].lstrip(" ")


def _drawn_out(text: str, draw: Random) -> str:
    ends = [end - 1 for _, end in _free_words(text, fewest=3)] + _free_characters(text)
    if text[-1:] in tuple("!?.！？。~"):
        ends.append(len(text) - 1)
    if not ends:
        return text
    place = draw.choice(ends)
    return text[:place] + text[place] * draw.randint(3, 4) + text[place + 1 :]


# Paraphrase ------------------------------------------------------------------------------------


def _language(text: str) -> str:
    """``zh``, ``en``, or empty for a text that is clearly neither."""
    words = words_of(text)
    if has_ideograms(text) and len(_IDEOGRAM.findall(text)) >= len(words):
        return "zh"
    return "en" if words & ENGLISH else ""


def _greet(text: str, draw: Random) -> str:
    language = _language(text)
    if not language:
        return text
    first = _WORD.match(text)
    if first and first[0].lower() in ENGLISH and first[0][0] != "I":
        text = text[0].lower() + text[1:]
    return draw.choice(GREETINGS[language]) + text


def _close(text: str, draw: Random) -> str:
    language = _language(text)
    if not language:
        return text
    ended = text.rstrip()
    if not re.search(r"[.!?。！？…~]$", ended):
        ended += "。" if language == "zh" else "."
    return ended + ("" if language == "zh" else " ") + draw.choice(CLOSINGS[language])


def _contract(text: str, draw: Random) -> str:
    fitting = [(_PATTERNS[p], into) for p, into in CONTRACTIONS if _PATTERNS[p].search(text)]
    if not fitting or _language(text) != "en":
        return text
    pattern, into = draw.choice(fitting)
    return pattern.sub(lambda found: _cased(found, into), text)


def _synonym(text: str, draw: Random) -> str:
    return _replace(text, SYNONYMS.get(_language(text), ()), draw)


def _ask_otherwise(text: str, draw: Random) -> str:
    return _replace(text, QUESTIONS.get(_language(text), ()), draw)


def _replace(text: str, table: Phrases, draw: Random) -> str:
    """One pattern that fits, drawn by chance, and what it may become; its first place alone."""
    fitting = [(_PATTERNS[p], others) for p, others in table if _PATTERNS[p].search(text)]
    if not fitting:
        return text
    pattern, others = draw.choice(fitting)
    into = draw.choice(others)
    return pattern.sub(lambda found: _cased(found, into), text, count=1)


def _cased(found: re.Match[str], into: str) -> str:
    """The replacement, beginning with a capital where what it stands for did."""
    written = found.expand(into)
    return written[:1].upper() + written[1:] if found[0][:1].isupper() else written
