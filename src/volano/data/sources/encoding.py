"""Bytes to text: UTF-8 first, then what files from older tools are written in."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

from volano.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Decoded", "decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHINESE_SHARE = 0.5  # of the characters beyond ASCII, for a guess of GB18030 to be believed


class Decoded(NamedTuple):
    """A text, the encoding it was in, and whether some bytes of it were no text."""

    text: str
    encoding: str
    is_damaged: bool = False


def decode(content: bytes, path: Path, encoding: str = "auto") -> Decoded:
    """The text of a file; undecodable bytes of a named encoding are refused.

    In ``auto`` a file that is UTF-8 but for some lines keeps those bytes as U+FFFD, so that the
    rows around them are not lost; the reader sets the rows that hold them aside.

    Raises:
        DataError: the encoding is unknown or does not fit the bytes (says at which line).
    """
    if encoding != "auto":
        return Decoded(_decode_as(content, path, encoding), encoding)
    for mark, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_decode_as(content, path, name), name)
    for name in (*_utf16_without_mark(content), "utf-8", "gb18030"):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if name != "gb18030" or _is_chinese(text):
            return Decoded(text, name)
    return Decoded(content.decode("utf-8", errors="replace"), "utf-8", is_damaged=True)


def _utf16_without_mark(content: bytes) -> tuple[str, ...]:
    """Half of the bytes of English or tabular UTF-16 are zero, always the same half."""
    sample = content[:4000]
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > 0.4 * half:
        return ("utf-16-le",)
    if sample[0::2].count(0) > 0.4 * half:
        return ("utf-16-be",)
    return ()


def _is_chinese(text: str) -> bool:
    beyond = [c for c in text[:200_000] if c > "\x7f"]
    common = sum("\u4e00" <= c <= "\u9fff" or "\u3000" <= c <= "\u303f" for c in beyond)
    return bool(beyond) and common >= _CHINESE_SHARE * len(beyond)


def _decode_as(content: bytes, path: Path, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise DataError(
            f"there is no character encoding named {encoding!r}",
            where=str(path),
            fix="encoding: auto, utf-8, utf-16 or gb18030",
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"byte {error.start} is not {encoding}",
            where=f"{path}:{line}",
            fix="leave encoding out, or name the one the file was saved in",
        ) from None
