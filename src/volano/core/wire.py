"""JSON from outside, read strictly; no web framework is known here.

What the standard reader lets through and a ledger cannot keep is refused with its place: NaN, a
number too large, a key given twice, half a character, nesting without end.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BadJsonError",
    "NotJsonError",
    "TooLargeError",
    "check_json_type",
    "dump_json",
    "read_json",
]

MAX_DEPTH = 32
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadJsonError(UserError):
    """What came is not JSON."""

    http_status = 400


class TooLargeError(UserError):
    """What came is more than the settings allow."""

    http_status = 413


class NotJsonError(UserError):
    """What came says that it is something else than JSON in UTF-8."""

    http_status = 415


def check_json_type(content_type: str, content_encoding: str = "") -> None:
    """Refuse a body that does not say it is JSON; a browser asks first before it may say so.

    Raises:
        NotJsonError: another type, another encoding, or compressed.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    fix = "send the header  Content-Type: application/json"
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        raise NotJsonError(f"the body says it is {kind or 'nothing'!r}, not JSON", fix=fix)
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        raise NotJsonError(f"the body is in {charset[1]!r}; JSON is UTF-8", fix=fix)
    if content_encoding and content_encoding.lower() != "identity":
        raise NotJsonError(f"the body is compressed ({content_encoding})", fix="send it plain")


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        BadJsonError: says what is wrong and at which line and column or key.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJsonError(
            f"the body is not UTF-8 (byte {error.start})", where="body", fix="encode it as UTF-8"
        ) from None
    try:
        value = json.loads(
            text, parse_float=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise BadJsonError(
            f"the body is not JSON: {error.msg}",
            where=f"body, line {error.lineno}, column {error.colno}",
            fix="check the quotes and commas there",
        ) from None
    except RecursionError:
        raise _too_deep("body") from None
    except ValueError:  # Python refuses to read integers of over 4300 digits
        raise BadJsonError(
            "the body holds a number too large to read", where="body", fix="send it as a string"
        ) from None
    _check_kept(text, value)
    return value


def dump_json(value: object) -> bytes:
    """JSON in UTF-8: every digit of a number, Chinese as it is."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJsonError(f"the number {text[:40]} is too large", where="body", fix="send less")
    return number


def _constant(text: str) -> float:
    raise BadJsonError(f"{text} is not JSON", where="body", fix="send null where there is none")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadJsonError(
            f"the key {twice[:80]!r} is given twice", where="body", fix="send each key once"
        )
    return found


def _too_deep(where: str) -> BadJsonError:
    return BadJsonError(
        f"the body is nested over {MAX_DEPTH} deep", where=where, fix="send flat objects"
    )


def _check_kept(text: str, value: Any) -> None:
    """Half characters come in by escapes only, and depth needs brackets: most bodies pass here."""
    if "\\u" not in text and text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    for place, depth, found in _walk(value):
        if depth > MAX_DEPTH:
            raise _too_deep(place[:80])
        if isinstance(found, str) and _SURROGATE.search(found):
            raise BadJsonError(
                "a text holds half a character (a lone surrogate)",
                where=place[:80].encode("ascii", "backslashreplace").decode(),
                fix="send the whole text as UTF-8",
            )


def _walk(value: Any) -> Iterator[tuple[str, int, Any]]:
    stack: list[tuple[str, int, Any]] = [("body", 0, value)]
    while stack:
        place, depth, found = stack.pop()
        yield place, depth, found
        if isinstance(found, dict):
            for key, inner in found.items():
                stack.append((f"{place}.{key}", depth + 1, key))
                stack.append((f"{place}.{key}", depth + 1, inner))
        elif isinstance(found, list):
            stack.extend((f"{place}[{i}]", depth + 1, inner) for i, inner in enumerate(found))
