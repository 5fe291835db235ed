"""``volano promote`` and ``volano rollback``: by hand, with a reason that is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from volano.app.cli.screen import AsJson, By, DryRun, Folder, next_command, print_json, print_lines

__all__ = ["add", "promote", "rollback"]

Because = Annotated[str, typer.Option("--because", help="Why; kept with the release.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(promote)
    app.command()(rollback)


def promote(
    model: Annotated[str, typer.Argument(help="model:a1b2c3 or model:latest")],
    because: Because,
    by: By = "",
    project: Folder = ".",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a model the champion against or without a verdict; recorded as forced."""
    from volano.core.nouns import Model
    from volano.loop.project import Project

    with Project.open(project) as opened:
        found = opened.find(Model, model)
        if dry_run:
            print_lines([f"would promote {found.ref} ({found.learner}), forced: {because}"])
            return
        release = opened.promote(found, because=because, by=by, forced=True)
    if as_json:
        print_json({"model": release.model, "forced": release.forced, "because": release.because})
        return
    print_lines([f"{found.ref} is the champion (forced: {because})"])
    next_command("volano status")


def rollback(
    because: Because = "rolled back by hand",
    by: By = "",
    project: Folder = ".",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let the champion before the present one answer again."""
    from volano.core.nouns import Model
    from volano.loop.project import Project

    with Project.open(project) as opened:
        if dry_run:
            print_lines([f"would roll back from {opened.find(Model, 'model:champion')}"])
            return
        release = opened.rollback(because=because, by=by)
    if as_json:
        print_json({"model": release.model, "because": release.because})
        return
    print_lines([f"model:{release.model[:12]} is the champion again"])
    next_command("volano status")
