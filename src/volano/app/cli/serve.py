"""``volano serve``: answer requests with the champion, take feedback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from volano.app.cli.screen import Folder, Override
from volano.app.cli.screen import progress as show_progress
from volano.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import typer

__all__ = ["add", "serve"]

KEY_VARIABLE = "VOLANO_KEY"


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(project: Folder = ".", set: Override = None) -> None:
    """Answer at /v1/predict with the champion and take /v1/feedback; Ctrl-C stops.

    To bind anything but this machine, give keys: one a line in the file serve.key_file, or in the
    environment variable VOLANO_KEY.
    """
    from volano.app.http import make_app, make_service
    from volano.loop.project import Project
    from volano.serve import read_keys
    from volano.serve.server import Server

    with Project.open(project, set=set or (), events=show_progress()) as opened:
        config = opened.config.serve
        keys = read_keys(os.environ.get(KEY_VARIABLE, ""), where=KEY_VARIABLE)
        if config.key_file:
            keys += _read_key_file(opened.root / config.key_file)
        with make_service(opened) as service:
            server = Server(make_app(opened, service, keys), config, keys=keys)
            sys.stdout.write(f"listening on {server.url}\n")
            fields = ", ".join(f'"{name}": "..."' for name in opened.config.data.fields.texts)
            sys.stdout.write(f'POST {server.url}/v1/predict {{"inputs": [{{{fields}}}]}}\n')
            sys.stdout.flush()
            server.run()


def _read_key_file(path: Path) -> tuple[str, ...]:
    from volano.serve import read_keys

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the file of keys cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}",
            where=f"{path} (serve.key_file)",
            fix="write one key on each line of it, or leave serve.key_file out",
        ) from None
    return read_keys(text, where=str(path), is_needed=True)
