"""Releases: promotion with its verdict, or forced and recorded as forced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.errors import RefusedError, UserError
from volano.core.hashing import SHORT
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
            "{model} is what training made, not what is served: its parity was never measured",
            where=str(model.folder),
            fix="promote the exported one: volano list models",
            model=model.ref,
        )
    if isinstance(because, Verdict):
        _check(model, because, forced)
        reason = because.because[0] if because.because else because.decision
        is_forced = not because.promotes
    else:
        if not forced:
            raise RefusedError(
                "{model} has no verdict that promotes it",
                fix='judge it: volano turn; or force it: volano promote {model} --because "..."',
                model=model.ref,
            )
        if not because.strip():
            raise UserError(
                "a promotion that is forced is kept with its reason, and there is none",
                where="--because",
                fix='volano promote {model} --because "..."',
                model=model.ref,
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
            "the verdict is about model:{judged}, not {model}",
            fix="judge the report of the model that is to be promoted",
            judged=verdict.candidate[:SHORT],
            model=model.ref,
        )
    if not verdict.promotes and not forced:
        raise RefusedError(
            "the verdict on {model} is {decision}",
            fix='force it, and the ledger says so: volano promote {model} --because "..."',
            because=verdict.because,
            model=model.ref,
            decision=verdict.decision,
        )
