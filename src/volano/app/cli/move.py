"""``volano move``: the project's state on another disk."""

from __future__ import annotations

from typing import Annotated

import typer

from volano.app.cli.screen import AsJson, Folder, next_command, print_json, print_lines

__all__ = ["add", "move"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(move)


def move(
    place: Annotated[str, typer.Argument(help="The new folder; not there yet, or empty.")],
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Move .volano to another folder or disk, and leave a link to it."""
    from volano.loop.keeping import move as move_to
    from volano.loop.project import Project

    with Project.open(project) as opened:
        num_bytes = move_to(opened, place)
        found = str(opened.state.resolve())
    if as_json:
        print_json({"place": found, "num_bytes": num_bytes})
        return
    print_lines([f"the state lies at {found} now, {num_bytes / 1e6:.1f} MB"])
    next_command("volano doctor")
