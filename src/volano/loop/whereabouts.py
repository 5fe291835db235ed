"""Where a person is: in which datasets, reports, models and rows of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from volano.core.errors import StoreError
from volano.core.nouns import Dataset, Model, Report
from volano.store import traces
from volano.store.manifest import NewerFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.core.nouns import Artifact
    from volano.data.erasing import Holding, Person
    from volano.loop.project import Project

__all__ = ["Whereabouts", "look_for", "texts_shown"]


@dataclass
class Whereabouts:
    """Where a person is, by hash of each artifact."""

    person: Person
    rows: traces.Rows
    datasets: dict[str, Holding] = field(default_factory=dict)
    reports: dict[str, int] = field(default_factory=dict)
    quoting: dict[str, int] = field(default_factory=dict)  # models, by rows that they quote
    trained: dict[str, int] = field(default_factory=dict)  # models, by rows that they learned
    damaged: list[tuple[type[Artifact], str]] = field(default_factory=list)
    texts: frozenset[str] = frozenset()

    @property
    def notes(self) -> set[str]:
        """Sentences of cards that quote the person."""
        return {note for held in self.datasets.values() for note in held.notes}


def look_for(project: Project, name: str) -> Whereabouts:
    """Look through everything that the state of a project holds."""
    from volano.data.erasing import Person

    columns = tuple(filter(None, (project.config.data.fields.subject,)))
    rows = traces.find_rows(project.ledger, name, columns, ())
    found = Whereabouts(Person(name, columns, rows.predictions), rows)
    _find_in_datasets(project, found)
    found.rows = traces.find_rows(project.ledger, name, columns, found.person.ids)
    _find_in_reports(project, found)
    _find_in_models(project, found)
    return found


def _opened(project: Project, noun: type[Any], damaged: list[Any] | None) -> Iterator[Any]:
    """Every artifact of a noun, oldest first; one that cannot be read may hold anybody."""
    listed = [made.hash for made in reversed(project.store.list(noun))]
    for name in dict.fromkeys([*listed, *project.store.hashes(noun)]):
        try:
            yield project.store.open(noun, name)
        except NewerFormatError:
            raise
        except StoreError:
            if damaged is not None:
                damaged.append((noun, name))


def _find_in_datasets(project: Project, found: Whereabouts) -> None:
    """Twice: rows that were dropped are known by ids that another Dataset tells."""
    from volano.data.erasing import Person, find_person

    known = list(_opened(project, Dataset, found.damaged))
    for _ in range(2):
        held = {dataset.hash: find_person(dataset, found.person) for dataset in known}
        ids = found.person.ids.union(*(one.ids for one in held.values()))
        found.person = Person(found.person.name, found.person.columns, ids)
    found.datasets = {name: one for name, one in held.items() if one.num_rows}
    found.texts = frozenset().union(*(one.texts for one in held.values()))


def _find_in_reports(project: Project, found: Whereabouts) -> None:
    from volano.evals.erasing import count_examples

    for report in _opened(project, Report, found.damaged):
        if count := count_examples(report, found.person.name, found.person.ids):
            found.reports[report.hash] = count


def _find_in_models(project: Project, found: Whereabouts) -> None:
    from volano.train.erasing import count_quotes

    for model in _opened(project, Model, None):
        data = str(model.card.get("dataset", ""))
        # Once erasing has begun, a dataset that is still there has a successor already.
        heir = project.store.successor(Dataset, data) or ""
        held = found.datasets.get(data) or found.datasets.get(heir)
        if held is not None and held.num_learned:
            found.trained[model.hash] = held.num_learned
        texts = texts_shown(project, found, model)
        if count := count_quotes(model, texts, found.person.name, found.person.ids):
            found.quoting[model.hash] = count


def texts_shown(project: Project, found: Whereabouts, model: Model) -> frozenset[str] | None:
    """What the person's rows say; None where nobody knows any more what the model was shown."""
    if not found.person.ids:
        return found.texts
    data = str(model.card.get("dataset", ""))
    store = project.store
    is_known = data in store.hashes(Dataset) or bool(store.successor(Dataset, data))
    return found.texts if is_known else None
