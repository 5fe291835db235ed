"""``volano init``: look at a file, guess, and write a commented volano.yaml."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    DryRun,
    Override,
    next_command,
    print_json,
    print_lines,
)

__all__ = ["add", "init"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    folder: Annotated[str, typer.Argument(help="The project's folder; made if needed.")],
    data: Annotated[
        str, typer.Option("--data", help="A file, a folder, or an address (https, s3, hf, SQL).")
    ],
    test: Annotated[str, typer.Option("--test", help="A file that is the frozen test set.")] = "",
    validation: Annotated[
        str, typer.Option("--validation", help="A file for choosing settings.")
    ] = "",
    text: Annotated[str, typer.Option("--text", help="The text column, or a,b for two.")] = "",
    target: Annotated[str, typer.Option("--target", help="The label, or the number.")] = "",
    unknown: Annotated[str, typer.Option("--unknown", help="Label for none of these.")] = "",
    task: Annotated[str, typer.Option("--task", help="Kind of work; guessed if left out.")] = "",
    set: Override = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Guess task, columns and language; write volano.yaml. Each guess is said with its reason."""
    from volano.loop.start import Said, start_project

    said = Said(
        data=data,
        test=test or None,
        validation=validation or None,
        text=text,
        target=target,
        unknown=unknown,
        task=task,
        set=tuple(set or ()),
    )
    started = start_project(Path(folder), said, dry_run=dry_run)
    if as_json:
        guesses, unsure = list(started.guesses), list(started.unsure)
        told = {"project": str(started.root), "guesses": guesses, "unsure": unsure}
        print_json({**told, "text": started.text, "written": not dry_run})
        return
    print_lines(["guessed from the file:", *(f"  {line}" for line in started.guesses)])
    if started.unsure:
        print_lines(["", "not sure; please check:", *(f"  {line}" for line in started.unsure)])
    if dry_run:
        print_lines(["", "would write:", "", started.text.rstrip()])
        next_command("the same without --dry-run")
        return
    print_lines([f"\nwritten: {started.root / 'volano.yaml'}"])
    here = "" if folder == "." else f"cd {shlex.quote(folder)} && "
    next_command(f"{here}volano turn")
