"""Bytes to text: UTF-8 first, then what spreadsheets in East Asia save.

Most byte pairs are a character in several of the older encodings, so that "it decodes" says little.
What decides is plausibility: characters that stand everywhere in a language, and those that its
standard calls common, are frequent in the right encoding and rare in the wrong ones.
"""

from __future__ import annotations

import codecs
from collections import Counter
from typing import NamedTuple

from volano.core.errors import DataError

__all__ = ["Decoded", "decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 400_000  # bytes that are looked at
_PLAUSIBLE, _CLEAR = 0.5, 0.2  # least score of a guess, and least lead over the next
_MARKS_OF_TEXT = "\u3000\u3001\u3002\u300a\u300b\u300c\u300d"  # shared by all of them
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


class Decoded(NamedTuple):
    """A text, its encoding, whether some bytes were no text, and whether that is a guess."""

    text: str
    encoding: str
    is_damaged: bool = False
    is_guessed: bool = False

    def facts(self) -> dict[str, str]:
        """The encoding as a card says it."""
        guessed = {"guessed_encoding": self.encoding} if self.is_guessed else {}
        return {"encoding": self.encoding, **guessed}


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
    """The text of a file; undecodable bytes of a named encoding are refused.

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
    if encoding != "auto":
        return Decoded(_decode_as(content, where, encoding), encoding)
    for mark, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_decode_as(content, where, name), name)
    if name := _utf16_without_mark(content):
        return Decoded(_decode_as(content, where, name), name, is_guessed=True)
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", errors="replace")
    num_beyond = len(text) - len(text.encode("ascii", errors="ignore"))
    if 2 * text.count("\ufffd") > num_beyond and (name := _guess(content, where)):
        text = content.decode(name, errors="replace")
        return Decoded(text, name, is_damaged="\ufffd" in text, is_guessed=True)
    _require_mostly_text(text, where)
    return Decoded(text, "utf-8", is_damaged=True)


def _utf16_without_mark(content: bytes) -> str:
    """Half of the bytes of English or tabular UTF-16 are zero, always the same half."""
    sample = content[:4000]
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > 0.4 * half:
        return "utf-16-le"
    return "utf-16-be" if sample[0::2].count(0) > 0.4 * half else ""


def _guess(content: bytes, where: str) -> str:
    """The older encoding in which the bytes say something; empty for none of them."""
    sample = b"\n".join(line for line in content.splitlines() if not line.isascii())[:_SAMPLE]
    scores = sorted(((_plausibility(sample, one), one.encoding) for one in _SCRIPTS), reverse=True)
    (best, name), (next_best, other) = scores[:2]
    if best < _PLAUSIBLE:
        return ""
    if best - next_best < _CLEAR:
        raise DataError(
            f"the encoding cannot be told: it may be {name} or {other}",
            where=where,
            fix=f"save the file as UTF-8, or name it where the source is named: encoding: {name}",
        )
    return name


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


def _require_mostly_text(text: str, where: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]
    damaged = [number for number, line in enumerate(lines, start=1) if "\ufffd" in line]
    if 2 * len(damaged) > len(lines):
        raise DataError(
            f"{len(damaged)} of {len(lines)} lines are not UTF-8, and the encoding cannot be told",
            where=f"{where}:{damaged[0]}",
            fix="save the file as UTF-8, or name it where the source is named: encoding: cp1252",
        )


def _decode_as(content: bytes, where: str, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise DataError(
            f"there is no character encoding named {encoding!r}",
            where=where,
            fix="encoding: auto, utf-8, utf-16, gb18030 or big5",
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"byte {error.start} is not {encoding}",
            where=f"{where}:{line}",
            fix="leave encoding out, or name the one the file was saved in",
        ) from None
