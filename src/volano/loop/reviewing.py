"""Reviews out to a spreadsheet and back: picks are filed first, answers are checked first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.feedback import export_reviews, fill_reviews, import_reviews
from volano.store import turns

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project

__all__ = ["import_sheet", "known_labels", "write_sheet"]


def write_sheet(project: Project, path: Path) -> int:
    """File new picks, then write every open item; how many were written."""
    fill_reviews(
        project.config.feedback,
        project.task,
        project.ledger,
        project.config.seed,
        known_labels(project),
    )
    num = export_reviews(project.ledger, project.task, path)
    if num == 0:
        path.unlink(missing_ok=True)
        raise UserError("nothing waits for review", fix="let people ask: volano serve")
    return num


def import_sheet(project: Project, path: Path, *, by: str, new_labels: bool) -> dict[str, Any]:
    """Keep what people filled in; labels that no model or dataset knows are refused."""
    done = import_reviews(
        project.ledger,
        project.task,
        path,
        known_labels(project),
        by=by,
        new_labels=new_labels,
    )
    return done.to_dict()


def known_labels(project: Project) -> set[str]:
    """Labels of the last finished turn's data and models, under today's names.

    Not of the present champion: a turn that promoted and was killed must continue as it began.
    """
    last = turns.find_turn(project.ledger, "latest", state="finished")
    return set(project.task.today(last.result["labels"])) if last and last.result else set()
