"""Old skills: what the champion could do on the frozen examples, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from volano.tasks.numbers import NumberOutcomes, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from volano.core.nouns import Report

__all__ = ["Change", "Skills", "compare_skills"]


@dataclass(frozen=True)
class Change:
    """An example that one model has right and the other wrong: truth, and what either said.

    ``is_learnt`` says whether it is right now and was wrong before.
    """

    id: str
    truth: tuple[str, ...]
    before: tuple[str, ...]
    now: tuple[str, ...]
    is_learnt: bool


class _Told(NamedTuple):
    """Truth and answer to one example, and whether the answer is right."""

    truth: tuple[str, ...]
    answer: tuple[str, ...]
    is_right: bool


@dataclass(frozen=True)
class Skills:
    """Counts over examples that both models answered, and those of them that changed.

    A number is right where it is a fifth of the truth's standard deviation off, or less.
    """

    still_right: int
    still_wrong: int
    learnt: tuple[Change, ...]
    forgotten: tuple[Change, ...]
    forgotten_by_label: Mapping[str, int]
    num_retired: int
    retired_right: int
    retired_right_before: int


def compare_skills(candidate: Report, champion: Report | None) -> Skills | None:
    """What was learnt and forgotten; None where there is nobody, or no truth, to compare with."""
    if champion is None or champion.hash == candidate.hash:
        return None
    if not all(report.body.get("proven", True) for report in (candidate, champion)):
        return None
    now, before = _answers(candidate), _answers(champion)
    right, changes = 0, []
    shared = sorted(now.keys() & before.keys())
    for row in shared:
        told, was = now[row], before[row]
        right += was.is_right and told.is_right
        if was.is_right != told.is_right:
            changes.append(Change(row, told.truth, was.answer, told.answer, told.is_right))
    forgotten = tuple(change for change in changes if not change.is_learnt)
    is_number = candidate.body.get("answers", "labels") == "number"
    by_label = Counter(label for change in forgotten if not is_number for label in change.truth)
    old, older = candidate.body["old_skills"], champion.body["old_skills"]
    return Skills(
        still_right=right,
        still_wrong=len(shared) - right - len(changes),
        learnt=tuple(change for change in changes if change.is_learnt),
        forgotten=forgotten,
        forgotten_by_label=dict(sorted(by_label.items(), key=lambda kv: (-kv[1], kv[0]))),
        num_retired=old["num_examples"],
        retired_right=len(old.get("right", ())),
        retired_right_before=len(older.get("right", ())),
    )


def _answers(report: Report) -> dict[str, _Told]:
    """What was said of each example, by its id."""
    path = report.folder / "answers.parquet"
    if report.body.get("answers", "labels") == "number":
        return _numbers(pq.read_table(path, columns=["id", "truth", "value"]))
    table = pq.read_table(path, columns=["id", "truth", "labels"])
    columns = (table.column(name).to_pylist() for name in ("id", "truth", "labels"))
    return {
        row: _Told(tuple(truth), tuple(labels), sorted(truth) == sorted(labels))
        for row, truth, labels in zip(*columns, strict=True)
    }


def _numbers(table: pa.Table) -> dict[str, _Told]:
    truth = table.column("truth").to_pylist()
    value_N = table.column("value").to_numpy()
    true_N = np.array([number_of(target) for target in truth], dtype=np.float64)
    right_N = NumberOutcomes.of(true_N, value_N, value_N, value_N).right_N
    columns = table.column("id").to_pylist(), truth, value_N.tolist(), right_N.tolist()
    return {
        row: _Told(tuple(target), (f"{value:.6g}",), is_right)
        for row, target, value, is_right in zip(*columns, strict=True)
    }
