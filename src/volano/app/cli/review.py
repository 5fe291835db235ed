"""``volano review``: out to a spreadsheet and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volano.app.cli.screen import AsJson, By, Folder, next_command, print_json, print_lines
from volano.core.errors import UserError

__all__ = ["add", "review"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(review)


def review(
    export: Annotated[str, typer.Option("--export", help="Write open items to this CSV.")] = "",
    import_: Annotated[str, typer.Option("--import", help="Read answers from this CSV.")] = "",
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Take labels that were never seen.")
    ] = False,
    by: By = "reviewer",
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Pick answers for people to check, or read what they filled in."""
    from volano.loop.project import Project
    from volano.loop.reviewing import import_sheet, write_sheet

    if bool(export) == bool(import_):
        raise UserError("say one of --export and --import", fix="volano review --export todo.csv")
    with Project.open(project) as opened:
        if export:
            num = write_sheet(opened, Path(export))
            if as_json:
                print_json({"exported": num, "path": export})
            else:
                print_lines([f"{num} items in {export}; fill in the column 'label'"])
                next_command(f"volano review --import {export}")
            return
        done = import_sheet(opened, Path(import_), by=by, new_labels=new_labels)
    if as_json:
        print_json(done)
        return
    print_lines(f"{name.replace('_', ' ')}: {value}" for name, value in done.items() if value)
    next_command("volano turn")
