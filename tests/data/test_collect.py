from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import ConfigError, DataError
from volano.core.nouns import Dataset
from volano.data import DataConfig, SourceConfig
from volano.data.collect import TURN_FACTS
from volano.data.sources import Batch
from volano.data.sources.jsonl import read_jsonl
from volano.data.sources.snapshots import source_fingerprint
from volano.store.subjects import hash_subject
from volano.tasks import LabelsConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Workshop
    from volano.data.sources import Reader

HEAD = "text,label\n"


def feedback(shop: Workshop, *rows: dict[str, object]) -> Dataset:
    shape = {
        "id": "new",
        "fields": {"text": "x"},
        "target": ["a"],
        "split": None,
        "weight": 1.0,
        "source": "feedback",
        "line": 0,
        "subject": None,
        "group": None,
        "time": None,
        "label_from": "feedback",
        "picked": None,
    }
    table = pa.Table.from_pylist([shape | row for row in rows])
    with shop.store.draft() as draft:
        pq.write_table(table, draft / "examples.parquet")
        return shop.store.keep(Dataset, draft, {"stage": "feedback"})


def test_the_same_files_make_the_same_dataset(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "hi,a\nyou,b\n")
    assert workshop.collect("a.csv").hash == workshop.collect("a.csv").hash


def test_fields_stay_as_the_source_wrote_them(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + '"  Ｈi\t THERE ", a \n')
    (row,) = workshop.collect("a.csv").examples.to_pylist()
    assert row["fields"] == {"text": "  Ｈi\t THERE ", "label": " a "}
    assert row["target"] == ["a"]
    assert (row["source"], row["line"], row["label_from"]) == ("a.csv", 2, "source")


def test_ids_survive_rows_added_before_and_after_and_a_corrected_label(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "hi,a\nhi,a\nyou,b\n")
    before = workshop.collect("a.csv")
    workshop.write("a.csv", HEAD + "first,c\nhi,a\nhi,b\nyou,b\nhi,a\n")
    after = workshop.collect("a.csv", previous=before)
    assert set(workshop.rows(before, "id")) < set(workshop.rows(after, "id"))
    assert after.card["changes"] == {"new": 2, "edited": 1, "deleted": 0, "kept": 2}


def test_a_key_makes_an_edited_row_known_and_the_last_of_two_wins(workshop: Workshop) -> None:
    source = SourceConfig(path="a.csv", key="id")
    workshop.write("a.csv", "id,text,label\n1,hi,a\n2,you,b\n")
    before = workshop.collect(source)
    workshop.write("a.csv", "id,text,label\n1,hi,a\n1,hello,a\n3,new,b\n")
    after = workshop.collect(source, previous=before)
    assert workshop.texts(after) == ["hello", "new"]
    assert after.card["changes"] == {"new": 1, "edited": 1, "deleted": 1, "kept": 0}
    (gone,) = workshop.dropped(after)
    assert gone["reason"] == "duplicate-key"
    assert gone["detail"] == "key '1' stands again at a.csv:3"


@pytest.mark.parametrize(("mode", "left"), [("replace", ["you"]), ("append", ["hi", "you"])])
def test_a_row_that_left_the_file_stays_only_in_an_appending_source(
    workshop: Workshop, mode: str, left: list[str]
) -> None:
    source = SourceConfig(path="a.csv", mode=mode)  # type: ignore[arg-type]
    workshop.write("a.csv", HEAD + "hi,a\n")
    before = workshop.collect(source)
    workshop.write("a.csv", HEAD + "you,b\n")
    after = workshop.collect(source, previous=before)
    assert sorted(workshop.texts(after)) == left
    assert set(workshop.rows(before, "id")) <= set(workshop.rows(after, "id")) or mode == "replace"


def test_feedback_on_a_known_row_replaces_its_label_and_other_feedback_is_added(
    workshop: Workshop,
) -> None:
    workshop.write("a.csv", HEAD + "hi,a\n")
    (name,) = workshop.rows(workshop.collect("a.csv"), "id")
    said = feedback(
        workshop,
        {"id": name, "target": ["b"], "label_from": "review", "picked": "informative"},
        {"id": "f1", "fields": {"text": "more"}, "target": ["a"]},
    )
    collected = workshop.collect("a.csv", feedback=said)
    found = workshop.rows(collected, "target", "label_from", "picked", "source")
    assert found == [
        (["b"], "review", "informative", "a.csv"),
        (["a"], "feedback", None, "feedback"),
    ]
    assert collected.card["feedback"] == {"replaced": 1, "added": 1, "example-gone": 0}
    assert workshop.rows(collected, "fields")[0] == {"text": "hi", "label": "a"}


def test_rows_of_an_erased_person_do_not_come_back(workshop: Workshop) -> None:
    fields = {"text": "text", "target": "label", "subject": "who"}
    workshop.write("a.csv", "text,label,who\nhi,a,ann\nyou,b,bob\n")
    said = feedback(workshop, {"id": "f", "subject": "ann"})
    source = SourceConfig(path="a.csv", mode="append")
    before = workshop.collect(source, fields=fields)
    after = workshop.collect(
        source,
        fields=fields,
        previous=before,
        feedback=said,
        suppressed=frozenset({hash_subject("ann")}),
    )
    assert workshop.rows(after, "subject") == ["bob"]
    assert after.card["suppressed"] == 2
    for path in after.folder.glob("*.parquet"):
        assert "ann" not in str(pq.read_table(path).to_pylist())


def test_a_review_of_an_example_never_brings_the_example_back(workshop: Workshop) -> None:
    fields = {"text": "text", "target": "label", "subject": "who"}
    workshop.write("a.csv", "text,label,who\nhi,a,ann\nyou,b,bob\n")
    ann, bob = workshop.rows(workshop.collect("a.csv", fields=fields), "id")
    said = feedback(
        workshop,
        *(
            {"id": name, "about": "example", "target": ["c"], "label_from": "review"}
            for name in (ann, bob)
        ),
        {"id": "p1", "about": "prediction", "fields": {"text": "more"}},
    )
    erased = workshop.collect(
        "a.csv", fields=fields, feedback=said, suppressed=frozenset({hash_subject("ann")})
    )
    assert workshop.rows(erased, "id", "target") == [(bob, ["c"]), ("p1", ["a"])]
    assert erased.card["feedback"] == {"replaced": 1, "added": 1, "example-gone": 1}
    workshop.write("a.csv", "text,label,who\nhi,a,ann\n")
    left = workshop.collect("a.csv", fields=fields, feedback=said)
    assert workshop.rows(left, "id") == [ann, "p1"]


def test_a_review_finds_its_example_when_the_file_has_got_a_column(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "hi,a\n")
    (name,) = workshop.rows(workshop.collect("a.csv"), "id")
    review = {"id": name, "about": "example", "fields": {"text": "hi", "label": "a"}}
    said = feedback(workshop, review | {"target": ["b"], "label_from": "review"})
    workshop.write("a.csv", "text,label,more\nhi,a,x\nyou,a,x\n")
    assert workshop.rows(workshop.collect("a.csv", feedback=said), "target") == [["b"], ["a"]]


def test_no_label_and_the_label_none_are_two_things(workshop: Workshop) -> None:
    lines = ['{"text": "one", "label": null}', '{"text": "two", "label": "None"}']
    for order in (lines, lines[::-1]):
        workshop.write("a.jsonl", "\n".join(order))
        rows = workshop.collect("a.jsonl").examples.to_pylist()
        assert {row["fields"]["text"]: row["target"] for row in rows} == {
            "one": None,
            "two": ["None"],
        }


def test_an_appending_source_that_got_a_column_holds_each_row_once(workshop: Workshop) -> None:
    source = SourceConfig(path="a.csv", mode="append")
    workshop.write("a.csv", HEAD + "left,a\nhi,a\nhi,a\n")
    before = workshop.collect(source)
    workshop.write("a.csv", "text,label,who\nhi,b,ann\nhi,a,bob\n")
    after = workshop.collect(source, previous=before)
    found = {(row["text"], row["who"]) for row in workshop.rows(after, "fields")}
    assert found == {("hi", "ann"), ("hi", "bob"), ("left", None)}
    assert len(after.examples) == 3


def test_a_copy_that_left_an_appending_source_stays_beside_its_twin(workshop: Workshop) -> None:
    source = SourceConfig(path="a.csv", mode="append")
    workshop.write("a.csv", HEAD + "hi,a\nhi,a\n")
    before = workshop.collect(source)
    workshop.write("a.csv", HEAD + "hi,a\n")
    assert workshop.texts(workshop.collect(source, previous=before)) == ["hi", "hi"]


def test_feedback_written_as_text_leaves_the_kinds_of_a_sources_columns(
    workshop: Workshop,
) -> None:
    workshop.write(
        "a.jsonl", '{"text": "hi", "label": "a", "age": 3, "tags": ["x"], "ok": true, "share": 0.5}'
    )
    cells = {"text": "new", "age": "4", "tags": '["y"]', "ok": "false", "share": "1"}
    said = feedback(
        workshop,
        {"id": "p1", "fields": cells},
        {"id": "p2", "fields": cells | {"text": "odd", "age": "3.7", "ok": "perhaps"}},
    )
    plain, taught = (workshop.collect("a.jsonl", feedback=f) for f in (None, said))
    assert taught.card["schema"]["columns"] == plain.card["schema"]["columns"]
    rows = {row["text"]: row for row in workshop.rows(taught, "fields")}
    assert (rows["new"]["age"], rows["new"]["tags"], rows["new"]["ok"]) == (4, ["y"], False)
    assert (rows["odd"]["age"], rows["odd"]["ok"], rows["odd"]["share"]) == (None, None, 1.0)
    assert "2 cells of feedback" in str(taught.card["notes"])
    assert plain.card["notes"] == []


def test_whole_numbers_too_long_for_a_float_stay_what_they_are(workshop: Workshop) -> None:
    workshop.write("a.jsonl", f'{{"text": "hi", "label": "a", "n": {2**60 + 1}}}')
    workshop.write("b.jsonl", '{"text": "you", "label": "a", "n": 1.5}')
    found = workshop.rows(workshop.collect("a.jsonl", "b.jsonl"), "fields")
    assert [row["n"] for row in found] == [str(2**60 + 1), "1.5"]


def test_the_card_of_a_turn_is_fresh_also_where_the_content_was_there_before(
    workshop: Workshop,
) -> None:
    workshop.write("a.csv", HEAD + "hi,a\n")
    first = workshop.collect("a.csv")
    workshop.write("a.csv", HEAD + "hi,a\nyou,a\n")
    second = workshop.collect("a.csv", previous=first)
    workshop.write("a.csv", HEAD + "hi,a\n")
    third = workshop.collect("a.csv", previous=second)
    assert third.hash == first.hash
    assert third.card["changes"] == {"new": 0, "edited": 0, "deleted": 1, "kept": 1}
    assert first.card["changes"]["new"] == 1
    assert set(TURN_FACTS) < third.card.keys()


def test_a_guessed_encoding_is_told(workshop: Workshop) -> None:
    text = HEAD + "我的卡还没有到,物流\n密码忘记了怎么办,账户\n"
    (workshop.root / "a.csv").write_bytes(text.encode("gb18030"))
    (note,) = workshop.collect("a.csv").card["notes"]
    assert "read as gb18030, which is a guess" in note
    named = SourceConfig(path="a.csv", encoding="gb18030")
    assert workshop.collect(named).card["notes"] == []


def test_labels_are_split_named_and_renamed_and_bad_cells_set_aside(workshop: Workshop) -> None:
    workshop.write("labels.txt", "joy\nlove\nanger\n")
    workshop.write("a.tsv", "text\tlabel\nhi\t0,1\nyou\t2\nbad\t7\nnone\t\n")
    labels = LabelsConfig(separator=",", names="labels.txt", rename={"anger": "rage"})
    collected = workshop.collect("a.tsv", labels=labels)
    assert workshop.rows(collected, "target") == [["joy", "love"], ["rage"], None]
    assert collected.card["counts"]["unlabelled"] == 1
    (broken,) = collected.card["broken"]
    assert broken["line"] == 4
    assert "'7' is not in the label names file" in broken["reason"]
    kept_aside = pq.read_table(collected.folder / "broken.parquet").to_pylist()
    assert json.loads(kept_aside[0]["raw"])["text"] == "bad"


def test_sources_of_different_formats_become_one_table(workshop: Workshop) -> None:
    workshop.write("a.csv", "text,label,n\nhi,a,1\n")
    workshop.write("b.jsonl", '{"text": "you", "label": "b", "n": 2, "more": true}\n')
    collected = workshop.collect("a.csv", SourceConfig(path="b.jsonl", split="test"))
    assert workshop.rows(collected, "split") == [None, "test"]
    assert workshop.rows(collected, "fields")[1] == {
        "text": "you",
        "label": "b",
        "n": "2",
        "more": True,
    }


def test_a_row_has_one_name_whatever_format_brings_it(workshop: Workshop) -> None:
    workshop.write("a.csv", "text,label,n\nhi,a,1\n")
    workshop.write("b.jsonl", '{"text": "hi", "label": "a", "n": 1}\n{"text": "x", "n": 0.5}\n')
    first, second = (
        workshop.rows(workshop.collect(name), "id")[0] for name in ("a.csv", "b.jsonl")
    )
    assert first == second


def test_every_row_read_is_kept_dropped_or_broken(workshop: Workshop) -> None:
    workshop.write("a.csv", "id,text,label\n1,hi,a\n1,hi,a\n2,x\n3,,b\n4,y,\n")
    card = workshop.collect(SourceConfig(path="a.csv", key="id")).card
    counts = card["counts"]
    assert counts["read"] == counts["rows"] + counts["broken"] + sum(card["dropped"].values()) == 5


def test_an_absent_column_names_the_nearest(workshop: Workshop) -> None:
    workshop.write("a.csv", "Text,label\nhi,a\n")
    with pytest.raises(DataError, match="no column 'text'") as error:
        workshop.collect("a.csv")
    assert (error.value.where, error.value.fix) == ("a.csv:1", "did you mean 'Text'?")


def test_a_project_without_a_target_is_a_mistake_in_its_settings(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "hi,a\n")
    with pytest.raises(ConfigError) as error:
        workshop.collect("a.csv", fields={"text": "text"})
    assert error.value.where == "data.fields.target"


def test_a_file_with_only_broken_rows_says_where_and_why(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "a,b,c\n")
    with pytest.raises(DataError, match="3 cells, 2 columns") as error:
        workshop.collect("a.csv")
    assert error.value.where == "a.csv:2"


def test_another_text_column_makes_another_dataset(workshop: Workshop) -> None:
    workshop.write("a.csv", "text,title,label\nhi,x,a\n")
    first = workshop.collect("a.csv")
    second = workshop.collect("a.csv", fields={"text": "title", "target": "label"})
    assert first.hash != second.hash
    assert second.card["schema"]["fields"]["text"] == ["title"]


def test_the_fingerprint_changes_with_a_file(workshop: Workshop) -> None:
    config = DataConfig(sources=(SourceConfig(path="a.csv"),))
    workshop.write("a.csv", HEAD)
    before = source_fingerprint(config, workshop.root)
    workshop.write("a.csv", HEAD + "hi,a\n")
    assert source_fingerprint(config, workshop.root) != before


def test_columns_that_came_went_or_changed_kind_since_the_last_turn_are_named(
    workshop: Workshop,
) -> None:
    workshop.write("a.jsonl", '{"text": "hi", "label": "a", "n": 1, "old": "x"}\n')
    before = workshop.collect("a.jsonl")
    workshop.write("a.jsonl", '{"text": "hi", "label": "a", "n": "one", "fresh": "x"}\n')
    (note,) = workshop.collect("a.jsonl", previous=before).card["notes"]
    assert "Came: fresh. Went: old. Of another kind: n (int64 → string)." in note


def test_a_named_column_that_the_last_turn_had_is_missed_by_name(workshop: Workshop) -> None:
    workshop.write("a.csv", HEAD + "hi,a\n")
    before = workshop.collect("a.csv")
    workshop.write("a.csv", "texts,label\nhi,a\n")
    with pytest.raises(DataError, match="the data of the last turn had it") as error:
        workshop.collect("a.csv", previous=before)
    assert error.value.fix == "did you mean 'texts'?"


def test_batches_of_one_file_make_the_dataset_that_the_whole_file_makes(
    workshop: Workshop,
) -> None:
    def in_batches(size: int) -> Reader:
        def read(path: Path, config: SourceConfig) -> Iterator[Batch]:
            for batch in read_jsonl(path, config):
                for start in range(0, len(batch.lines), size):
                    table = batch.table.slice(start, size)
                    broken = batch.broken if not start else ()
                    yield Batch(table, batch.lines[start : start + size], broken, batch.facts)

        return read

    rows = [{"text": f"text {n % 7}", "label": "ab"[n % 2], "n": n, "at": None} for n in range(30)]
    workshop.write("a.jsonl", "\n".join(["broken", *map(json.dumps, rows)]))
    whole = workshop.collect("a.jsonl")
    for size in (1, 7):
        found = workshop.collect("a.jsonl", readers={".jsonl": in_batches(size)})
        assert found.hash == whole.hash


def test_rows_whose_keys_come_in_other_orders_have_one_name_in_one_window_and_in_several(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"text {n % 5}", "label": "ab"[n % 2], "n": n % 3} for n in range(20)]
    rows[10:] = [dict(reversed(row.items())) for row in rows[10:]]
    workshop.write("a.jsonl", "\n".join(map(json.dumps, rows)))
    whole = workshop.collect("a.jsonl")
    monkeypatch.setattr("volano.data.sources.files._LINES", 3)
    again = workshop.collect("a.jsonl", previous=whole)
    assert again.hash == whole.hash
    assert again.card["changes"] == {"new": 0, "edited": 0, "deleted": 0, "kept": 20}


def test_a_column_that_is_empty_for_a_while_is_of_one_kind_in_any_windows(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: dict[str, list[object]] = {
        "n": [None] * 8 + [1, None],
        "share": [None, 1] + [None] * 7 + [0.5],
        "tags": [[]] * 7 + [["x"], [], None],
        "never": [None] * 10,
        "hollow": [[]] * 10,
        "o": [None] * 9 + [{"null": 1}],
        "deep": [[{}]] * 10,
    }
    cells = [dict(zip(late, row, strict=True)) for row in zip(*late.values(), strict=True)]
    rows = [{"text": f"text {n}", "label": "a", **cells[n]} for n in range(10)]
    workshop.write("a.jsonl", "\n".join(map(json.dumps, rows)))
    whole = workshop.collect("a.jsonl")
    columns = whole.card["schema"]["columns"]
    assert {name: columns[name] for name in late} == {
        "n": "int64",
        "share": "double",
        "tags": "list<item: string>",
        "never": "string",
        "hollow": "string",
        "o": "struct<null: int64>",
        "deep": "string",
    }
    for size in (1, 3):
        monkeypatch.setattr("volano.data.sources.files._LINES", size)
        again = workshop.collect("a.jsonl", previous=whole)
        assert again.hash == whole.hash
        assert again.card["changes"]["kept"] == 10
        assert again.card["sources"] == whole.card["sources"]


def test_a_source_with_an_empty_column_leaves_the_kind_that_another_gives_it(
    workshop: Workshop,
) -> None:
    workshop.write("a.jsonl", '{"text": "hi", "label": "a", "n": null}')
    workshop.write("b.jsonl", '{"text": "you", "label": "a", "n": 2}')
    pq.write_table(
        pa.table({"text": ["he"], "label": ["a"], "n": pa.nulls(1)}), workshop.root / "c.parquet"
    )
    collected = workshop.collect("a.jsonl", "b.jsonl", "c.parquet")
    assert [row["n"] for row in workshop.rows(collected, "fields")] == [None, 2, None]


def test_kinds_that_differ_between_batches_are_told_and_named_alike(workshop: Workshop) -> None:
    tables = [pa.table({"text": ["hi"], "label": ["a"], "n": [n]}) for n in (1, 0.5, "one")]

    def read(path: Path, config: SourceConfig) -> Iterator[Batch]:
        for line, table in enumerate(tables, 1):
            yield Batch(table, np.array([line]), facts={"format": "odd"})

    workshop.write("a.odd", "x")
    collected = workshop.collect("a.odd", readers={".odd": read})
    assert [row["n"] for row in workshop.rows(collected, "fields")] == ["1", "0.5", "one"]
    assert collected.card["sources"][0]["mixed"] == "n"
