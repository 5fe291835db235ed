"""Old skills: what the champion could do on the frozen examples, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.nouns import Report

__all__ = ["Change", "Skills", "compare_skills"]


@dataclass(frozen=True)
class Change:
    """An example that one model has right and the other wrong: truth, and what either said."""

    id: str
    truth: tuple[str, ...]
    before: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def is_learnt(self) -> bool:
        """Whether it is right now and was wrong before."""
        return sorted(self.truth) == sorted(self.now)


@dataclass(frozen=True)
class Skills:
    """Counts over examples that both models answered, and those of them that changed."""

    still_right: int
    still_wrong: int
    learnt: tuple[Change, ...]
    forgotten: tuple[Change, ...]
    forgotten_by_label: Mapping[str, int]
    num_retired: int
    retired_right: int
    retired_right_before: int


def compare_skills(candidate: Report, champion: Report | None) -> Skills | None:
    """What was learnt and forgotten; None where there is nobody to compare with."""
    if champion is None or champion.hash == candidate.hash:
        return None
    now, before = _answers(candidate), _answers(champion)
    right, changes = 0, []
    shared = sorted(now.keys() & before.keys())
    for row in shared:
        truth, said = now[row]
        was_right, is_right = (sorted(truth) == sorted(one[row][1]) for one in (before, now))
        right += was_right and is_right
        if was_right != is_right:
            changes.append(Change(row, truth, before[row][1], said))
    forgotten = tuple(change for change in changes if not change.is_learnt)
    by_label = Counter(label for change in forgotten for label in change.truth)
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


def _answers(report: Report) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Truth and answer by id."""
    table = pq.read_table(report.folder / "answers.parquet", columns=["id", "truth", "labels"])
    columns = (table.column(name).to_pylist() for name in ("id", "truth", "labels"))
    return {row: (tuple(truth), tuple(labels)) for row, truth, labels in zip(*columns, strict=True)}
