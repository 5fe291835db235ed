"""A settings file as written: YAML with the line of every key, and what is laid over it.

Nothing here knows what the settings mean: ``core/config.py`` gives them their types.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

from volano.core.errors import ConfigError, Term, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Key", "Settings", "dotted", "override", "read_settings"]

Key = tuple[str | int, ...]

_MOST_BYTES = 1_000_000
_MOST_VALUES = 20_000  # a few aliases of aliases are a billion values
_DEEPEST = 32
_NUMBER = re.compile("[0-9]{1,6}")


@dataclass(frozen=True)
class Settings:
    """A settings file as read: plain values, the line of each key, and what was laid over it."""

    file: str
    values: dict[str, Any]
    lines: Mapping[Key, int] = field(default_factory=dict)
    laid: tuple[Key, ...] = ()

    def where(self, key: Key) -> str:
        """``volano.yaml:12, data.fields``: the nearest line known for ``key``, or ``--set``."""
        path = key
        if any(key[: len(laid)] == laid for laid in self.laid):
            return f"--set {dotted(key)}"
        while path and path not in self.lines:
            path = path[:-1]
        place = f"{self.file}:{self.lines[path]}" if path in self.lines else self.file
        return f"{place}, {dotted(key)}" if key else place


def dotted(key: Key) -> str:
    """A key as people write it: ``data.sources.0.path``."""
    return ".".join(str(part) for part in key)


def read_settings(path: Path) -> Settings:
    """Read a YAML file, keeping the line of every key.

    Raises:
        ConfigError: the file is missing, is not UTF-8, not YAML, or not a mapping.
    """
    text = _read_text(path)
    values, lines = _parse(text, path.name, "check the indentation and the quotes on that line")
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(
            "{file} holds {kind}, not keys and values",
            where=str(path),
            fix="begin it with a line such as  task: text-classification",
            file=path.name,
            kind=Term("a list") if isinstance(values, list) else Term("one value"),
        )
    return Settings(path.name, values, lines)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            read = stream.read(_MOST_BYTES + 1)
        if len(read) > _MOST_BYTES:
            raise ConfigError(
                "this is too large for a project file (over {limit:,} bytes)",
                where=str(path),
                fix="give the project's folder: --project FOLDER",
                limit=_MOST_BYTES,
            )
        return read.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            "there is no project here", where=str(path), fix="volano init NAME --data FILE"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the project file is not UTF-8 (byte {byte})",
            where=str(path),
            fix="save it as UTF-8 in your editor",
            byte=error.start,
        ) from None
    except OSError as error:
        raise ConfigError(
            "the project file cannot be read: {why}",
            where=str(path),
            fix="give the folder of a project that you may read: --project FOLDER",
            why=reason_of(error),
        ) from None


def _parse(text: str, name: str, fix: str) -> tuple[Any, dict[Key, int]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    lines: dict[Key, int] = {}
    try:
        tree = YAML(typ="rt").load(StringIO(text))
        return _Plain(lines, name).of(tree, ()), lines
    except (YAMLError, ValueError, TypeError) as error:  # the reader lets its own mistakes out
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(
            "this cannot be read as YAML: {problem}",
            where=f"{name}{line}",
            fix=fix,
            problem=_problem(getattr(error, "problem", None) or str(error)),
        ) from None
    except RecursionError:
        raise _too_much(name) from None


def _problem(said: str) -> Term:
    """What YAML's reader found, in words for people who do not know YAML."""
    twice = re.match(r'found duplicate key "(.{1,60})" with', said)
    if twice:
        return Term("the key {key!r} stands twice", key=twice[1])
    if strange := re.match(r"found character '([^\t\\])'", said):
        return Term("a text that begins with {character} needs quotes", character=strange[1])
    for start, meaning in _PROBLEMS.items():
        if said.startswith(start):
            return meaning
    return Term("{problem}", problem=said.splitlines()[0][:120])


_PROBLEMS = {
    "found character": Term("a tab stands where YAML wants spaces"),
    "mapping values are not allowed": Term("a colon too many: a text that holds ': ' needs quotes"),
    "expected ',' or": Term("a bracket or a brace is not closed"),
    "found unexpected end of stream": Term("a quote is not closed"),
    "expected <block end>": Term("the line does not fit those above it"),
    "could not find expected ':'": Term("a colon is missing after a key"),
    "found undefined alias": Term("an alias (*name) comes before its anchor (&name)"),
    "unacceptable character": Term("it holds a character that no text file should hold"),
    "unhashable type": Term("a list or a section stands in the place of a key"),
}


@dataclass
class _Plain:
    """Makes plain values of ruamel's tree, which knows how each was written."""

    lines: dict[Key, int]
    name: str
    num_values: int = 0

    def of(self, tree: Any, path: Key) -> Any:
        self.num_values += 1
        if self.num_values > _MOST_VALUES or len(path) > _DEEPEST:
            raise _too_much(self.name)
        node: Any = tree
        if isinstance(node, dict):
            marks: Any = node
            for key in node:
                mark = (marks.lc.data or {}).get(key)  # a key merged from an anchor has none
                if mark is not None:
                    self.lines[(*path, key)] = mark[0] + 1
            return {key: self.of(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            marks = node
            for index in range(len(node)):
                self.lines[(*path, index)] = marks.lc.item(index)[0] + 1
            return [self.of(value, (*path, index)) for index, value in enumerate(node)]
        if isinstance(node, bool):
            return node
        # ruamel keeps how a number or a text was written in a subclass; settings want the value.
        return next((plain(node) for plain in (int, float, str) if isinstance(node, plain)), node)


def _too_much(name: str) -> ConfigError:
    return ConfigError(
        "it is nested too deep, or its aliases make too many values",
        where=name,
        fix="write the values out, at most {limit:,} of them",
        limit=_MOST_VALUES,
    )


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
                "{given!r} is not key=value",
                where="--set",
                fix="--set train.folds=3",
                given=assignment,
            )
        quoted = "put the value in quotes for YAML too:  --set 'key=\"value\"'"
        value = _parse(text, f"--set {key}", quoted)[0] if text.strip() else ""
        _assign(values, path, value)
        laid.append(path)
    return Settings(settings.file, values, settings.lines, (*settings.laid, *laid))


def _path(key: str) -> Key:
    parts = key.split(".") if key else []
    return tuple(int(part) if _NUMBER.fullmatch(part) else part for part in parts)


def _assign(values: Any, path: Key, value: Any) -> None:
    """Put ``value`` in place; a section that is not there is made, a place in a list must be."""
    for place, part in enumerate(path):
        if isinstance(values, list) and not (isinstance(part, int) and part < len(values)):
            raise ConfigError(
                "{name!r} is a list of {count}",
                where=f"--set {dotted(path)}",
                fix="give the number of one, from 0 to {last}: --set {name}.0=..."
                if values
                else "give the whole list: --set {name}=[...]",
                name=dotted(path[:place]),
                count=len(values),
                last=len(values) - 1,
            )
        if isinstance(values, dict):
            part = str(part)
        if place == len(path) - 1:
            values[part] = value
        elif isinstance(values, dict) and not isinstance(values.get(part), dict | list):
            values[part] = {}
        values = values[part]
