"""``volano prune``: files that no rule keeps leave the disk."""

from __future__ import annotations

from typing import Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    By,
    DryRun,
    Folder,
    next_command,
    print_json,
    print_lines,
)

__all__ = ["add", "prune"]

Turns = Annotated[int, typer.Option("--turns", min=1, help="Keep all of so many latest turns.")]
Past = Annotated[int, typer.Option("--releases", min=0, help="Keep so many champions of before.")]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(prune)


def prune(
    turns: Turns = 10,
    releases: Past = 5,
    by: By = "",
    project: Folder = ".",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove old datasets, models and reports that nothing needs."""
    from volano.loop.project import Project
    from volano.loop.prune import prune as remove

    with Project.open(project) as opened:
        pruned = remove(
            opened,
            num_turns=turns,
            num_releases=releases,
            by=by,
            is_rehearsal=dry_run,
        )
    if as_json:
        print_json(pruned.to_dict())
        return
    for name, num_bytes in pruned.removed.items():
        noun, _, found = name.partition(":")
        print_lines([f"{noun}:{found[:12]}  {num_bytes / 1e6:.1f} MB"])
    told = "would be removed" if dry_run else "removed"
    size = f"{pruned.num_bytes / 1e6:.1f} MB"
    num = sum(not name.startswith("cache:") for name in pruned.removed)
    print_lines([f"{num} artifacts {told}, {size}; {pruned.num_kept} stay"])
    next_command("volano prune" if dry_run and pruned.removed else "volano status")
