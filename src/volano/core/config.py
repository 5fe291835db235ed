"""Settings: small frozen models, each defined in the room it configures, read from one YAML file.

Unknown keys are errors, and every error names the file and the line. A value set on the command
line (``--set train.folds=3``) goes through the same validation.
"""

from __future__ import annotations

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
    """A settings file as read: plain values, and the line on which each key stands."""

    file: str
    values: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)

    def where(self, key: tuple[str | int, ...]) -> str:
        """``volano.yaml:12, data.fields``: the nearest line known for ``key``."""
        path = key
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
            lines[(*path, key)] = marks.lc.key(key)[0] + 1
        return {key: _plain(value, (*path, key), lines) for key, value in node.items()}
    if isinstance(node, list):
        marks = node
        for index in range(len(node)):
            lines[(*path, index)] = marks.lc.item(index)[0] + 1
        return [_plain(value, (*path, index), lines) for index, value in enumerate(node)]
    for plain in (bool, int, float, str):
        if isinstance(node, plain) and type(node) is not plain:
            return plain(node)
    return node


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Settings with ``key=value`` pairs laid over them; values are read as YAML.

    >>> override(Settings("volano.yaml", {}), ["train.folds=3"]).values
    {'train': {'folds': 3}}
    """
    import copy

    values = copy.deepcopy(settings.values)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"{assignment!r} is not key=value", where="--set", fix="--set train.folds=3"
            )
        _assign(values, key.strip().split("."), _parse(text, f"--set {key}")[0])
    return Settings(settings.file, values, settings.lines)


def _assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = values.get(part)
        values[part] = dict(inner) if isinstance(inner, dict) else {}
        values = values[part]
    values[path[-1]] = value


C = TypeVar("C", bound=Config)


def build_config(kind: type[C], settings: Settings) -> C:
    """Validate settings as ``kind``; the first few mistakes become one readable error.

    Raises:
        ConfigError: a key is unknown or a value is wrong; says file, line, key and the nearest key.
    """
    try:
        return kind.model_validate(settings.values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        first = faults[0]
        what = "; ".join(_fault(kind, fault) for fault in faults[:3])
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise ConfigError(
            what + more, where=settings.where(_key(first["loc"])), fix=_fix(kind, first)
        ) from None


def _key(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return tuple(part for part in loc if not str(part).startswith(("function-", "literal[")))


def _fault(kind: type[Config], fault: Any) -> str:
    key = _dotted(_key(fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{key!r} is not a setting"
    if fault["type"] == "missing":
        return f"{key!r} is missing"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{key!r} is {fault['input']!r}; it should be {message}" if key else message


def _fix(kind: type[Config], fault: Any) -> str:
    loc = _key(fault["loc"])
    if fault["type"] != "extra_forbidden":
        return "volano explain lists every setting with its value"
    known = _fields_at(kind, loc[:-1])
    nearest = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {_dotted((*loc[:-1], nearest[0]))!r}?"
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
