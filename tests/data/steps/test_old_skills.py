from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.nouns import Dataset
from volano.data.steps.old_skills import OLD_SKILLS

if TYPE_CHECKING:
    from conftest import Workshop


def csv(numbers: range) -> str:
    rows = []
    for number in numbers:
        chance = random.Random(number)
        words = ("".join(chance.choices("abcdefghijklm", k=7)) for _ in range(6))
        rows.append(f"{' '.join(words)},{'ab'[number % 2]}")
    return "text,label\n" + "\n".join(rows) + "\n"


def old_skills(dataset: Dataset) -> list[dict[str, Any]]:
    path = dataset.folder / OLD_SKILLS
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return found


def test_one_more_column_in_the_file_makes_no_test_row_an_old_skill(workshop: Workshop) -> None:
    workshop.write("a.csv", csv(range(80)))
    first = workshop.prepare(workshop.collect("a.csv"))
    head, *lines = csv(range(80)).splitlines()
    workshop.write("a.csv", "\n".join([f"{head},more", *(f"{line},x" for line in lines)]))
    second = workshop.prepare(workshop.collect("a.csv"), first)
    assert not held(first) & held(second)
    assert old_skills(second) == []


def test_a_test_row_that_came_from_feedback_is_not_kept_once_it_is_gone(
    workshop: Workshop,
) -> None:
    workshop.write("a.csv", csv(range(80)))
    row = {"id": "pick", "fields": {"text": "another question altogether"}, "target": ["a"]}
    row |= {"source": "feedback", "line": 1, "label_from": "review", "picked": "random"}
    rows = [row | {"id": f"pick{n}", "fields": {"text": f"question {n} " * 9}} for n in range(9)]
    with workshop.store.draft() as draft:
        pq.write_table(pa.Table.from_pylist(rows), draft / "examples.parquet")
        said = workshop.store.keep(Dataset, draft, {"stage": "feedback"})
    first = workshop.prepare(workshop.collect("a.csv", feedback=said), near_duplicates=0)
    assert any(name.startswith("pick") for name in held(first))
    second = workshop.prepare(workshop.collect("a.csv"), first)
    assert old_skills(second) == []


def held(dataset: Dataset) -> set[str]:
    return set(dataset.labelled("test").column("id").to_pylist())


def test_a_test_row_that_left_the_file_is_asked_in_later_turns_too(workshop: Workshop) -> None:
    workshop.write("a.csv", csv(range(80)))
    first = workshop.prepare(workshop.collect("a.csv"))
    assert old_skills(first) == []
    workshop.write("a.csv", csv(range(40)))
    second = workshop.prepare(workshop.collect("a.csv"), first)
    gone = {row["id"] for row in old_skills(second)}
    assert gone == held(first) - held(second) != set()
    assert all(json.loads(row["fields"])["text"] for row in old_skills(second))
    third = workshop.prepare(workshop.collect("a.csv"), second)
    assert {row["id"] for row in old_skills(third)} == gone


def test_a_row_that_comes_back_is_a_test_row_again(workshop: Workshop) -> None:
    workshop.write("a.csv", csv(range(80)))
    first = workshop.prepare(workshop.collect("a.csv"))
    workshop.write("a.csv", csv(range(40)))
    second = workshop.prepare(workshop.collect("a.csv"), first)
    workshop.write("a.csv", csv(range(80)))
    third = workshop.prepare(workshop.collect("a.csv"), second)
    assert old_skills(second)
    assert old_skills(third) == []
