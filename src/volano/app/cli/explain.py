"""``volano explain``: every setting, its value, and why."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    Folder,
    Override,
    next_command,
    print_json,
    print_table,
)

__all__ = ["add", "explain"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    section: Annotated[str, typer.Argument(help="train, gate, data, ...; all if left out.")] = "",
    project: Folder = ".",
    set: Override = None,
    as_json: AsJson = False,
) -> None:
    """Print each setting with its value and why it is so."""
    from volano.loop.explain import explain as explain_settings
    from volano.loop.project import Project

    with Project.open(project, set=set or ()) as opened:
        rows = explain_settings(opened, section)
    if as_json:
        print_json({"settings": rows})
        return
    told = ([row["key"], _said(row["value"]), row["why"]] for row in rows)
    print_table(["setting", "value", "why"], told)
    next_command("volano turn --set key=value")


def _said(value: object) -> str:
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False)
