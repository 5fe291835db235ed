"""``volano``: the loop's verbs, and nouns to look at."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import TYPE_CHECKING

import typer

from volano.app.cli import (
    backup,
    doctor,
    explain,
    forget,
    init,
    look,
    move,
    predict,
    prune,
    release,
    review,
    serve,
    status,
    turn,
    usage,
)
from volano.app.cli.screen import show_error
from volano.core.errors import Language, Term, VolanoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["app", "language_of", "run"]

LANGUAGE_VARIABLE = "VOLANO_LANGUAGE"

_INTERRUPTED, _BROKEN_PIPE = 130, 141

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
    forget.add,
    doctor.add,
    backup.add,
    prune.add,
    move.add,
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
    language = language_of(os.environ)
    try:
        # Not standalone, so that a wrong flag is told like every other mistake, as JSON if asked.
        code = app(list(arguments) or ["--help"], prog_name="volano", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the process
        told = _told(error)
        if sys.flags.dev_mode:
            traceback.print_exception(error)
        show_error(told, "--json" in arguments, language)
        return told.exit_code
    if code == _INTERRUPTED:
        said = Term("interrupted; nothing is lost: the same command continues")
        sys.stderr.write(f"\n{said.said(language)}\n")
    return int(code)


def _told(error: Exception) -> VolanoError:
    if isinstance(error, VolanoError):
        return error
    if isinstance(error, usage.UsageError):
        return usage.told(error)
    if isinstance(error, OSError):
        from volano.store.disk import disk_fault

        fault = disk_fault(error)
        if fault is not None:
            return fault
    return VolanoError(
        "volano broke off in a way nobody foresaw: {kind}: {error}",
        where=Term("see the traceback above") if sys.flags.dev_mode else "",
        fix="volano doctor; then report it with the output of: python -X dev -m volano ...",
        kind=type(error).__name__,
        error=error,
    )


def language_of(environment: Mapping[str, str]) -> Language:
    """The language of messages: ``VOLANO_LANGUAGE`` where it is set, else the locale's.

    >>> language_of({"LANG": "zh_CN.UTF-8"}), language_of({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"})
    ('zh', 'en')
    """
    variables = (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG")
    named = next(filter(None, map(environment.get, variables)), "")
    return "zh" if named.lower().startswith("zh") else "en"
