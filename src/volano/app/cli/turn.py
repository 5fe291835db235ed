"""``volano turn``: the whole wheel once."""

from __future__ import annotations

import typer

from volano.app.cli.screen import (
    AsJson,
    DryRun,
    Folder,
    Override,
    next_command,
    print_json,
    print_lines,
)
from volano.app.cli.screen import progress as show_progress

__all__ = ["add", "turn"]

_NEXT = {
    "PROMOTE": "volano serve",
    "HOLD": "volano review --export todo.csv",
    "REJECT": "volano show report:latest",
}


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(turn)


def turn(
    project: Folder = ".", set: Override = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Turn the wheel once, from collect to promote. What is unchanged is skipped."""
    from volano.loop.project import Project

    with Project.open(project, set=set or (), events=show_progress(as_json)) as opened:
        if dry_run:
            _say_plan(opened.rehearse(), as_json)
            return
        done = opened.turn()
    if as_json:
        print_json(done.to_dict())
    else:
        print_lines([str(done)])
        next_command(_NEXT[done.verdict.decision])
    if done.verdict.decision == "REJECT":
        raise typer.Exit(3)


def _say_plan(stages: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json({"would_run": list(stages)})
        return
    told = ", ".join(stages) or "nothing: nothing has changed since the last turn"
    print_lines([f"would run: {told}"])
    next_command("volano turn")
