"""Open reviews out to a sheet, and the answers of one or several people back in."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError
from volano.feedback.agreement import Agreement, measure_agreement
from volano.feedback.rules import labels_in_words, target_today
from volano.feedback.sheets import SheetRow, read_sheet, some_of, write_sheet
from volano.store.predictions import find_predictions
from volano.store.reviews import (
    ReviewAnswer,
    ReviewItem,
    answer_reviews,
    answered_reviews,
    open_reviews,
)
from volano.tasks.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.store.ledger import Ledger
    from volano.tasks.task import Task

__all__ = ["Imported", "export_reviews", "import_reviews"]


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a sheet; the counts add up to its rows."""

    answered: int = 0
    second_opinions: int = 0
    changed: int = 0
    repeated: int = 0
    skipped: int = 0
    new_labels: tuple[str, ...] = ()
    agreement: Agreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON carries it."""
        return asdict(self)


def export_reviews(ledger: Ledger, task: Task, path: Path, *, replace: bool = False) -> int:
    """Write every open review to a CSV file; how many.

    Raises:
        UserError: the file is there already, or cannot be written.
    """
    items = open_reviews(ledger)
    found = find_predictions(ledger, [review.ref for review in items])
    outputs = {ref: prediction.output for ref, prediction in found.items()}
    return write_sheet(task, items, outputs, path, replace=replace)


def import_reviews(
    ledger: Ledger,
    task: Task,
    path: Path,
    known_labels: Collection[str],
    *,
    by: str = "reviewer",
    new_labels: bool = False,
) -> Imported:
    """Check a whole sheet, then keep all its answers or none; a row without a label stays open.

    A label is what the task asks for: a number where it asks for one, which is never a new label.

    Args:
        ledger: where the items are.
        task: reads labels and their separator.
        path: what somebody filled in.
        known_labels: labels seen so far; others are typing errors unless ``new_labels``.
        by: who answered, where the column ``by`` is empty.
        new_labels: keep labels that were never seen.

    Raises:
        DataError: ids nobody filed, labels never seen or no number where one is asked for, one
            person saying two things of one item. Lists the rows; none is kept.
    """
    items = {i.id: i for i in (*open_reviews(ledger), *answered_reviews(ledger, skipped=True))}
    rows = read_sheet(path)
    unknown = [row for row in rows if row.review not in items]
    if unknown:
        raise DataError(
            "{count} rows hold review ids that nobody filed: {lines}",
            where=str(path),
            fix="export again: volano review --export FILE",
            count=len(unknown),
            lines=_lines(unknown),
        )
    filled = [row for row in rows if row.label]
    no_number = [r for r in filled if task.answers == "number" and not target_today(task, r.label)]
    if no_number:
        raise DataError(
            "{count} rows hold no number: {lines}",
            where=str(path),
            fix="write it with digits and a point, such as 1250.5, or leave it empty",
            count=len(no_number),
            lines=_lines(no_number),
        )
    seen = {label for i in items.values() for label in (*(i.target or ()), *(i.label or ()))}
    known = seen.union(known_labels)
    said = [_Said(r, items[r.review], _labels(task, r, known, path), r.by or by) for r in filled]
    has_names = task.answers == "labels"
    strange = [s for s in said if has_names and not set(s.labels) <= known]
    if strange and not new_labels:
        raise DataError(
            "{count} rows hold labels never seen: {lines}",
            where=str(path),
            fix="correct them, or add --new-labels where they are meant",
            count=len(strange),
            lines=_lines([one.row for one in strange]),
        )
    once, num_repeated = _once(said, path)
    counts = _keep(ledger, once, items)
    counts["repeated"] += num_repeated
    about = {(s.item.what, s.item.ref) for s in once}
    return Imported(
        answered=counts["answered"],
        second_opinions=counts["second_opinions"],
        changed=counts["changed"],
        repeated=counts["repeated"],
        skipped=len(rows) - len(filled),
        new_labels=tuple(sorted({label for s in strange for label in s.labels} - seen)),
        agreement=measure_agreement(
            voice
            for i in answered_reviews(ledger)
            if (i.what, i.ref) in about
            for voice in _voice(task, i)
        ),
    )


@dataclass(frozen=True)
class _Said:
    """One row, with the item it speaks of."""

    row: SheetRow
    item: ReviewItem
    labels: tuple[str, ...]
    by: str


def _lines(rows: Sequence[SheetRow]) -> str:
    return some_of([f"line {row.line}: {row.review} {row.label[:40]!r}" for row in rows])


def _voice(task: Task, answered: ReviewItem) -> Iterator[tuple[tuple[str, str], str, Any]]:
    """Thing, person, and what they said; nothing where it is no number and one is asked for."""
    said: Any = answered.label
    if task.answers == "number":
        read = target_today(task, answered.label or ())
        if not read:
            return
        said = number_of(read)
    yield (answered.what, answered.ref), answered.by or "", said


def _labels(task: Task, row: SheetRow, known: Collection[str], path: Path) -> tuple[str, ...]:
    if task.answers == "number":
        return target_today(task, row.label)
    try:
        labels = labels_in_words(task, row.label, known)
    except DataError as error:
        raise DataError(
            "{error}",
            where=f"{path}:{row.line}",
            fix="choose another label, or leave it empty",
            error=error,
        ) from None
    if not labels:
        raise DataError(
            "the label {label!r} was removed by the project (labels.remove)",
            where=f"{path}:{row.line}",
            fix="choose another label, or leave it empty",
            label=row.label[:80],
        )
    return labels


def _once(said: Sequence[_Said], path: Path) -> tuple[list[_Said], int]:
    """One answer per person and item; the same answer twice counts as repeated."""
    kept: dict[tuple[int, str], _Said] = {}
    for answer in said:
        first = kept.setdefault((answer.item.id, answer.by), answer)
        if first.labels != answer.labels:
            raise DataError(
                "{person!r} gives item {item} two labels, {first!r} on line {line} and {second!r}",
                where=f"{path}:{answer.row.line}",
                fix="keep one of them, or write who said which in the column 'by'",
                person=answer.by,
                item=answer.item.id,
                first=first.row.label,
                line=first.row.line,
                second=answer.row.label,
            )
    return list(kept.values()), len(said) - len(kept)


def _keep(ledger: Ledger, said: Sequence[_Said], items: Mapping[int, ReviewItem]) -> Counter[str]:
    """Answer items; a second person's answer becomes an item of its own, picked the same way."""
    voices: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    waiting: dict[tuple[str, str], int] = {}
    for known in items.values():
        about = known.what, known.ref
        if known.state == "open":
            waiting[about] = known.id
        elif known.by is not None:
            voices[about][known.by] = known.id
    counts: Counter[str] = Counter()
    answers: list[ReviewAnswer] = []
    for answer in said:
        about, asked, is_beside = (answer.item.what, answer.item.ref), answer.item.id, False
        # Who spoke before is asked again where people disagree, so what is open goes first.
        is_open = waiting.get(about) == asked
        earlier = asked if answer.item.by == answer.by else voices[about].get(answer.by)
        if is_open:
            counts["answered"] += 1
            del waiting[about]
        elif earlier is not None:
            asked = earlier
            counts["repeated" if items[asked].label == answer.labels else "changed"] += 1
        else:
            counts["second_opinions"] += 1
            is_beside = about not in waiting
            asked = waiting.pop(about, asked)
        comment = answer.row.comment
        answers.append(ReviewAnswer(asked, answer.labels, answer.by, comment, is_beside))
    answer_reviews(ledger, answers)
    return counts
