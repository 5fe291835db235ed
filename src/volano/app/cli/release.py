"""``volano promote`` and ``volano rollback``: by hand, with a reason that is kept."""

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
    """Make a model the champion against or without a verdict. It is recorded as forced."""
    from volano.core.nouns import Model
    from volano.loop.project import Project
    from volano.store import releases

    with Project.open(project) as opened:
        found = opened.find(Model, model)
        before = releases.champion(opened.ledger)
        is_champion = before is not None and before.model == found.hash
        if not dry_run and not is_champion:
            opened.promote(found, because=because, by=by, forced=True)
    done = not is_champion and not dry_run
    if as_json:
        told = {"model": found.hash, "because": because, "forced": True, "promoted": done}
        print_json(told)
        return
    if is_champion:
        print_lines([f"{found.ref} is the champion already; nothing was changed"])
    elif dry_run:
        print_lines([f"would promote {found.ref} ({found.learner}), forced: {because}"])
    else:
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
    from volano.loop.project import Project
    from volano.store import releases

    with Project.open(project) as opened:
        # Only its name: a champion whose files are damaged is the first to be rolled back.
        leaving = releases.champion(opened.ledger)
        release = None if dry_run else opened.rollback(because=because, by=by)
    before = leaving.model if leaving else None
    if as_json:
        to = release.model if release else None
        print_json({"from": before, "model": to, "because": because})
        return
    if release is None:
        told = f"from model:{before[:12]} to the champion before it" if before else "from nothing"
        print_lines([f"would roll back {told}"])
    else:
        print_lines([f"model:{release.model[:12]} is the champion again"])
    next_command("volano status")
