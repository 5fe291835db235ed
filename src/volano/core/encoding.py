"""Bytes to text: UTF-8 first, then what spreadsheets save in East Asia and in the West.

Most byte pairs are a character in several of the older encodings, so that "it decodes" says little.
What decides is plausibility: characters that stand everywhere in a language, and those that its
standard calls common, are frequent in the right encoding and rare in the wrong ones; in Western
text an accented letter stands among plain ones. All is read in pieces: files may outgrow memory.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from volano.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Decoded", "Encoding", "decode", "find_encoding"]

_NO_FILES = re.compile(r"utf.?7$|.*escape|idna|punycode|undefined", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 400_000  # bytes that are looked at
_HEAD = 4000  # bytes among which zeros are counted
_PLAUSIBLE, _SURE, _CLEAR = 0.5, 0.9, 0.2  # least scores of a guess, and least lead over the next
_WESTERN = 0.9  # least share of characters beyond ASCII that stand as they do in Western text
_FEW = 0.3  # and most of them among all letters
_MARKS_OF_TEXT = "\u3000\u3001\u3002\u300a\u300b\u300c\u300d"  # shared by all of them
_NO_ACCENTS = "\xd7\xf7\xd0\xf0\xde\xfe\xff"  # signs, and letters too rare to speak for it
_ACCENTED = {chr(code) for code in range(0xC0, 0x100)} - {*_NO_ACCENTS} | {*"\u0152\u0153"}
_WORDS = {
    *"\xe0\xc0\xe9\xc9\xe8\xc8\xf3\xd3\xf2\xd2\xe5\xc5\xf8\xd8\xe6\xc6\xf4\xd4"
}  # by themselves
_WESTERN_SIGNS = {
    *"\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u20ac\u2022\u2122",
    *"\xa0\xa1\xa3\xa7\xa9\xaa\xab\xae\xb0\xba\xbb\xbf",
}
_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于"
    "着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还"
    "进好小部其些主样理心她本前开但因只从想实日请问怎吗什服务"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於"
    "著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還"
    "進好小部其些主樣理心她本前開但因只從想實日請問怎嗎什服務"
)
_KOREAN = (
    "이다는을의에가하고지은로사도한기서를아인리어라대나시자정해있그일수부게보전것구들"
    "주과원장제만여안상조러습니까요없했합"
)
_KANA = "".join(map(chr, range(0x3041, 0x3094)))


class Encoding(NamedTuple):
    """An encoding, whether some bytes are no text in it, and whether it is a guess."""

    name: str
    is_damaged: bool = False
    is_guessed: bool = False

    def facts(self) -> dict[str, str]:
        """The encoding as a card says it."""
        guessed = {"guessed_encoding": self.name} if self.is_guessed else {}
        return {"encoding": self.name, **guessed}


class Decoded(NamedTuple):
    """A text, its encoding, whether some bytes were no text, and whether that is a guess."""

    text: str
    encoding: str
    is_damaged: bool = False
    is_guessed: bool = False


class _Script(NamedTuple):
    """An encoding, the standard that orders its characters, and which of those are common."""

    encoding: str
    standard: str
    common: tuple[tuple[int, int], ...]  # ranges of the first byte
    everywhere: frozenset[str]


_SCRIPTS = (
    _Script("gb18030", "gb2312", ((0xB0, 0xD7),), frozenset(_SIMPLIFIED)),
    _Script("cp950", "big5", ((0xA4, 0xC6),), frozenset(_TRADITIONAL)),
    _Script("cp949", "euc_kr", ((0xB0, 0xC8),), frozenset(_KOREAN)),
    _Script("cp932", "shift_jis", ((0x82, 0x83), (0x88, 0x97)), frozenset(_KANA)),
    _Script("euc_jp", "euc_jp", ((0xA4, 0xA5), (0xB0, 0xCF)), frozenset(_KANA)),
)


def decode(content: bytes, where: str, encoding: str = "auto") -> Decoded:
    """The text of a small file; undecodable bytes of a named encoding are refused.

    In ``auto``, bytes that are no text become U+FFFD where most of the file is text, so that the
    rows around them are not lost; whoever reads rows sets those that hold it aside.

    Args:
        content: of the whole file.
        where: the file's name, for errors.
        encoding: its name, or ``auto``.

    Raises:
        DataError: the encoding is unknown, does not fit the bytes (says at which line), or cannot
            be told.
    """
    found = find_encoding(lambda: iter((content,)), where, encoding)
    return Decoded(content.decode(found.name, errors="replace"), *found)


def find_encoding(
    pieces: Callable[[], Iterable[bytes]], where: str, encoding: str = "auto"
) -> Encoding:
    """The encoding of a file of any size; each call of ``pieces`` reads it from the beginning.

    Raises:
        DataError: as ``decode``.
    """
    head = b""
    for piece in pieces():
        head += piece
        if len(head) >= _HEAD:
            break
    if encoding != "auto":
        return _checked(pieces, where, encoding)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return _checked(pieces, where, name)
    name = _utf16_without_mark(head[:_HEAD])
    if name and _first_fault(pieces, name) is None:
        return Encoding(name, is_guessed=True)
    if _first_fault(pieces, "utf-8") is None:
        return Encoding("utf-8")
    census = _Census.of(pieces())
    if 2 * census.num_damaged > census.num_beyond and (name := _guess(bytes(census.sample), where)):
        is_damaged = _first_fault(pieces, name) is not None
        return Encoding(name, is_damaged, is_guessed=True)
    if 2 * census.num_damaged_lines > census.num_lines:
        raise DataError(
            "{damaged} of {lines} lines are not UTF-8, and the encoding cannot be told",
            where=f"{where}:{census.first_damaged}",
            fix="save the file as UTF-8, or say encoding: cp1252 at the source "
            "(--set data.sources.0.encoding=cp1252)",
            damaged=census.num_damaged_lines,
            lines=census.num_lines,
        )
    return Encoding("utf-8", is_damaged=True)


def _utf16_without_mark(head: bytes) -> str:
    """Plain letters, commas and line ends of UTF-16 have a zero, always in the same half."""
    low, high = head[0::2].count(0), head[1::2].count(0)
    least = max(0.02 * len(head) / 2, min(2, len(head) / 8))  # one NUL by itself is only a NUL
    if high > least and high > 20 * low:
        return "utf-16-le"
    return "utf-16-be" if low > least and low > 20 * high else ""


class _Fault(NamedTuple):
    byte: int
    line: int


def _first_fault(pieces: Callable[[], Iterable[bytes]], encoding: str) -> _Fault | None:
    """Where the first bytes are that are no text in the encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    seen, line = 0, 1
    for piece, is_last in _ending(pieces()):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, is_last)
        except UnicodeDecodeError as error:
            at = max(error.start - pending, 0)
            return _Fault(seen + error.start - pending, line + piece[:at].count(b"\n"))
        seen += len(piece)
        line += piece.count(b"\n")
    return None


def _ending(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each piece, and then an empty one that is the last."""
    for piece in pieces:
        yield piece, False
    yield b"", True


def _checked(pieces: Callable[[], Iterable[bytes]], where: str, encoding: str) -> Encoding:
    try:
        # base64 and zip are codecs too, and some that are for text never wrote a file.
        is_text = codecs.lookup(encoding)._is_text_encoding and not _NO_FILES.match(encoding)
        fault = _first_fault(pieces, encoding) if is_text else None
    except (LookupError, UnicodeError):
        is_text, fault = False, None
    if not is_text:
        raise DataError(
            "there is no character encoding named {encoding!r}",
            where=where,
            fix="encoding: auto, utf-8, utf-16, gb18030, big5 or cp1252",
            encoding=encoding,
        )
    if fault is None:
        return Encoding(encoding)
    raise DataError(
        "byte {byte} is not {encoding}",
        where=f"{where}:{fault.line}",
        fix="leave encoding out, or name the one the file was saved in",
        byte=fault.byte,
        encoding=encoding,
    )


@dataclass
class _Census:
    """What a file that is not UTF-8 holds: counts, and lines with bytes beyond ASCII."""

    num_beyond: int = 0
    num_damaged: int = 0
    num_lines: int = 0
    num_damaged_lines: int = 0
    first_damaged: int = 0
    sample: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> _Census:
        census, line = cls(), 1
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for piece, is_last in _ending(pieces):
            text = decoder.decode(piece, is_last)
            if not piece.isascii() and len(census.sample) < _SAMPLE:
                census.sample += b"\n".join(
                    part[:_SAMPLE] for part in piece.splitlines() if not part.isascii()
                )[:_SAMPLE]
            census._count(text, line)
            line += text.count("\n")
        return census

    def _count(self, text: str, line: int) -> None:
        lines = text.split("\n")
        self.num_lines += sum(1 for part in lines if part and not part.isspace())
        if text.isascii():
            return
        self.num_beyond += len(text) - len(text.encode("ascii", errors="ignore"))
        self.num_damaged += text.count("\ufffd")
        damaged = [number for number, part in enumerate(lines, line) if "\ufffd" in part]
        self.num_damaged_lines += len(damaged)
        if damaged and not self.first_damaged:
            self.first_damaged = damaged[0]


def _guess(sample: bytes, where: str) -> str:
    """The older encoding in which the bytes say something; empty for none of them."""
    scores = sorted(((_plausibility(sample, one), one.encoding) for one in _SCRIPTS), reverse=True)
    (best, name), (next_best, other) = scores[:2]
    western = _western(sample) if best < _SURE else ""
    if western or best < _PLAUSIBLE:
        return western
    if best - next_best < _CLEAR:
        raise DataError(
            "the encoding cannot be told: it may be {name} or {other}",
            where=where,
            fix="save the file as UTF-8, or say encoding: {name} at the source "
            "(--set data.sources.0.encoding={name})",
            name=name,
            other=other,
        )
    return name


def _western(sample: bytes) -> str:
    """Latin-1, or what Windows made of it, where accented letters stand among plain ones."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return ""
    if any(character < " " and not character.isspace() for character in text):
        return ""
    places = [place for place, character in enumerate(text) if character > "\x7f"]
    num_letters = sum(character.isalpha() for character in text)
    num_beyond = sum(text[place].isalpha() for place in places)
    if not places or num_beyond > _FEW * num_letters:
        return ""
    fitting = sum(_stands_well(text, place) for place in places)
    if fitting < _WESTERN * len(places):
        return ""
    return "latin-1" if not any(0x80 <= byte < 0xA0 for byte in sample) else "cp1252"


def _stands_well(text: str, place: int) -> bool:
    character = text[place]
    if character in _WESTERN_SIGNS:
        return True
    beside = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    is_beside_a_letter = any(one.isascii() and one.isalpha() for one in beside)
    return character in (_ACCENTED if is_beside_a_letter else _WORDS)


def _plausibility(sample: bytes, script: _Script) -> float:
    """Mean over characters beyond ASCII: 2 for one that stands everywhere, 1 for a common one."""
    counts = Counter(c for c in sample.decode(script.encoding, errors="replace") if c > "\x7f")
    found = sum(count * _weight(c, script) for c, count in counts.items())
    return found / max(counts.total(), 1)


def _weight(character: str, script: _Script) -> int:
    if character in script.everywhere:
        return 2
    if character in _MARKS_OF_TEXT or "\uff01" <= character <= "\uff5e":
        return 1
    try:
        first = character.encode(script.standard)[0]
    except UnicodeEncodeError:
        return 0
    return int(any(low <= first <= high for low, high in script.common))
