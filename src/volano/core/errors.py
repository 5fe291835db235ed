"""What can go wrong, in one tree; every error says what, where and what to try.

VolanoError                   something failed                         exit 1   HTTP 500
├── UserError                 you can fix this                         exit 2   HTTP 422
│   ├── ConfigError           a key or a value in the project file
│   ├── DataError             a row or a file (says which line)
│   ├── UnknownNameError      no such name; the nearest is suggested            HTTP 404
│   ├── MissingExtraError     the pip line to run
│   └── BusyError             somebody else holds what is needed                HTTP 409
├── StageError                a stage failed; carries turn and stage   exit 1
├── RefusedError              the candidate lost; carries the verdict  exit 3   HTTP 409
└── StoreError                an artifact is missing or damaged        exit 4
"""

from __future__ import annotations

import difflib
import errno
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BusyError",
    "ConfigError",
    "DataError",
    "ExhaustedError",
    "Language",
    "MissingExtraError",
    "RefusedError",
    "StageError",
    "StoreError",
    "Term",
    "UnknownNameError",
    "UserError",
    "VolanoError",
    "reason_of",
]

Language: TypeAlias = Literal["en", "zh"]

_MARKS: Mapping[Language, tuple[str, str]] = {"en": ("at  ", "try "), "zh": ("位置", "建议")}
_BETWEEN: Mapping[Language, str] = {"en": "; ", "zh": "；"}


class Term(str):
    """A part of an error that is said in the reader's language: a word, or a text with values.

    >>> Term("line {line} of the request", line=3)
    'line 3 of the request'
    """

    __slots__ = ("_text", "_values")

    _text: str
    _values: dict[str, object]

    def __new__(cls, text: str, /, **values: object) -> Self:
        """The English, and what it takes to say it in another language."""
        term = super().__new__(cls, _said(text, values, "en"))
        term._text, term._values = text, values
        return term

    def said(self, language: Language) -> str:
        """The text in a language; English where it has no translation."""
        return _said(self._text, self._values, language)

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)


class VolanoError(Exception):
    """A failure that a person reads: a fact, the place, and one thing to try.

    ``what`` and ``fix`` are English texts with ``{names}`` to fill from ``values``: unfilled they
    are the keys of the catalogues, one ``errors.zh.json`` in each room, so that the same error can
    be said in the reader's language. Without values a text stands as it is, braces and all. A value
    may be a Term, another error (its fact is said), or a tuple of these; ``where`` and ``fix`` may
    be Terms.

    >>> error = VolanoError("{count} rows, {limit} are allowed", count=9, limit=5)
    >>> error.what
    '9 rows, 5 are allowed'
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, *, where: str = "", fix: str = "", **values: object) -> None:
        super().__init__(what)
        self._texts = (what, fix)
        self._values = values
        self.where = where

    @property
    def what(self) -> str:
        """The fact, in English."""
        return _said(self._texts[0], self._values, "en")

    @property
    def fix(self) -> str:
        """What to try, in English."""
        return _said(self._texts[1], self._values, "en")

    def __str__(self) -> str:
        return self.text()

    def text(self, language: Language = "en") -> str:
        """The three parts below each other, as a terminal shows them."""
        said = self.to_dict(language)
        at, try_ = _MARKS[language]
        lines = [said["what"]]
        if said["where"]:
            lines.append(f"  {at} {said['where']}")
        if said["try"]:
            lines.append(f"  {try_} {said['try']}")
        return "\n".join(lines)

    def to_dict(self, language: Language = "en") -> dict[str, str]:
        """The same three parts, as CLI ``--json`` and HTTP answer them."""
        what, fix = (_said(text, self._values, language) for text in self._texts)
        return {"what": what, "where": str(_word(self.where, language)), "try": fix}


def _said(text: str, values: Mapping[str, object], language: Language) -> str:
    if isinstance(text, Term):
        return text.said(language)
    found = _catalogue(language).get(text, text)
    if not values:
        return found
    return found.format(**{name: _word(value, language) for name, value in values.items()})


def _word(value: object, language: Language) -> object:
    """A value as a reader of ``language`` sees it: terms and errors are said, all else stands."""
    if isinstance(value, VolanoError):
        return value.to_dict(language)["what"]
    if isinstance(value, Term):
        return value.said(language)
    if isinstance(value, tuple):
        return _BETWEEN[language].join(str(_word(part, language)) for part in value)
    return value


@lru_cache
def _catalogue(language: Language) -> Mapping[str, str]:
    """What the rooms' ``errors.<language>.json`` say, as one; English is the key itself."""
    rooms = Path(__file__).parents[1]
    texts: dict[str, str] = {}
    for path in sorted(rooms.glob(f"*/errors.{language}.json")):
        texts |= json.loads(path.read_text("utf-8"))
    return texts


class UserError(VolanoError):
    """Something the user wrote or gave; they can mend it."""

    exit_code = 2
    http_status = 422

    @classmethod
    def among(cls, noun: str, name: str, known: Iterable[str], *, where: str = "") -> Self:
        """Say that ``name`` is no ``noun``, and suggest the nearest of ``known``."""
        names = sorted(known)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        fix = "make a {noun} first"
        if names:
            fix = "did you mean {nearest!r}?" if nearest else "one of {known}"
        return cls(
            "there is no {noun} named {name!r}",
            where=where,
            fix=fix,
            noun=Term(noun),
            name=name,
            nearest=nearest[0] if nearest else "",
            known=", ".join(repr(n) for n in names[:12]),
        )


class ConfigError(UserError):
    """A key or a value of the project file."""


class ExhaustedError(ConfigError):
    """A setting took more than the machine had just then; another time it may have it."""


class DataError(UserError):
    """A row or a file that cannot be used."""


class UnknownNameError(UserError):
    """A name that nothing carries."""

    http_status = 404


class MissingExtraError(UserError):
    """An optional part of the product is not installed."""


class BusyError(UserError):
    """Another process holds what this one needs."""

    http_status = 409


class StageError(VolanoError):
    """A stage of a turn failed for a reason that is not the user's."""


class RefusedError(VolanoError):
    """The candidate lost; ``because`` are the reasons of the verdict."""

    exit_code = 3
    http_status = 409

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        because: tuple[str, ...] = (),
        **values: object,
    ) -> None:
        super().__init__(what, where=where, fix=fix, **values)
        self.because = because


class StoreError(VolanoError):
    """An artifact or a ledger is missing, damaged or of another version."""

    exit_code = 4


def reason_of(error: OSError) -> Term:
    """Why the system refused, in words: ``you have no right to it``."""
    known = _SYSTEM.get(error.errno or 0)
    return known or Term("{reason}", reason=error.strerror or type(error).__name__)


_SYSTEM = {
    errno.EACCES: Term("you have no right to it"),
    errno.EPERM: Term("you have no right to it"),
    errno.ENOENT: Term("there is no such file or folder"),
    errno.EEXIST: Term("it is there already"),
    errno.EISDIR: Term("it is a folder, not a file"),
    errno.ENOTDIR: Term("a part of the path is a file, not a folder"),
    errno.ENAMETOOLONG: Term("the name is too long"),
    errno.ELOOP: Term("its links lead in a circle"),
    errno.EROFS: Term("it can only be read there"),
    errno.ENOSPC: Term("the disk is full"),
    errno.EDQUOT: Term("your share of the disk is used up"),
    errno.EMFILE: Term("this process has too many files open"),
    errno.EIO: Term("the disk does not answer as it should"),
}
