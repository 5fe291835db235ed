"""``volano serve``: answer requests with the champion, take feedback."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from volano.app.cli.screen import Folder, Override
from volano.app.cli.screen import progress as show_progress

if TYPE_CHECKING:
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
            path = opened.root / config.key_file
            keys += read_keys(Path(path).read_text("utf-8"), where=config.key_file)
        with make_service(opened) as service:
            server = Server(make_app(opened, service, keys), config, keys=keys)
            sys.stdout.write(f"listening on {server.url}\n")
            fields = ", ".join(opened.config.data.fields.texts)
            sys.stdout.write(
                f'POST {server.url}/v1/predict {{"inputs": [{{"{fields}": "..."}}]}}\n'
            )
            sys.stdout.flush()
            server.run()
