"""Old skills: what the champion could do on the frozen examples, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.nouns import Report

__all__ = ["Skills", "compare_skills"]


@dataclass(frozen=True)
class Skills:
    """Counts over examples that both models answered; ids of those that changed."""

    still_right: int
    still_wrong: int
    learnt: tuple[str, ...]
    forgotten: tuple[str, ...]
    forgotten_by_label: Mapping[str, int]
    num_retired: int
    retired_right: int
    retired_right_before: int


def compare_skills(candidate: Report, champion: Report | None) -> Skills | None:
    """What was learnt and forgotten; None where there is nobody to compare with."""
    if champion is None or champion.hash == candidate.hash:
        return None
    now, before = _right(candidate), _right(champion)
    shared = sorted(now.keys() & before.keys())
    forgotten = tuple(row for row in shared if before[row][0] and not now[row][0])
    by_label = Counter(label for row in forgotten for label in now[row][1])
    old, older = candidate.body["old_skills"], champion.body["old_skills"]
    return Skills(
        still_right=sum(now[row][0] and before[row][0] for row in shared),
        still_wrong=sum(not now[row][0] and not before[row][0] for row in shared),
        learnt=tuple(row for row in shared if now[row][0] and not before[row][0]),
        forgotten=forgotten,
        forgotten_by_label=dict(sorted(by_label.items(), key=lambda kv: (-kv[1], kv[0]))),
        num_retired=old["num_examples"],
        retired_right=len(old.get("right", ())),
        retired_right_before=len(older.get("right", ())),
    )


def _right(report: Report) -> dict[str, tuple[bool, list[str]]]:
    table = pq.read_table(report.folder / "answers.parquet", columns=["id", "truth", "labels"])
    columns = (table.column(name).to_pylist() for name in ("id", "truth", "labels"))
    return {
        row: (sorted(truth) == sorted(labels), truth)
        for row, truth, labels in zip(*columns, strict=True)
    }
