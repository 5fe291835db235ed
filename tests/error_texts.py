"""Every text of every error, found in the source: ``python -m tests.error_texts`` writes the list.

An error is told by texts with names to fill, so they can be read without running anything: each
construction of a class of the error tree, and each ``Term``, is found with its constant texts.
"""

from __future__ import annotations

import ast
import json
import string
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMS = Path(__file__).parents[1] / "src" / "volano"
LIST = Path(__file__).with_name("errors.txt")
NOUNS = ("dataset", "model", "report", "turn", "reader", "task", "learner")  # ``Term(noun)``
OWN = {"where", "fix", "because", "what"}


class NotConstantError(Exception):
    """A text that cannot be read from the source."""


@dataclass(frozen=True)
class Use:
    """One place where an error, or a part of one, is made."""

    file: str
    line: int
    kind: str
    whats: tuple[str, ...]
    fixes: tuple[str, ...]
    given: frozenset[str] | None = None  # names of the values; None where they are handed on
    has_fix: bool = False
    fault: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for text in (*self.whats, *self.fixes) if words(text))

    @property
    def room(self) -> str:
        return self.file.partition("/")[0]


def names(text: str) -> set[str]:
    """The names that a text has to be filled with."""
    found = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    return {name.partition(".")[0].partition("[")[0] for name in found}


def words(text: str) -> str:
    """What is left of a text without its names: nothing, where it only passes others on."""
    return "".join(part for part, *_ in string.Formatter().parse(text)).strip(" :;,'\"()")


@dataclass
class File:
    """One source file: its tree, and what its names mean."""

    path: Path
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> File:
        tree = ast.parse(path.read_text("utf-8"))
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        return cls(path, tree, parents)

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    pairs = [(target, node.value)]
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = list(zip(target.elts, node.value.elts, strict=True))
                    found |= {t.id: value for t, value in pairs if isinstance(t, ast.Name)}
            elif (
                isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name)
            ):
                found[node.target.id] = node.value
        return found

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        return {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }

    def around(self, node: ast.AST, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """What stands around a node, from the inside out."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, kinds):
                yield node


class Source:
    """The whole product as text."""

    def __init__(self) -> None:
        paths = [path for path in sorted(ROOMS.rglob("*.py")) if "migrations" not in path.parts]
        self.files = {str(path.relative_to(ROOMS)): File.read(path) for path in paths}
        self.classes = self._tree_of("VolanoError")
        self.terms = {
            node.name
            for file in self.files.values()
            for node in ast.walk(file.tree)
            if isinstance(node, ast.FunctionDef)
            and node.returns is not None
            and "Term" in ast.unparse(node.returns)
        } | {"Term"}

    def _tree_of(self, root: str) -> set[str]:
        found, before = {root}, 0
        while len(found) > before:
            before = len(found)
            for file in self.files.values():
                for node in ast.walk(file.tree):
                    if isinstance(node, ast.ClassDef) and found & set(map(_name, node.bases)):
                        found.add(node.name)
        return found

    def uses(self) -> Iterator[Use]:
        """Every error and every Term that is made anywhere, in the order of the source."""
        for name, file in self.files.items():
            for node in ast.walk(file.tree):
                if isinstance(node, ast.Call) and (kind := self._kind(node, file)):
                    yield self._use(node, kind, name, file)

    def _kind(self, call: ast.Call, file: File) -> str:
        name = _name(call.func)
        inside = [c.name for c in file.around(call, ast.ClassDef) if isinstance(c, ast.ClassDef)]
        is_own = any(name in self.classes for name in inside)
        if name == "Term" or name in self.classes:
            return name
        if name == "among" or (name == "cls" and is_own):
            return name
        is_super = (
            isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "super()"
        )
        return inside[0] if is_super and is_own and name == "__init__" else ""

    def _use(self, call: ast.Call, kind: str, name: str, file: File) -> Use:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        given = None if None in keywords else frozenset(map(str, keywords)) - OWN
        where = name, call.lineno, kind
        first = call.args[0] if call.args else keywords.get("what")
        if first is None or _passes_on(first, call, file):
            return Use(*where, (), ())
        fix = None if kind in {"among", "Term"} else keywords.get("fix")
        try:
            whats = tuple(dict.fromkeys(self.read(first, file)))
            fixes = tuple(dict.fromkeys(self.read(fix, file))) if fix is not None else ()
        except NotConstantError as error:
            return Use(*where, (), (), given, fault=str(error))
        return Use(*where, whats, fixes, given, fix is not None)

    def read(self, node: ast.expr, file: File, depth: int = 0) -> list[str]:
        """The texts that an expression may stand for; a Term is read where it is made."""
        if depth > 8:
            raise NotConstantError("it is too hard to follow")
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes | None):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.Attribute) and node.attr == "noun":
            return list(NOUNS)
        if isinstance(node, ast.Call) and _name(node.func) in self.terms:
            return []
        if isinstance(node, ast.Name):
            return self._named(node.id, node, file, depth + 1)
        parts = _parts(node)
        if not parts:
            raise NotConstantError(f"{ast.unparse(node)!r} is not a constant text")
        return [text for part in parts for text in self.read(part, file, depth + 1)]

    def _named(self, name: str, node: ast.AST, file: File, depth: int) -> list[str]:
        if name == "noun":
            return list(NOUNS)
        for function in file.around(node, ast.FunctionDef, ast.AsyncFunctionDef):
            assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            assigned = [
                inner.value
                for inner in ast.walk(function)
                if isinstance(inner, ast.Assign | ast.AnnAssign | ast.NamedExpr)
                and inner.value is not None
                and name in map(_name, getattr(inner, "targets", None) or [inner.target])
            ]
            if assigned:
                return [text for value in assigned for text in self.read(value, file, depth)]
            loops = [
                inner.iter
                for inner in ast.walk(function)
                if isinstance(inner, ast.For) and name in map(_name, ast.walk(inner.target))
            ]
            if loops:
                return [text for value in loops for text in self.read(value, file, depth)]
            told = self._argument(name, function, depth)
            if told is not None:
                return told
        if name in file.constants:
            return self.read(file.constants[name], file, depth)
        module, original = file.imported.get(name, ("", ""))
        path = module.removeprefix("volano.").replace(".", "/")
        for found in (f"{path}.py", f"{path}/__init__.py"):
            if found in self.files and original in self.files[found].constants:
                other = self.files[found]
                return self.read(other.constants[original], other, depth)
        raise NotConstantError(f"{name!r} is not a constant text")

    def _argument(
        self, name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, depth: int
    ) -> list[str] | None:
        """What every caller hands to an argument of a function; None where it has none so named."""
        places = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
        if name not in {*places, *(arg.arg for arg in function.args.kwonlyargs)}:
            return None
        every = [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]
        kind = next(node.annotation for node in every if node.arg == name)
        if kind is not None and "Term" in ast.unparse(kind):
            return []
        is_method = places[:1] in (["self"], ["cls"])
        place = places.index(name) - is_method if name in places else None
        texts: list[str] = []
        for file in self.files.values():
            for call in ast.walk(file.tree):
                if isinstance(call, ast.Call) and _name(call.func) == function.name:
                    value = next((k.value for k in call.keywords if k.arg == name), None)
                    if value is None and place is not None and place < len(call.args):
                        value = call.args[place]
                    if value is not None:
                        texts += self.read(value, file, depth)
        return texts


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _parts(node: ast.expr) -> list[ast.expr]:
    """The expressions of which one is the value of ``node``."""
    match node:
        case ast.IfExp(body=body, orelse=other):
            return [body, other]
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            return values
        case ast.Tuple(elts=values) | ast.List(elts=values):
            return values
        case ast.Call(func=ast.Attribute(value=inner, attr="get"), args=[_, *rest]):
            return [inner, *rest]
        case ast.Call(func=ast.Attribute(value=inner, attr="items" | "values"), args=[]):
            return [inner]
        case ast.Subscript(value=inner):
            return [inner]
    return []


def _passes_on(first: ast.expr, call: ast.Call, file: File) -> bool:
    """Whether a class of the tree only hands its own first text to its parent."""
    functions = list(file.around(call, ast.FunctionDef))
    return (
        bool(functions)
        and getattr(functions[0], "name", "") in {"__init__", "__new__"}
        and (isinstance(first, ast.Name) and first.id in {"what", "text", "cls"})
    )


def catalogue(room: str) -> dict[str, str]:
    """The Chinese of one room's errors."""
    path = ROOMS / room / "errors.zh.json"
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def listed() -> str:
    """Every error of the product, in both languages, by file."""
    lines: list[str] = []
    uses = sorted(Source().uses(), key=lambda use: (use.file, use.kind, use.whats, use.fixes))
    last, seen = "", set()
    for use in uses:
        texts = use.file, use.kind, use.whats, use.fixes
        if not use.texts or texts in seen:
            continue
        seen.add(texts)
        if use.file != last:
            lines += ["", use.file] if lines else [use.file]
        last, chinese = use.file, catalogue(use.room)
        for text in use.whats:
            lines += [f"  {use.kind}: {text}", f"    {chinese.get(text, '')}"]
        for text in use.fixes:
            lines += [f"    try: {text}", f"      {chinese.get(text, '')}"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(listed(), "utf-8")
