"""Wrong flags and arguments, told like every other mistake and in the reader's language."""

from __future__ import annotations

import re
from typing import Any

import typer

from volano.core.errors import Term, UserError

__all__ = ["UsageError", "told"]

# Every wrong flag or argument is one of these; typer names only its children.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def told(error: Exception) -> UserError:
    """What typer found wrong with a command line, as one of our errors."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "volano"
    said = str(getattr(error, "format_message", lambda: str(error))())
    if name := _found(r"No such command '(.*?)'", said):
        return UserError.among("command", name, context.command.commands, where=command)
    if hasattr(error, "possibilities"):
        options = [name for param in context.command.params for name in param.opts]
        known = [name for name in (*options, "--help") if name.startswith("--")]
        return UserError.among(
            "option", str(getattr(error, "option_name", "")), known, where=command
        )
    return UserError(_fault(said), where=command, fix="{command} --help", command=command)


def _fault(said: str) -> Term:
    if name := _found(r"Missing argument '?([^'.]*)", said):
        return Term("the argument {name} is missing", name=name.upper())
    if name := _found(r"Missing option '?([^'. ]*)", said):
        return Term("the option {name} is missing", name=name)
    if name := _found(r"Option '?([^' ]*)'? requires an argument", said):
        return Term("the option {name} needs a value", name=name)
    if name := _found(r"Option '?([^' ]*)'? does not take a value", said):
        return Term("the option {name} takes no value", name=name)
    if given := _found(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", said):
        return Term("there are too many arguments: {given}", given=given)
    if known := re.search(r"('.*') is not one of (.*?)\.?$", said):
        given = known[1].rpartition(", ")[2]
        return Term("{given} is not one of {known}", given=given, known=known[2])
    return Term("{said}", said=said.rstrip("."))


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said, re.DOTALL)
    return found[1] if found else ""
