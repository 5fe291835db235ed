"""``volano``: the loop's verbs, and nouns to look at."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import TYPE_CHECKING

import typer

from volano.app.cli import (
    doctor,
    explain,
    init,
    look,
    predict,
    release,
    review,
    serve,
    status,
    turn,
)
from volano.app.cli.screen import show_error
from volano.core.errors import UserError, VolanoError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

_INTERRUPTED, _BROKEN_PIPE = 130, 141
# Every wrong flag or argument is one of these; typer names only its children.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="volano",
    help="Turn your own data into a deployed model, your users' feedback into a better one, "
    "and never ship a worse one.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _add in (
    init.add,
    turn.add,
    serve.add,
    predict.add,
    review.add,
    release.add,
    status.add,
    look.add,
    explain.add,
    doctor.add,
):
    _add(app)


def run() -> None:
    """The process edge: every error becomes a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an old terminal must not end a turn
    raise SystemExit(_run(sys.argv[1:]))


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _command(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # typer turns a broken pipe into SystemExit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it flushes
        return _BROKEN_PIPE
    return code


def _command(arguments: Sequence[str]) -> int:
    try:
        # Not standalone, so that a wrong flag is told like every other mistake, as JSON if asked.
        code = app(list(arguments) or ["--help"], standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the process
        told = _told(error)
        if sys.flags.dev_mode:
            traceback.print_exception(error)
        show_error(told, "--json" in arguments)
        return told.exit_code
    if code == _INTERRUPTED:
        sys.stderr.write("\ninterrupted; nothing is lost: the same command continues\n")
    return int(code)


def _told(error: Exception) -> VolanoError:
    if isinstance(error, VolanoError):
        return error
    if isinstance(error, _UsageError):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "volano"
        return UserError(
            getattr(error, "format_message", lambda: str(error))(),
            where=command,
            fix=f"{command} --help",
        )
    return VolanoError(
        f"volano failed in a way nobody foresaw: {type(error).__name__}: {error}",
        where="see the traceback above" if sys.flags.dev_mode else "",
        fix="volano doctor; then report it with the output of: python -X dev -m volano ...",
    )
