"""Forgetting a person: everything of them goes from ``.volano``, and nothing brings them back.

In this order, so that it can be killed anywhere and run again with the same end: nobody collects or
logs the person any more; rows of the ledger go; each artifact gets a successor without the person
and a tombstone; pages are written anew; the ledger is marked; the old artifacts go, datasets last,
since they tell whose the rest is; caches go, and the ledger is written anew.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.core.hashing import SHORT, to_json
from volano.core.nouns import Dataset, Model, Report
from volano.core.subjects import subject_name
from volano.loop.turn import lock_of
from volano.loop.whereabouts import look_for, texts_shown
from volano.store import erasures, lineage, releases, subjects, traces
from volano.store.erasing import compact
from volano.store.locks import project_lock
from volano.store.manifest import CARD, MANIFEST, Manifest
from volano.store.state import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from volano.core.nouns import Artifact
    from volano.loop.project import Project
    from volano.loop.whereabouts import Whereabouts

__all__ = ["Erasure", "forget"]

_BECAUSE = "asked to be forgotten"
_ERASED = "erased.json"  # part of what was left: without it a card alone could not be replaced
_AFFECTED = "without an erased person"


@dataclass(frozen=True)
class Erasure:
    """What was erased of one person, or what would be.

    Attributes:
        subject: the hash of the person's name.
        places: rows in each place: a table of the ledger, an artifact, pages, the cache.
        datasets: hashes of those that held the person.
        models: hashes of those that were trained on the person.
        is_champion_affected: whether the model that answers is one of them.
        is_done: whether it happened.
    """

    subject: str
    places: dict[str, int]
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    is_champion_affected: bool = False
    is_done: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def forget(
    project: Project, subject: str, *, because: str = "", by: str = "", is_rehearsal: bool = False
) -> Erasure:
    """Erase a person from the project's state, and keep them out from now on.

    Args:
        project: whose state it is.
        subject: the person, as the subject column or the requests name them.
        because: why; kept with the tombstones, without the name.
        by: who does it.
        is_rehearsal: only say what would be erased.

    Raises:
        UserError: nobody is named.
        BusyError: a turn is running, or another process keeps the ledger.
    """
    name = subject_name(subject)
    if name is None:
        raise UserError("nobody is named", where="--subject", fix="volano forget --subject ID")
    if not project.config.data.fields.subject:
        project.events.of("forget").warn(
            "data.fields.subject names no column, so nobody is known in rows of the sources: only "
            "what requests said of a subject is looked through"
        )
    if is_rehearsal and not project.state.exists():
        return Erasure(subjects.hash_subject(name), {})
    with project_lock(lock_of(project)):
        if is_rehearsal:
            return _would_erase(project, look_for(project, name))
        reason, who = (traces.strike(text, name, fewest=1) for text in (because or _BECAUSE, by))
        return _Forgetting(project, name, reason, who).run()


@dataclass
class _Forgetting:
    """One erasure under way; ``successors`` are the hashes of what takes each old one's place."""

    project: Project
    name: str
    reason: str
    by: str
    since: float = 0.0
    successors: dict[str, str] = field(default_factory=dict)
    slices: set[str] = field(default_factory=set)

    def run(self) -> Erasure:
        project, events = self.project, self.project.events.of("forget")
        self.since = erasures.begin(project.ledger, self.name, reason=self.reason, by=self.by)
        with events.running("looking for the person"):
            project.store.sweep_erased()
            self.found = look_for(project, self.name)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("rows of the ledger", self.delete_rows),
            ("successors", self.make_successors),
            ("pages", self.rewrite_pages),
            ("marks", self.mark),
            ("old artifacts", self.erase_artifacts),
            ("caches", self.empty_cache),
            ("the ledger's file", lambda: compact(project.ledger.path)),
        )
        for told, step in steps:
            with events.running(told):
                step()
        erasures.end(project.ledger, self.name, by=self.by)
        places = erasures.tombstones_since(project.ledger, self.name, self.since)
        return _erasure(project, self.name, places, is_done=True)

    def delete_rows(self) -> None:
        """Predictions, feedback and reviews; what stays names the person no more."""
        found = self.found
        with self.project.ledger.write() as connection:
            traces.delete_rows(connection, found.rows)
            traces.strike_out(connection, self.name, found.notes)
            self._bury(connection, traces.count_rows(found.rows))

    def make_successors(self) -> None:
        """Each artifact that holds the person once more without, and a tombstone for the old."""
        from volano.evals.erasing import gone_slices

        store = self.project.store
        for noun, name in self.found.damaged:
            store.bury(noun, name)
        for name in self.found.reports:
            report = store.open(Report, name)
            self.slices |= gone_slices(report, self._replace(report, self._write_report))
        for name in self.found.quoting:
            self._replace(store.open(Model, name), self._write_model)
        for name in self.found.datasets:
            dataset = store.open(Dataset, name)
            if dataset.card.get("stage") == "feedback":
                store.bury(Dataset, name)  # made anew from the ledger by every turn
            else:
                self._replace(dataset, self._write_dataset)

    def _replace(self, old: Any, write: Callable[[Any, Path], dict[str, Any]]) -> Any:
        store = self.project.store
        outside = Manifest.from_bytes(
            (old.folder / MANIFEST).read_bytes(), where=str(old.folder)
        ).outside
        with store.draft() as draft:
            shutil.copytree(
                old.folder, draft, dirs_exist_ok=True, ignore=lambda *_: [CARD, MANIFEST]
            )
            card = write(old, draft)
            gone = sorted({*_erased_before(draft), subjects.hash_subject(self.name)})
            (draft / _ERASED).write_text(to_json(gone), "utf-8")
            kept = store.keep(type(old), draft, card, outside=frozenset(outside))
        store.bury(type(old), old.hash, kept.hash)
        self.successors[old.hash] = kept.hash
        return kept

    def _write_dataset(self, dataset: Dataset, draft: Path) -> dict[str, Any]:
        from volano.data.erasing import write_without

        held = self.found.datasets[dataset.hash]
        card = write_without(dataset, self.found.person, held, draft)
        return dict(traces.strike(card, self.name))

    def _write_report(self, report: Report, draft: Path) -> dict[str, Any]:
        from volano.evals.erasing import write_without

        return write_without(report, self.name, self.found.person.ids, draft)

    def _write_model(self, model: Model, draft: Path) -> dict[str, Any]:
        from volano.train.erasing import write_without

        texts = texts_shown(self.project, self.found, model)
        write_without(model, texts, self.name, self.found.person.ids, draft)
        return {**model.card, "erased": self.found.quoting[model.hash]}

    def rewrite_pages(self) -> None:
        """The pages of every turn that showed an artifact which held the person."""
        from volano.loop.erased_pages import rewrite_pages

        marked = erasures.artifacts_of(self.project.ledger, self.name)
        rewrite_pages(self.project, {*self.successors, *marked}, self.successors)

    def mark(self) -> None:
        """Tombstones in the ledger, the successors' lineage, and models trained on the person."""
        ledger = self.project.ledger
        for noun, old in self._replaced():
            if lineage.find_artifact(ledger, old) is not None:
                kept = self.project.store.open(noun, self.successors[old])
                lineage.record_artifact(ledger, kept)
                lineage.link(ledger, old, kept, _AFFECTED)
        with ledger.write() as connection:
            for kind, name, count in self._affected():
                place = f"{kind}:{name[:SHORT]}"
                if not erasures.is_buried(connection, self.name, place, self.since):
                    self._bury(connection, {place: count}, hash=name)
            for old, new in self.successors.items():
                erasures.replace_card(connection, old, new)
                subjects.move_index(connection, f"dataset:{old[:SHORT]}", f"dataset:{new[:SHORT]}")
            subjects.drop_index(connection, self.name)
            traces.strike_out(connection, self.name, self.slices)

    def _replaced(self) -> Iterator[tuple[type[Artifact], str]]:
        found = self.found
        for noun, names in ((Dataset, found.datasets), (Report, found.reports)):
            yield from ((noun, name) for name in names if name in self.successors)
        yield from ((Model, name) for name in found.quoting)

    def _affected(self) -> Iterator[tuple[str, str, int]]:
        """Noun, hash and rows of all that held the person, and of models that learned from them."""
        found = self.found
        yield from (("dataset", name, held.num_rows) for name, held in found.datasets.items())
        yield from (("report", name, count) for name, count in found.reports.items())
        yield from ((noun.noun, name, 1) for noun, name in found.damaged)
        for name, count in found.trained.items():
            yield "model", self.successors.get(name, name), count

    def _bury(self, connection: Any, places: dict[str, int], **detail: str) -> None:
        subjects.bury_rows(connection, self.name, places, reason=self.reason, by=self.by, **detail)

    def erase_artifacts(self) -> None:
        """Datasets last, and what was collected after what was made of it."""
        store, found = self.project.store, self.found
        for noun, damaged in found.damaged:
            store.erase(noun, damaged)
        for name in found.reports:
            store.erase(Report, name)
        for name in found.quoting:
            store.erase(Model, name)
        collected = {d.hash for d in store.list(Dataset) if d.card.get("stage") == "collected"}
        for name in sorted(found.datasets, key=collected.__contains__):
            store.erase(Dataset, name)

    def empty_cache(self) -> None:
        """Copies of sources and of remote artifacts; they are fetched again where needed."""
        shutil.rmtree(self.project.state / CACHE, ignore_errors=True)
        self.project.store.sweep_erased()


def _erased_before(draft: Path) -> list[str]:
    path = draft / _ERASED
    return list(json.loads(path.read_bytes())) if path.exists() else []


def _would_erase(project: Project, found: Whereabouts) -> Erasure:
    places = traces.count_rows(found.rows)
    places |= {f"dataset:{n[:SHORT]}": held.num_rows for n, held in found.datasets.items()}
    places |= {f"report:{n[:SHORT]}": count for n, count in found.reports.items()}
    places |= {f"{noun.noun}:{n[:SHORT]}": 1 for noun, n in found.damaged}
    places |= {f"model:{n[:SHORT]}": count for n, count in found.trained.items()}
    return _erasure(project, found.person.name, places, is_done=False)


def _erasure(project: Project, name: str, places: dict[str, int], *, is_done: bool) -> Erasure:
    champion = releases.champion(project.ledger)
    by_noun: dict[str, list[str]] = {"dataset": [], "model": []}
    for place in places:
        noun, _, short = place.partition(":")
        by_noun.setdefault(noun, []).append(short)
    return Erasure(
        subjects.hash_subject(name),
        places,
        tuple(by_noun["dataset"]),
        tuple(by_noun["model"]),
        champion is not None and champion.model[:SHORT] in by_noun["model"],
        is_done,
    )
