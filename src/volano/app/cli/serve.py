"""``volano serve``: answer requests with the champion, take feedback."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from volano.app.cli.screen import Folder, Override
from volano.app.cli.screen import progress as show_progress
from volano.core.errors import Term, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import typer

    from volano.serve import PredictionService
    from volano.serve.server import Server

__all__ = ["add", "serve"]

KEY_VARIABLE = "VOLANO_KEY"


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(project: Folder = ".", set: Override = None) -> None:
    """Answer at /v1/predict with the champion; take /v1/feedback. Ctrl-C stops.

    To bind anything but this machine, give keys: one a line in the file serve.key_file, or in the
    environment variable VOLANO_KEY.
    """
    from volano.app.serving import Workers, answer_here
    from volano.loop.project import Project
    from volano.serve import read_keys
    from volano.serve.server import listen, url_of

    with Project.open(project, set=set or (), events=show_progress()) as opened:
        config = opened.config.serve
        keys = read_keys(os.environ.get(KEY_VARIABLE, ""), where=KEY_VARIABLE)
        if config.key_file:
            keys += _read_key_file(opened.root / config.key_file)
        bound = listen(config, has_key=bool(keys))
        greet = partial(_greet, url_of(bound), config.workers)
        if config.workers == 1:
            told = partial(_greet_with_example, greet)
            answer_here(opened, bound, keys, started=told)
            return
        fields = dict.fromkeys(opened.config.data.fields.texts, "...")
        events = opened.events.of("serve")
    Workers(str(project), set or (), keys, bound, config.workers, config.stop_seconds, events).run(
        partial(greet, fields)
    )


def _greet_with_example(
    greet: Callable[[dict[str, Any]], None], server: Server, service: PredictionService
) -> None:
    greet(service.columns_now.example_row())


def _greet(url: str, num_workers: int, row: dict[str, Any]) -> None:
    """Say where it listens, and what it takes.

    Args:
        url: where.
        num_workers: how many processes answer.
        row: as it may be sent; empty where no model says yet which columns it reads.
    """
    several = f" with {num_workers} workers" if num_workers > 1 else ""
    sent = json.dumps({"inputs": [row]}, ensure_ascii=False) if row else ""
    sys.stdout.write(f"listening on {url}{several}\n")
    sys.stdout.write(f"POST {url}/v1/predict {sent}".rstrip() + "\n")
    sys.stdout.write(f"GET {url}/docs says what else it takes\n")
    sys.stdout.flush()


def _read_key_file(path: Path) -> tuple[str, ...]:
    from volano.serve import read_keys

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "the file of keys cannot be read: {why}",
            where=f"{path} (serve.key_file)",
            fix="write one key on each line of it, or leave serve.key_file out",
            why=getattr(error, "strerror", Term("it is not UTF-8")),
        ) from None
    return read_keys(text, where=str(path), is_needed=True)
