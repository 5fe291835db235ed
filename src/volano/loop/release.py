"""Releases: promotion with its verdict, or forced and recorded as forced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.errors import RefusedError, UserError
from volano.core.nouns import Verdict
from volano.store import releases

if TYPE_CHECKING:
    from volano.core.nouns import Model, Release
    from volano.loop.project import Project

__all__ = ["promote"]


def promote(
    project: Project, model: Model, *, because: Verdict | str, by: str, forced: bool
) -> Release:
    """Make ``model`` the champion, in one step that either happens or does not."""
    if "parity" not in model.card:
        raise UserError(
            f"{model.ref} is what training made; its parity was never measured",
            where=str(model.folder),
            fix="promote the exported one: volano list models",
        )
    if isinstance(because, Verdict):
        _check(model, because, forced)
        reason = because.because[0] if because.because else because.decision
        is_forced = not because.promotes
    else:
        if not forced:
            raise RefusedError(
                f"{model.ref} has no verdict that promotes it",
                fix='volano turn, or volano promote MODEL --because "..." to force it',
            )
        reason, is_forced = because, True
    return releases.promote(
        project.ledger,
        model.hash,
        because=reason,
        forced=is_forced,
        by=by,
        expected=_judged_against(because),
    )


def _judged_against(because: Verdict | str) -> Any:
    """The champion that the verdict speaks of: where another took over since, it is void."""
    if isinstance(because, Verdict) and because.candidate:
        return because.champion or None
    return releases.ANY


def _check(model: Model, verdict: Verdict, forced: bool) -> None:
    if verdict.candidate and verdict.candidate != model.hash:
        raise RefusedError(
            f"the verdict is about {verdict.candidate[:12]}, not {model.short}",
            fix="judge the report of the model that is to be promoted",
        )
    if not verdict.promotes and not forced:
        raise RefusedError(
            f"the verdict on {model.ref} is {verdict.decision}",
            fix='volano promote MODEL --because "..." forces it, and says so in the ledger',
            because=verdict.because,
        )
