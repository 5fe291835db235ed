"""``volano forget``: everything of one person goes, and nothing brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from volano.app.cli.screen import (
    AsJson,
    By,
    DryRun,
    Folder,
    next_command,
    print_json,
    print_lines,
    print_table,
)
from volano.app.cli.screen import progress as show_progress
from volano.core.errors import UserError

if TYPE_CHECKING:
    from volano.loop.forget import Erasure
    from volano.loop.project import Project

__all__ = ["add", "forget"]

_SHORT = 12


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(forget)


def forget(
    subject: Annotated[
        str, typer.Option("--subject", help="Whom to forget, as your data names them.")
    ] = "",
    because: Annotated[str, typer.Option("--because", help="Why; kept without the name.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List who was forgotten, as hashes.")] = (
        False
    ),
    allow: Annotated[
        str, typer.Option("--allow", help="Let this person's data be collected again.")
    ] = "",
    by: By = "",
    project: Folder = ".",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person from everything volano keeps. The next turn trains without them."""
    from volano.loop.project import Project

    if sum(map(bool, (subject, listed, allow))) != 1:
        raise UserError(
            "say one of --subject, --list and --allow", fix="volano forget --subject ID --dry-run"
        )
    with Project.open(project, events=show_progress(as_json)) as opened:
        if listed:
            _list(opened, as_json)
        elif allow:
            _allow(opened, allow, by, dry_run, as_json)
        else:
            done = opened.forget(subject, because=because, by=by, dry_run=dry_run)
            _tell(done, as_json)


def _tell(done: Erasure, as_json: bool) -> None:
    if as_json:
        print_json(done.to_dict())
        return
    erased = "erased" if done.is_done else "would be erased"
    if done.places:
        print_lines([f"{erased}, in rows:"])
        print_lines(f"  {place:<28} {count:>9,}" for place, count in done.places.items())
    elif done.is_done:
        print_lines(["nothing of this subject is here; it is suppressed from now on"])
    else:
        print_lines(["nothing of this subject is here"])
    if done.models:
        told = ", ".join(f"model:{name}" for name in done.models)
        print_lines([f"trained on this subject: {told}"])
    if done.is_champion_affected:
        print_lines(
            [
                "the champion is one of them: it answers until a turn that trains without the "
                "subject promotes another"
            ]
        )
    if done.is_done:
        print_lines(
            [
                "not reached: your source files, backups, exported answers and sheets, and "
                "copies that others have"
            ]
        )
        next_command("volano turn")
    else:
        next_command("volano forget --subject ID")


def _list(project: Project, as_json: bool) -> None:
    from volano.loop.overview import when
    from volano.store.erasures import list_forgotten

    people = list_forgotten(project.ledger)
    if as_json:
        print_json({"forgotten": [person.to_dict() for person in people]})
        return
    if people:
        print_table(
            ("subject", "at", "by", "rows", "state", "because"),
            (
                (
                    person.subject[:_SHORT],
                    when(person.at),
                    person.by,
                    sum(person.places.values()),
                    _state(is_finished=person.is_finished, is_suppressed=person.is_suppressed),
                    person.reason,
                )
                for person in people
            ),
        )
    else:
        print_lines(["nobody was forgotten"])
    next_command("volano status")


def _state(*, is_finished: bool, is_suppressed: bool) -> str:
    if not is_finished:
        return "unfinished"
    return "kept out" if is_suppressed else "may return"


def _allow(project: Project, subject: str, by: str, dry_run: bool, as_json: bool) -> None:
    from volano.core.subjects import subject_name
    from volano.store import subjects

    name = subject_name(subject) or ""
    is_out = subjects.hash_subject(name) in subjects.suppressed(project.ledger)
    if is_out and not dry_run:
        subjects.allow(project.ledger, name, by=by)
    if as_json:
        print_json({"subject": subjects.hash_subject(name), "allowed": is_out and not dry_run})
        return
    if not is_out:
        print_lines(["this subject is not kept out"])
    elif dry_run:
        print_lines(["data of this subject would be collected again"])
    else:
        print_lines(["data of this subject is collected again"])
    next_command("volano turn")
