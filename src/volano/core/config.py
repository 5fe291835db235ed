"""Settings: small frozen models, each defined in the room it configures.

Unknown keys are errors, and every error names the file and the line. A value set on the command
line (``--set train.folds=3``) goes through the same validation.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from volano.core.errors import ConfigError, Term, VolanoError
from volano.core.settings import Key, Settings, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic.fields import FieldInfo

__all__ = ["Config", "Derived", "Effort", "WrongValueError", "build_config"]

Effort = Literal["quick", "normal", "thorough"]

_SHOWN = 3  # mistakes in one error
_LONG = 60  # characters of a wrong value


class Config(BaseModel):
    """The parent of every settings model: frozen, and it refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class WrongValueError(ConfigError, ValueError):
    """What a validator of settings raises; ``build_config`` says in which file and line.

    About one value it says what the value should be; about a section, what is wrong.
    """


@dataclass(frozen=True)
class Derived:
    """A value that nobody wrote: what it became, and why. ``volano explain`` prints these."""

    key: str
    value: object
    why: str


C = TypeVar("C", bound=Config)


def build_config(kind: type[C], settings: Settings) -> C:
    """Validate settings as ``kind``; the first few mistakes become one readable error.

    Raises:
        ConfigError: a key is unknown or a value is wrong; says file, line, key and the nearest key.
    """
    try:
        return kind.model_validate(settings.values)
    except ValidationError as error:
        faults: dict[Key, list[Any]] = {}
        for fault in error.errors(include_url=False):
            faults.setdefault(_key(fault, settings.values), []).append(fault)
    faults = {key: found for key, found in faults.items() if not _follows(key, found, faults)}
    key, first = next(iter(faults.items()))
    told = tuple(_fault(*found) for found in list(faults.items())[:_SHOWN])
    raise ConfigError(
        "{faults} (and {count} more)" if len(faults) > _SHOWN else "{faults}",
        where=settings.where(key),
        fix=_fix(kind, key, first[0]),
        faults=told,
        count=len(faults) - _SHOWN,
    ) from None


def _follows(key: Key, found: Sequence[Any], faults: Iterable[Key]) -> bool:
    """A list is also called too short where one of its parts is wrong: that part is told."""
    is_within = any(len(other) > len(key) and other[: len(key)] == key for other in faults)
    return is_within and all(fault["type"] == "too_short" for fault in found)


def _key(fault: Any, values: Any) -> Key:
    """Where the fault is in the file: pydantic's path, less the kinds of value that it tried."""
    *path, last = fault["loc"] or ("",)
    found: list[str | int] = []
    for part in path:
        try:
            values = values[part]
        except (LookupError, TypeError):
            return tuple(found)
        found.append(part)
    is_there = isinstance(values, dict) and last in values
    is_there |= isinstance(values, list) and isinstance(last, int)
    if last and (is_there or fault["type"] == "missing"):
        found.append(last)
    return tuple(found)


def _fault(key: Key, faults: Sequence[Any]) -> Term:
    first, name = faults[0], dotted(key)
    if first["type"] == "extra_forbidden":
        return Term("{name!r} is not a setting", name=name)
    if first["type"] == "missing":
        return Term("{name!r} is missing", name=name)
    wanted = list(dict.fromkeys(map(_wanted, faults)))
    if first["type"] == "value_error" and (not name or isinstance(first["input"], dict)):
        return wanted[0]
    either = reduce(lambda one, other: Term("{one} or {other}", one=one, other=other), wanted)
    given = _shown(first["input"])
    return Term("{name!r} is {given}; it should be {wanted}", name=name, given=given, wanted=either)


def _shown(value: object) -> str:
    said = str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, date):
        said = value.isoformat()
    if value is None:
        said = "null"
    return said if len(said) <= _LONG else said[:_LONG] + "..."


def _wanted(fault: Any) -> Term:
    """What one of pydantic's complaints asks for."""
    values = fault.get("ctx", {})
    if isinstance(values.get("error"), VolanoError):
        return Term("{fault}", fault=values["error"])
    if fault["type"] == "literal_error":
        names = re.findall(r"'[^']*'", values["expected"])
        either = "any of {known}" if len(names) > 1 else "{known}"
        return Term(either, known=", ".join(names))
    text = _WANTED.get(fault["type"])
    if values.get("min_length") == 1:
        text = _NOT_EMPTY.get(fault["type"])
    if text is None:
        return Term("{text}", text=fault["msg"].removeprefix("Value error, "))
    return Term(text, **values)


_TEXT, _LIST, _SECTION = "a text", "a list", "keys and values"
_WHOLE, _NUMBER, _SWITCH = "a whole number", "a number", "true or false"
_WANTED = {
    "string_type": _TEXT,
    "string_too_short": "a text of at least {min_length} characters",
    "string_unicode": "a text without half characters",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "a whole number with fewer digits",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a number that is not infinite",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "too_short": "a list of at least {min_length}",
    "dict_type": _SECTION,
    "model_type": _SECTION,
}
_NOT_EMPTY = {
    "string_too_short": "a text that is not empty",
    "too_short": "a list that is not empty",
}


def _fix(kind: type[Config], key: Key, fault: Any) -> Term:
    if fault["type"] == "missing":
        return Term("add it:  {name}: ...", name=dotted(key))
    if fault["type"] == "extra_forbidden":
        known = _fields_at(kind, key[:-1])
        nearest = difflib.get_close_matches(str(key[-1]), known, n=1, cutoff=0.6)
        if nearest:
            return Term("did you mean {nearest!r}?", nearest=dotted((*key[:-1], nearest[0])))
        return Term("one of {known}", known=", ".join(known))
    found = _field_at(kind, key)
    if found is None or found.is_required() or isinstance(found.default, BaseModel):
        return Term("write another value there")
    return Term("leave it out, and it is {default}", default=_shown(found.default))


def _field_at(kind: type[Config], key: Key) -> FieldInfo | None:
    """The field that ``key`` names, where it names one."""
    if not key or isinstance(key[-1], int):
        return None
    here = _model_at(kind, key[:-1])
    return here.model_fields.get(key[-1]) if here is not None else None


def _fields_at(kind: type[Config], path: Key) -> list[str]:
    here = _model_at(kind, path)
    return list(here.model_fields) if here is not None else []


def _model_at(kind: type[Config], path: Key) -> type[BaseModel] | None:
    here: type[BaseModel] = kind
    for part in path:
        if isinstance(part, int):
            continue
        found = here.model_fields.get(part)
        inner = _config_within(found.annotation) if found is not None else None
        if inner is None:
            return None
        here = inner
    return here


def _config_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _config_within(inner)
        if found is not None:
            return found
    return None
