"""``volano``: the loop's verbs, and nouns to look at."""

from __future__ import annotations

import sys
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

if TYPE_CHECKING:
    from volano.core.errors import VolanoError

__all__ = ["app", "run"]

app = typer.Typer(
    name="volano",
    help="Turn your own data into a deployed model, your users' feedback into a better one, "
    "and never ship a worse one.",
    add_completion=False,
    no_args_is_help=True,
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
    from volano.app.cli.screen import show_error
    from volano.core.errors import VolanoError

    as_json = "--json" in sys.argv
    try:
        app()
    except VolanoError as error:
        show_error(error, as_json)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing is lost: the same command continues\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(141) from None
    except Exception as error:
        show_error(_bug(error), as_json)
        raise SystemExit(1) from error


def _bug(error: Exception) -> VolanoError:
    from volano.core.errors import VolanoError

    return VolanoError(
        f"volano failed in a way nobody foresaw: {type(error).__name__}: {error}",
        where="see the traceback above this line" if sys.flags.dev_mode else "",
        fix="volano doctor; then report it with the output of: python -X dev -m volano ...",
    )
