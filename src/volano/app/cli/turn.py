"""``volano turn``: the whole wheel once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from volano.app.cli.screen import AsJson, Folder, Override, next_command, print_json, print_lines
from volano.app.cli.screen import progress as show_progress

if TYPE_CHECKING:
    from volano.core.nouns import Turn

__all__ = ["add", "turn", "turn_lines"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(turn)


def turn(project: Folder = ".", set: Override = None, as_json: AsJson = False) -> None:
    """Collect, prepare, train, export, evaluate, judge and promote: the whole wheel once."""
    from volano.loop.project import Project

    with Project.open(project, set=set or (), events=show_progress(as_json)) as opened:
        done = opened.turn()
    if as_json:
        print_json(done.to_dict())
    else:
        print_lines(turn_lines(done))
        next_command("volano serve" if done.verdict.promotes else "volano review --export todo.csv")
    if done.verdict.decision == "REJECT":
        raise typer.Exit(3)


def turn_lines(turn: Turn) -> list[str]:
    """A turn on one screen."""
    lines = [f"turn {turn.number}: {turn.verdict.decision}"]
    lines += [f"  - {reason}" for reason in turn.verdict.because]
    lines.append("")
    guess = turn.baseline["guess"]["metrics"]
    for name in ("accuracy", "macro_f1", "log_loss", "calibration_error"):
        if name in turn.metrics:
            lines.append(f"  {name:<18} {turn.metrics[name]}   guessing {guess[name]:.3f}")
    lines += [
        "",
        f"  model    {turn.model[:12]} ({turn.learner})",
        f"  dataset  {turn.dataset[:12]}",
    ]
    lines += [f"  {name:<8} {path}" for name, path in turn.reports.items()]
    if turn.skipped:
        lines.append(f"  unchanged, skipped: {', '.join(turn.skipped)}")
    if turn.seconds:
        spent = ", ".join(f"{name} {value:.1f}" for name, value in turn.seconds.items())
        lines.append(f"  seconds: {spent}")
    return lines
