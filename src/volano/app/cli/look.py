"""``volano list``, ``show`` and ``diff``: nouns to look at."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    Folder,
    next_command,
    print_json,
    print_lines,
    print_table,
)
from volano.app.cli.screen import progress as show_progress

__all__ = ["add", "diff", "list_", "show"]


class Noun(StrEnum):
    """What can be listed."""

    models = "models"
    datasets = "datasets"
    reports = "reports"
    turns = "turns"
    releases = "releases"


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(diff)


def list_(
    noun: Annotated[Noun, typer.Argument(help="What to list.")],
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """List models, datasets, reports, turns or releases, newest first."""
    from volano.loop.overview import list_nouns
    from volano.loop.project import Project

    with Project.open(project) as opened:
        rows = list_nouns(opened, noun.value)
    if as_json:
        print_json({noun.value: rows})
    elif rows:
        # Models of numbers have no labels; where no row has any, the column says nothing.
        shown = [name for name in rows[0] if name != "labels" or any(row[name] for row in rows)]
        print_table(shown, ([row[name] for name in shown] for row in rows))
        shows = f"volano show {noun.value.removesuffix('s')}:latest"
        next_command("volano status" if noun.value == "releases" else shows)
    else:
        print_lines([f"no {noun.value} yet"])
        next_command("volano turn")


def show(
    name: Annotated[str, typer.Argument(help="model:champion, dataset:latest, turn:7, ...")],
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Show a model, dataset, report or turn, and where it came from."""
    from volano.loop.overview import describe
    from volano.loop.project import Project

    with Project.open(project) as opened:
        found = describe(opened, name)
    if as_json:
        print_json(found.facts)
        return
    print_lines([found.text])
    next_command("volano status")


def diff(
    one: Annotated[str, typer.Argument(help="model:champion")],
    other: Annotated[str, typer.Argument(help="model:latest")],
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Compare two models on the latest frozen examples."""
    from volano.loop.overview import difference
    from volano.loop.project import Project

    with Project.open(project, events=show_progress(as_json)) as opened:
        found = difference(opened, one, other)
    if as_json:
        print_json(found)
        return
    first, second = found["first"], found["second"]
    if found["same"]:
        print_lines([f"both are model:{first['model'][:12]}"])
    heads = ["metric", *(f"{part['learner']} {part['model'][:8]}" for part in (first, second))]
    print_table(
        [*heads, "gain"],
        (
            [
                name,
                _figure(row["first"]["value"]),
                _figure(row["second"]["value"]),
                _figure(row["gain"], signed=True),
            ]
            for name, row in found["metrics"].items()
        ),
    )
    for side in ("first", "second"):
        if found[f"labels_only_{side}"]:
            print_lines([f"labels only {side}: {', '.join(found[f'labels_only_{side}'])}"])
    next_command("volano show report:latest")


def _figure(value: float, *, signed: bool = False) -> str:
    """Three decimals of a share; of an error of thousands no more digits than it has meaning."""
    sign = "+" if signed else ""
    return f"{value:{sign}.3f}" if abs(value) < 100 else f"{value:{sign},.5g}"
