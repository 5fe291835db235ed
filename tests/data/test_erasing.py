"""Finding a person in a Dataset, and writing the Dataset without them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.nouns import Dataset
from volano.data.config import SourceConfig
from volano.data.erasing import Person, find_person, readers_without, write_without
from volano.data.sources import READERS, read_whole
from volano.store.subjects import hash_subject

if TYPE_CHECKING:
    from pathlib import Path


def examples(subjects: list[str | None], customers: list[object]) -> pa.Table:
    num = len(subjects)
    return pa.table(
        {
            "id": [f"e{n}" for n in range(num)],
            "fields": [{"body": f"text {n}", "customer": c} for n, c in enumerate(customers)],
            "target": pa.array([["x"]] * num, pa.list_(pa.string())),
            "split": ["train", "test", "validation", None, "train"][:num],
            "source": ["rows.csv"] * num,
            "subject": pa.array(subjects, pa.string()),
        }
    )


def dropped(*rows: tuple[str, dict[str, object]]) -> pa.Table:
    said = [json.dumps(fields, ensure_ascii=False) for _, fields in rows]
    return pa.table(
        {
            "id": pa.array([name for name, _ in rows], pa.string()),
            "reason": pa.array(["duplicate"] * len(rows), pa.string()),
            "fields": pa.array(said, pa.string()),
        }
    )


def dataset(folder: Path, table: pa.Table, gone: pa.Table) -> Dataset:
    folder.mkdir()
    pq.write_table(table, folder / "examples.parquet")
    pq.write_table(gone, folder / "dropped.parquet")
    card = {
        "stage": "prepared",
        "schema": {"fields": {"text": "body", "subject": ""}},
        "counts": {"rows": len(table), "splits": {"train": 2, "validation": 1, "test": 1}},
        "sources": [{"path": "rows.csv", "prepared": len(table)}],
        "dropped": {"duplicate": len(gone)},
        "broken": [{"source": "rows.csv", "line": 9, "reason": "5 cells", "raw": "R9,x,ann"}],
    }
    return Dataset("0" * 64, folder, card)


def test_a_person_is_found_by_subject_by_a_column_and_by_ids(tmp_path: Path) -> None:
    table = examples(["ann", None, "bo", None, None], ["ann", " ann ", "bo", "bo", None])
    gone = dropped(("e8", {"customer": "ann"}), ("e9", {"body": "quiet"}), ("e7", {}))
    made = dataset(tmp_path / "d", table, gone)
    by_subject = find_person(made, Person("ann"))
    assert by_subject.ids == {"e0"}
    held = find_person(made, Person("ann", ("customer",), frozenset({"e9"})))
    assert held.counts == {"examples.parquet": 2, "dropped.parquet": 2, "card.json": 1}
    assert held.ids == {"e0", "e1", "e8", "e9"}
    assert held.texts >= {"text 0", "text 1", "quiet"}
    assert held.num_learned == 1
    (tmp_path / "out").mkdir()
    card = write_without(made, Person("ann", ("customer",), held.ids), held, tmp_path / "out")
    left = pq.read_table(tmp_path / "out" / "examples.parquet")
    assert left["id"].to_pylist() == ["e2", "e3", "e4"]
    assert card["counts"]["rows"] == 3
    assert card["counts"]["splits"] == {"train": 1, "validation": 1, "test": 0}
    assert (card["dropped"], card["suppressed"], card["erased"]) == ({"duplicate": 1}, 4, 5)
    assert card["broken"][0]["raw"] == ""


@pytest.mark.parametrize("cells", [[7, 70, None], [7.0, 70.0, None], ["7", "70", ""]])
def test_a_number_is_found_however_its_column_holds_it(cells: list[object], tmp_path: Path) -> None:
    made = dataset(tmp_path / "d", examples([None] * 3, cells), dropped(("e9", {"customer": 7.0})))
    assert find_person(made, Person("7", ("customer",))).ids == {"e0", "e9"}


def test_a_row_that_cannot_be_read_is_blank_where_it_names_an_erased_person(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\nann,x,too many\nbo,x,too many\n", "utf-8")
    config = SourceConfig(path="rows.csv")
    path = tmp_path / "rows.csv"
    readers = readers_without(READERS, {hash_subject("ann")})
    before, after = (read_whole(path, config, known) for known in (READERS, readers))
    assert [row.line for row in after.broken] == [row.line for row in before.broken]
    assert [row.raw for row in after.broken] == ["", before.broken[1].raw]
    assert after.broken[0].reason == "erased"
    assert readers_without(READERS, set()) is READERS
