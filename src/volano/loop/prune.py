"""Pruning by rule: what no turn, release or verdict needs any more leaves the disk.

The ledger keeps every row, so lineage and figures stay; only files go, and each could be made again
from its inputs. Rows seen before and their splits live in the newest dataset, which always stays.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.core.hashing import to_json
from volano.loop.climb import checkpoints_of, embeddings_of
from volano.loop.turn import lock_of
from volano.store import audit, lineage, releases, turns
from volano.store.artifacts import NOUNS
from volano.store.checks import hashes_in
from volano.store.locks import project_lock
from volano.train.config import plan_learners

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project
    from volano.store.ledger import Ledger

__all__ = ["Pruned", "prune"]


@dataclass(frozen=True)
class Pruned:
    """What was, or would be, removed: references with the bytes of each; and how many stay.

    ``cache:training`` are checkpoints, ``cache:embeddings`` vectors of texts.
    """

    removed: dict[str, int]
    num_kept: int

    @property
    def num_bytes(self) -> int:
        """What it frees."""
        return sum(self.removed.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {**asdict(self), "num_bytes": self.num_bytes}


def prune(
    project: Project,
    *,
    num_turns: int = 10,
    num_releases: int = 5,
    by: str = "",
    is_rehearsal: bool = False,
) -> Pruned:
    """Remove the files of artifacts that none of the rules below keeps.

    Kept are: all that the latest ``num_turns`` finished turns made or rest on, all that a turn
    which is not finished made, the champion with what it came from, the ``num_releases`` releases
    before it, and the reports behind every verdict (the gate counts how often a test set was used).
    Checkpoints stay where a turn is not finished, vectors of texts where today's settings use them.

    Raises:
        BusyError: a turn of this project is running.
        UserError: there was no turn, or the ledger that told of them is lost.
    """
    with project_lock(lock_of(project)):
        if not turns.list_turns(project.ledger):
            raise UserError(
                "the ledger knows of no turn, so nothing says what is still needed",
                where=str(project.ledger.path),
                fix="volano turn; if the ledger was lost: volano doctor",
            )
        kept = _kept(project.ledger, max(num_turns, 1), max(num_releases, 0))
        # What took the place of an erased artifact is asked for by the old name.
        store = project.store
        old = [(noun, name) for noun in NOUNS for name in kept.intersection(store.buried(noun))]
        kept |= {store.successor(noun, name) or "" for noun, name in old}
        found = [(noun, name) for noun in NOUNS for name in store.hashes(noun)]
        leaving = [(noun, name) for noun, name in found if name not in kept]
        removed = {f"{n.noun}:{name}": store.num_bytes(n, name) for n, name in leaving}
        caches = _stale_caches(project)
        removed |= {f"cache:{path.name}": size for path in caches if (size := _size(path))}
        if removed and not is_rehearsal:
            detail = {"artifacts": list(removed), "turns": num_turns, "releases": num_releases}
            # Said first: whoever is killed below leaves no artifact of which nobody knows why.
            audit.record(project.ledger, by, "prune", detail)
            for noun, name in leaving:
                store.remove(noun, name)
            for path in caches:
                shutil.rmtree(path, ignore_errors=True)
    return Pruned(removed, len(found) - len(leaving))


def _stale_caches(project: Project) -> list[Path]:
    """What trainings keep for later, where nothing that comes later would read it."""
    config, known = project.config, project.hub.learners_of(project.task)
    plan = plan_learners(config.train, project.task, known, config.effort)
    stale = []
    if not any(known[name].needs_base for name in plan):
        stale.append(embeddings_of(project.state))
    if not turns.list_turns(project.ledger, state=turns.RUNNING):
        stale.append(checkpoints_of(project.state))
    return stale


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _kept(ledger: Ledger, num_turns: int, num_releases: int) -> set[str]:
    kept: set[str] = set()
    num_finished = 0
    for turn in turns.list_turns(ledger):
        is_finished = turn.state == "finished"
        num_finished += is_finished
        if turn.state == turns.RUNNING or (is_finished and num_finished <= num_turns):
            kept |= hashes_in(to_json(turn.result))
            for stage in turn.stages:
                kept |= hashes_in(to_json(stage.output))
        for stage in turn.stages:
            if stage.name == "judge":
                kept |= hashes_in(str(stage.output.get("checks", {}).get("report")))
    past = [release.model for release in releases.list_releases(ledger)]
    kept.update(list(dict.fromkeys(past))[: num_releases + 1])
    champion = releases.champion(ledger)
    return kept | (_origins(ledger, champion.model) if champion is not None else set())


def _origins(ledger: Ledger, name: str) -> set[str]:
    """An artifact, all that it came from, and the reports on it."""
    found: set[str] = {edge.child for edge in lineage.children(ledger, name)}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [edge.parent for edge in lineage.parents(ledger, here)]
    return found
