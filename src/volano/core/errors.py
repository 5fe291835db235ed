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
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BusyError",
    "ConfigError",
    "DataError",
    "MissingExtraError",
    "RefusedError",
    "StageError",
    "StoreError",
    "UnknownNameError",
    "UserError",
    "VolanoError",
]


class VolanoError(Exception):
    """A failure that a person reads: a fact, the place, and one thing to try."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  at   {self.where}")
        if self.fix:
            lines.append(f"  try  {self.fix}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, str]:
        """The same three parts, as CLI ``--json`` and HTTP answer them."""
        return {"what": self.what, "where": self.where, "try": self.fix}


class UserError(VolanoError):
    """Something the user wrote or gave; they can mend it."""

    exit_code = 2
    http_status = 422


class ConfigError(UserError):
    """A key or a value of the project file."""


class DataError(UserError):
    """A row or a file that cannot be used."""


class UnknownNameError(UserError):
    """A name that nothing carries."""

    http_status = 404

    @classmethod
    def among(cls, noun: str, name: str, known: Iterable[str], *, where: str = "") -> Self:
        """Say that ``name`` is no ``noun``, and suggest the nearest of ``known``."""
        names = sorted(known)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        if nearest:
            fix = f"did you mean {nearest[0]!r}?"
        elif names:
            fix = "one of " + ", ".join(repr(n) for n in names[:12])
        else:
            fix = f"make a {noun} first"
        return cls(f"there is no {noun} named {name!r}", where=where, fix=fix)


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
        self, what: str, *, where: str = "", fix: str = "", because: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.because = because


class StoreError(VolanoError):
    """An artifact or a ledger is missing, damaged or of another version."""

    exit_code = 4
