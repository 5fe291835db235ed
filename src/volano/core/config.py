"""Settings: small frozen models, each defined in the room it configures, read from one YAML file.

Unknown keys are errors, and every error names the file and the line. A value set on the command
line (``--set train.folds=3``) goes through the same validation.
"""

from __future__ import annotations

import copy
import difflib
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from volano.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Config", "Derived", "Effort", "Settings", "build_config", "override", "read_settings"]

Effort = Literal["quick", "normal", "thorough"]

_SHOWN = 3  # mistakes in one error
_LONG = 60  # characters of a wrong value


class Config(BaseModel):
    """The parent of every settings model: frozen, and it refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


@dataclass(frozen=True)
class Derived:
    """A value that nobody wrote: what it became, and why. ``volano explain`` prints these."""

    key: str
    value: object
    why: str


@dataclass(frozen=True)
class Settings:
    """A settings file as read: plain values, the line of each key, and what was laid over it."""

    file: str
    values: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    laid: tuple[tuple[str | int, ...], ...] = ()

    def where(self, key: tuple[str | int, ...]) -> str:
        """``volano.yaml:12, data.fields``: the nearest line known for ``key``, or ``--set``."""
        path = key
        if any(key[: len(laid)] == laid for laid in self.laid):
            return f"--set {_dotted(key)}"
        while path and path not in self.lines:
            path = path[:-1]
        place = f"{self.file}:{self.lines[path]}" if path in self.lines else self.file
        return f"{place}, {_dotted(key)}" if key else place


def read_settings(path: Path) -> Settings:
    """Read a YAML file, keeping the line of every key.

    Raises:
        ConfigError: the file is missing, is not UTF-8, not YAML, or not a mapping.
    """
    text = _read_text(path)
    values, lines = _parse(text, path.name)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path.name} holds {type(values).__name__}, not keys and values",
            where=str(path),
            fix="start it with a line such as: task: text-classification",
        )
    return Settings(path.name, values, lines)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "there is no project here", where=str(path), fix="volano init NAME --data FILE"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the project file is not UTF-8 (byte {error.start})",
            where=str(path),
            fix="save it as UTF-8 in your editor",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the project file cannot be read: {error.strerror}",
            where=str(path),
            fix="volano init NAME --data FILE makes one",
        ) from None


def _parse(text: str, name: str) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    reader = YAML(typ="rt")
    try:
        tree = reader.load(StringIO(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise ConfigError(
            f"the project file cannot be read: {problem}",
            where=f"{name}{line}",
            fix="check the indentation and the quotes on that line",
        ) from None
    lines: dict[tuple[str | int, ...], int] = {}
    return _plain(tree, (), lines), lines


def _plain(tree: Any, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    node: Any = tree
    if isinstance(node, dict):
        marks: Any = node
        for key in node:
            mark = (marks.lc.data or {}).get(key)  # a key merged from an anchor has none
            if mark is not None:
                lines[(*path, key)] = mark[0] + 1
        return {key: _plain(value, (*path, key), lines) for key, value in node.items()}
    if isinstance(node, list):
        marks = node
        for index in range(len(node)):
            lines[(*path, index)] = marks.lc.item(index)[0] + 1
        return [_plain(value, (*path, index), lines) for index, value in enumerate(node)]
    if isinstance(node, bool):
        return node
    # ruamel keeps how a number or a text was written in a subclass; settings want the value.
    return next((plain(node) for plain in (int, float, str) if isinstance(node, plain)), node)


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Settings with ``key=value`` pairs laid over them; values are read as YAML.

    >>> override(Settings("volano.yaml", {}), ["train.folds=3"]).values
    {'train': {'folds': 3}}
    """
    values = copy.deepcopy(settings.values)
    laid = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = _path(key.strip())
        if not equals or not path:
            raise ConfigError(
                f"{assignment!r} is not key=value", where="--set", fix="--set train.folds=3"
            )
        _assign(values, path, _parse(text, f"--set {key}")[0] if text.strip() else "")
        laid.append(path)
    return Settings(settings.file, values, settings.lines, (*settings.laid, *laid))


def _path(key: str) -> tuple[str | int, ...]:
    parts = key.split(".") if key else []
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _assign(values: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Put ``value`` in place; a section that is not there is made, a place in a list must be."""
    for place, part in enumerate(path):
        if isinstance(values, list) and not (isinstance(part, int) and part < len(values)):
            raise ConfigError(
                f"{_dotted(path[:place])!r} is a list of {len(values)}",
                where=f"--set {_dotted(path)}",
                fix=f"a number from 0 to {len(values) - 1}: --set {_dotted(path[:place])}.0...",
            )
        if isinstance(values, dict):
            part = str(part)
        if place == len(path) - 1:
            values[part] = value
        elif isinstance(values, dict) and not isinstance(values.get(part), dict | list):
            values[part] = {}
        values = values[part]


C = TypeVar("C", bound=Config)


def build_config(kind: type[C], settings: Settings) -> C:
    """Validate settings as ``kind``; the first few mistakes become one readable error.

    Raises:
        ConfigError: a key is unknown or a value is wrong; says file, line, key and the nearest key.
    """
    try:
        return kind.model_validate(settings.values)
    except ValidationError as error:
        faults: dict[tuple[str | int, ...], list[Any]] = {}
        for fault in error.errors(include_url=False):
            faults.setdefault(_key(fault, settings.values), []).append(fault)
        key, first = next(iter(faults.items()))
        what = "; ".join(_fault(*found) for found in list(faults.items())[:_SHOWN])
        more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
        raise ConfigError(
            what + more, where=settings.where(key), fix=_fix(kind, key, first[0])
        ) from None


def _key(fault: Any, values: Any) -> tuple[str | int, ...]:
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


def _fault(key: tuple[str | int, ...], faults: list[Any]) -> str:
    first, name = faults[0], _dotted(key)
    if first["type"] == "extra_forbidden":
        return f"{name!r} is not a setting"
    if first["type"] == "missing":
        return f"{name!r} is missing"
    told = [
        fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        for fault in faults
    ]
    if first["type"] == "value_error" and (not name or isinstance(first["input"], dict)):
        return str(told[0])
    given = repr(first["input"])
    shown = given if len(given) <= _LONG else given[:_LONG] + "..."
    return f"{name!r} is {shown}; it should be {' or '.join(dict.fromkeys(told))}"


def _fix(kind: type[Config], key: tuple[str | int, ...], fault: Any) -> str:
    if fault["type"] != "extra_forbidden":
        return "volano explain lists every setting with its value"
    known = _fields_at(kind, key[:-1])
    nearest = difflib.get_close_matches(str(key[-1]), known, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {_dotted((*key[:-1], nearest[0]))!r}?"
    return "one of " + ", ".join(known)


def _fields_at(kind: type[Config], path: tuple[str | int, ...]) -> list[str]:
    here: type[BaseModel] = kind
    for part in path:
        if isinstance(part, int):
            continue
        found = here.model_fields.get(part)
        inner = _config_within(found.annotation) if found is not None else None
        if inner is None:
            return []
        here = inner
    return list(here.model_fields)


def _config_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _config_within(inner)
        if found is not None:
            return found
    return None


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)
