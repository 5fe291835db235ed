"""``volano doctor``: is everything as it should be?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volano.app.cli.screen import AsJson, Folder, next_command, print_json, print_lines

__all__ = ["add", "doctor"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    project: Folder = ".",
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended without losing anything.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check machine, files, artifacts and ledger; say what to mend."""
    from volano.loop.doctor import examine
    from volano.loop.project import PROJECT_FILE, Project

    if project != "." or (Path(project) / PROJECT_FILE).exists():
        with Project.open(project) as opened:
            found = examine(opened, repair=repair)
    else:
        found = examine(None)
    faults = [finding for finding in found if finding.is_fault]
    if as_json:
        print_json({"findings": [f.to_dict() for f in found], "faults": len(faults)})
    else:
        for finding in found:
            mark = "FAULT" if finding.is_fault else "mended" if finding.is_mended else "ok"
            print_lines([f"{mark:<7}{finding.what}: {finding.state}"])
            if finding.fix:
                print_lines([f"       try {finding.fix}"])
        next_command("volano status")
    if faults:
        raise typer.Exit(4 if any(finding.is_damage for finding in faults) else 2)
