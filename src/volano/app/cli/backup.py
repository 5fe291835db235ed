"""``volano backup`` and ``volano restore``: the state of a project in one file, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    By,
    Folder,
    next_command,
    print_json,
    print_lines,
)

__all__ = ["add", "backup", "restore"]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[str, typer.Argument(help="The file to write: .tar, or .tar.gz.")],
    by: By = "",
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Copy a project's state and settings into one file. It may go on serving."""
    from volano.loop.keeping import backup as write
    from volano.loop.project import Project

    with Project.open(project) as opened:
        made = write(opened, file, by=by)
    if as_json:
        print_json(made.to_dict())
    else:
        print_lines([f"{made.num_files} files, {made.num_bytes / 1e6:.1f} MB, in {made.file}"])
        print_lines(f"FAULT {what}" for what in made.damaged)
        next_command("volano doctor --repair" if made.damaged else "volano status")
    if made.damaged:
        raise typer.Exit(4)


def restore(
    file: Annotated[str, typer.Argument(help="What volano backup wrote.")],
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Put a backup into a folder without state. Every file is compared with its hash."""
    from volano.loop.keeping import restore as read

    made = read(file, project)
    if as_json:
        print_json(made.to_dict())
        return
    print_lines([f"{made.num_files} files, {made.num_bytes / 1e6:.1f} MB, from {made.file}"])
    next_command("volano doctor" if project == "." else f"volano doctor --project {project}")
