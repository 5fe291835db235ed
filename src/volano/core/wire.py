"""JSON from outside, read strictly; no web framework is known here.

What the standard reader lets through and a ledger cannot keep is refused with its place: NaN, a
number too large, a key given twice, half a character, nesting without end.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from volano.core.errors import Term, UserError

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
_SAY_JSON = "send the header  Content-Type: application/json"
_PROBLEMS = {
    "Expecting value": Term("a value is missing"),
    "Expecting ',' delimiter": Term("a comma or a bracket is missing"),
    "Expecting ':' delimiter": Term("a colon is missing after a key"),
    "Expecting property name enclosed in double quotes": Term("a key is missing, or its quotes"),
    "Illegal trailing comma before end of object": Term("a comma too many"),
    "Illegal trailing comma before end of array": Term("a comma too many"),
    "Unterminated string starting at": Term("a string is not closed"),
    "Invalid control character at": Term("a string holds a line break or a tab"),
    "Invalid \\escape": Term("a backslash that escapes nothing"),
    "Invalid \\uXXXX escape": Term("a \\u without its four digits"),
    "Extra data": Term("something follows the end"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # as an escape writes one


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
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        raise NotJsonError(
            "the body says it is {kind!r}, not JSON"
            if kind
            else "the body does not say it is JSON",
            fix=_SAY_JSON,
            kind=kind[:80],
        )
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        raise NotJsonError(
            "the body is in {charset!r}; JSON is UTF-8", fix=_SAY_JSON, charset=charset[1][:80]
        )
    if content_encoding and content_encoding.lower() != "identity":
        raise NotJsonError(
            "the body is compressed ({encoding})",
            fix="send it plain",
            encoding=content_encoding[:80],
        )


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        BadJsonError: says what is wrong and at which line and column or key.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJsonError(
            "the body is not UTF-8 (byte {byte})",
            where="body",
            fix="encode it as UTF-8",
            byte=error.start,
        ) from None
    try:
        value = json.loads(
            text, parse_float=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise BadJsonError(
            "the body is not JSON: {problem}",
            where=Term("body, line {line}, column {column}", line=error.lineno, column=error.colno),
            fix="check the quotes and commas there",
            problem=_PROBLEMS.get(error.msg) or Term("it breaks off or goes wrong there"),
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
        raise BadJsonError(
            "the number {number} is too large",
            where="body",
            fix="send it as a string",
            number=text[:40],
        )
    return number


def _constant(text: str) -> float:
    raise BadJsonError(
        "{word} is not JSON", where="body", fix="send null where there is no number", word=text
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counted.items() if count > 1)
        raise BadJsonError(
            "the key {key!r} is given twice", where="body", fix="send each key once", key=twice[:80]
        )
    return found


def _too_deep(where: str) -> BadJsonError:
    return BadJsonError(
        "the body is nested over {limit} deep",
        where=where,
        fix="send flat objects",
        limit=MAX_DEPTH,
    )


def _check_kept(text: str, value: Any) -> None:
    """Half characters come in by escapes only, and depth needs brackets: most bodies pass here."""
    if not _HALF.search(text) and text.count("[") + text.count("{") <= MAX_DEPTH:
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
