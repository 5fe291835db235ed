"""Everything that is remembered: artifacts (files, by content) and the ledger (rows, by noun).

In: folders that a stage filled, and facts about turns, releases, predictions, feedback, reviews,
subjects. Out: verified artifacts and frozen records. What was acknowledged survives a kill and a
power cut; what is half-written is never seen.

    artifacts    ArtifactStore: draft, keep, open, list, verify     (local, remote: its two places)
    ledger       Ledger: open, read, write, version                 (schema, migrations)
    turns        turns, their stages and events
    releases     the champion, promote, rollback
    predictions  predictions and their feedback
    reviews      what people are asked, and what they said
    lineage      what was made from what, and what it scored
    subjects     whose data is where, tombstones, suppression
    audit        who did what
    locks        one turn at a time

Never: what a row means, how a model is made, or any decision. Nothing registers here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volano.store.artifacts import ArtifactStore, Fault
    from volano.store.ledger import Ledger
    from volano.store.locks import project_lock

__all__ = ["ArtifactStore", "Fault", "Ledger", "project_lock"]

_HOMES = {
    "ArtifactStore": "artifacts",
    "Fault": "artifacts",
    "Ledger": "ledger",
    "project_lock": "locks",
}


def __getattr__(name: str) -> Any:
    """Import late: SQLAlchemy alone takes longer than ``import volano`` may."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
