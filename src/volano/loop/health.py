"""The health of a project's state: ledger, artifacts, what refers to what, leftovers, the clock."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from volano.core.errors import BusyError, StoreError, VolanoError
from volano.core.hashing import SHORT
from volano.core.nouns import Dataset
from volano.loop.climb import checkpoints_of, embeddings_of
from volano.loop.doctor import Finding
from volano.loop.overview import when
from volano.loop.turn import lock_of
from volano.store import checks, erasures, releases, subjects, turns
from volano.store.artifacts import NOUNS
from volano.store.clock import confirm_now, leapt_from
from volano.store.disk import telling_disk
from volano.store.locks import project_lock
from volano.store.state import CACHE, LOCK, STATE, aside_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.loop.project import Project

__all__ = ["examine_state"]

_DAY = 86_400
_LONG_LOG = 256 * 2**20
_REPAIR = "volano doctor --repair"
_FROM_BACKUP = "move .volano away, then volano restore FILE, from the latest backup"
_RESTORE = "volano turn makes it again where its inputs are there; else: volano restore FILE"


def examine_state(project: Project, *, repair: bool) -> list[Finding]:
    """Everything below ``.volano``, mended where asked and where nothing can be lost by it.

    Raises:
        BusyError: a repair is asked for while a turn of this project is running.
    """
    try:
        state = project.state
    except StoreError as error:  # it was moved, and the disk is not there
        return [Finding("state", error.what, True, error.fix, is_damage=True)]
    if not state.exists():
        return [Finding("state", "no turn yet", fix="volano turn")]
    with ExitStack() as held:
        is_idle = True
        try:
            if repair or state.joinpath(LOCK).exists():
                held.enter_context(project_lock(lock_of(project)))
        except BusyError:
            if repair:
                raise
            is_idle = False
        except StoreError as error:
            return [Finding("state", error.what, True, error.fix)]
        return list(_look(project, repair=repair, is_idle=is_idle))


def _look(project: Project, *, repair: bool, is_idle: bool) -> Iterator[Finding]:
    yield from _place(project)
    try:
        yield from _ledger(project, repair)
        yield from _turns(project, repair, is_idle)
        yield from _clock(project, repair)
        can_read = True
    except VolanoError as error:
        yield Finding(
            "ledger", error.what, True, _FROM_BACKUP if repair else error.fix, is_damage=True
        )
        can_read = False
    yield from _artifacts(project, repair)
    if can_read:
        yield from _references(project)
        yield from _subjects(project, repair)
        yield from _erasures(project)


def _erasures(project: Project) -> Iterator[Finding]:
    """Whether everybody who was to be erased is gone."""
    for subject, at in erasures.unfinished(project.ledger).items():
        told = f"begun {when(at)} and stopped before its end (subject {subject[:SHORT]})"
        fix = "volano forget --subject ID, with the same ID, ends it"
        yield Finding("erasure", told, True, fix)


def _place(project: Project) -> Iterator[Finding]:
    """Whether the state can be written, and what lies beside it."""
    probe = project.state / f"{uuid.uuid4().hex}.part"
    try:
        with telling_disk(probe):
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        where = project.state.resolve()
        moved = project.root not in where.parents
        yield Finding("state", f"at {where}" if moved else "can be written")
    except StoreError as error:
        yield Finding("state", error.what, True, error.fix)
    link = project.root / STATE
    if aside_of(link).exists():
        fix = f"volano move {link.resolve()} removes it" if link.is_symlink() else "volano move"
        yield Finding("state", f"what was moved is still at {aside_of(link)}", True, fix)
    yield from _cache(project)


def _cache(project: Project) -> Iterator[Finding]:
    """What may be deleted at any time, and what it is worth."""
    cache = project.state / CACHE
    known = {
        checkpoints_of(project.state).name: "a training that was stopped goes on from it",
        embeddings_of(project.state).name: "vectors of texts; without them a probe takes longer",
    }
    sizes: dict[str, int] = Counter()
    for path in cache.rglob("*"):
        if path.is_file():
            top = path.relative_to(cache).parts[0]
            sizes[top if top in known else ""] += path.stat().st_size
    for name, size in sorted(sizes.items()):
        told = f"{size / 1e6:.1f} MB; {known.get(name, 'may be deleted at any time')}"
        yield Finding(f"{CACHE}/{name}".rstrip("/"), told)


def _ledger(project: Project, repair: bool) -> Iterator[Finding]:
    ledger = project.ledger
    found = checks.find_damage(ledger)
    mended = False
    if found and repair:
        checks.mend_indexes(ledger)
        mended, before = True, found
        found = checks.find_damage(ledger)
    if mended and not found:
        yield Finding("ledger", f"ok; indexes were built anew: {before[0]}", is_mended=True)
    elif not found:
        yield Finding("ledger", "ok")
    for line in found:
        fix = _FROM_BACKUP if repair else _REPAIR
        yield Finding("ledger", line, True, fix, is_damage=True)
    log = ledger.path.with_name(ledger.path.name + "-wal")
    if log.exists() and log.stat().st_size > _LONG_LOG:
        size = f"its log has grown to {log.stat().st_size / 1e6:.0f} MB"
        if repair:
            ledger.fold_log()
        yield Finding("ledger", size, not repair, "" if repair else _REPAIR, is_mended=repair)


def _turns(project: Project, repair: bool, is_idle: bool) -> Iterator[Finding]:
    running = turns.list_turns(project.ledger, state=turns.RUNNING)
    if not is_idle:
        yield Finding("turn", "one is running now")
    elif running:
        yield Finding("turn", f"turn {running[0].number} was stopped", fix="volano turn goes on")
    if is_idle and len(running) > 1:
        stopped = ", ".join(str(turn.number) for turn in running[1:])
        if repair:
            checks.abandon_stopped(project.ledger)
        told = f"turns {stopped} were stopped and are not gone on with"
        fix = "" if repair else _REPAIR
        yield Finding("turn", told, not repair, fix, is_mended=repair)


def _clock(project: Project, repair: bool) -> Iterator[Finding]:
    ahead = checks.newest_time(project.ledger) - time.time()
    if ahead > _DAY:
        yield Finding(
            "clock",
            f"it is {ahead / _DAY:.0f} days behind what the ledger has seen",
            True,
            "set the clock of this machine; if the ledger was written under a wrong one, go on",
        )
    before = leapt_from(project.ledger)
    if before is not None:
        if repair:
            confirm_now(project.ledger)
        told = f"it has leapt ahead {(time.time() - before) / _DAY:.0f} days"
        fix = "" if repair else f"nothing is erased by age until it has lasted a day; {_REPAIR}"
        yield Finding("clock", told, not repair, fix, is_mended=repair)


def _artifacts(project: Project, repair: bool) -> Iterator[Finding]:
    store = project.store
    if repair:
        num_swept = store.sweep()
        if num_swept:
            told = f"{num_swept} drafts of killed processes were removed"
            yield Finding("artifacts", told, is_mended=True)
        for name in store.mend():
            told = f"{name[:SHORT]} was fetched again from {store.url}"
            yield Finding("artifacts", told, is_mended=True)
    faults = store.verify()
    if not faults:
        yield Finding("artifacts", "every file is what its hash says")
    for fault in faults:
        what = f"{fault.kind}: {fault.path}"
        yield Finding(what, fault.what, True, fault.fix, is_damage=True)


def _references(project: Project) -> Iterator[Finding]:
    """Rows that speak of artifacts that are not there, and artifacts no row speaks of."""
    ledger, store = project.ledger, project.store
    there = {name: noun for noun in NOUNS for name in store.hashes(noun)}
    expected = checks.recorded(ledger)
    champion = releases.champion(ledger)
    if champion is not None:
        expected[champion.model] = "model"
    gone = checks.gone_on_purpose(ledger) - ({champion.model} if champion else set())
    for name, noun in sorted(expected.items()):
        if name not in there and name not in gone and not _is_erased(project, noun, name):
            serves = champion is not None and name == champion.model
            told = "it is not in the store" + (", and it is what answers" if serves else "")
            yield Finding(f"{noun}:{name[:SHORT]}", told, True, _RESTORE, is_damage=True)
    spoken_of = checks.mentioned(ledger)
    if there and not spoken_of and not turns.list_turns(ledger):
        told = f"it knows of no turn, and {len(there)} artifacts are there: was it lost?"
        yield Finding("ledger", told, True, _FROM_BACKUP, is_damage=True)
        return
    orphans = [(noun, name) for name, noun in there.items() if name not in spoken_of]
    if orphans:
        size = sum(store.num_bytes(noun, name) for noun, name in orphans) / 1e6
        told = f"{len(orphans)} that no turn speaks of, {size:.1f} MB"
        yield Finding("artifacts", told, fix="volano prune removes them")


def _is_erased(project: Project, noun: str, name: str) -> bool:
    kind = next((kind for kind in NOUNS if kind.noun == noun), None)
    return kind is not None and project.store.successor(kind, name) is not None


def _subjects(project: Project, repair: bool) -> Iterator[Finding]:
    """The index of whose data is where, against the datasets that are there."""
    stale = []
    finished = turns.list_turns(project.ledger, state="finished")
    for name in dict.fromkeys(str((turn.result or {}).get("collected")) for turn in finished):
        try:
            dataset = project.store.open(Dataset, name)
        except VolanoError:
            continue  # told already, pruned, or erased
        counts = dataset.counts("subject")
        if checks.indexed_rows(project.ledger, dataset.ref) != counts.total():
            stale.append(dataset.short)
            if repair:
                subjects.index_subjects(project.ledger, counts, dataset.ref)
    if stale:
        told = "the index of whose data is where differs from dataset:" + ", dataset:".join(stale)
        fix = "" if repair else _REPAIR
        yield Finding("subjects", told, not repair, fix, is_damage=not repair, is_mended=repair)
