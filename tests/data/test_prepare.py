from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from volano.core.errors import DataError
from volano.core.nouns import Dataset
from volano.data import SourceConfig
from volano.data.memory import SPLITS
from volano.data.steps.old_skills import OLD_SKILLS
from volano.store.subjects import hash_subject
from volano.tasks import LabelsConfig

if TYPE_CHECKING:
    from conftest import Workshop

WORDS = ["card", "money", "transfer", "refund", "delay", "fee", "limit", "account", "city", "lost"]


def csv(count: int, seed: int = 0) -> str:
    chance = random.Random(seed)
    lines = [
        f"{' '.join(chance.choices(WORDS, k=9))} {number},{'ab'[number % 2]}"
        for number in range(count)
    ]
    return "text,label\n" + "\n".join(lines) + "\n"


def test_duplicates_conflicts_empty_and_rare_rows_are_dropped_with_their_reasons(
    workshop: Workshop,
) -> None:
    odd = (
        "Same Text,a\nＳame  text,a\nsplit me,a\nsplit me,a\nsplit me,b\n"
        "tie,a\ntie,b\n  ,a\nx y,z\n"
    )
    workshop.write("a.csv", csv(40) + odd)
    clean = workshop.prepare(workshop.collect("a.csv"))
    assert clean.dropped == {
        "conflicting-label": 3,
        "duplicate": 2,
        "empty-text": 1,
        "rare-label": 1,
    }
    said = {row["reason"]: row["detail"] for row in workshop.dropped(clean)}
    assert said["conflicting-label"] in {"a (2); b (1)", "a (1); b (1)"}
    assert said["rare-label"] == "z (1)"
    assert clean.card["counts"]["read"] == clean.card["counts"]["rows"] + sum(
        clean.dropped.values()
    )


@pytest.mark.parametrize(("conflicts", "left"), [("majority", 1), ("drop", 0), ("keep", 2)])
def test_conflicts_are_settled_as_asked(workshop: Workshop, conflicts: str, left: int) -> None:
    workshop.write("a.csv", csv(20) + "split me,a\nsplit me,a\nsplit me,b\n")
    clean = workshop.prepare(workshop.collect("a.csv"), conflicts=conflicts)
    assert workshop.texts(clean).count("split me") == left
    places = [n for n, text in enumerate(workshop.texts(clean)) if text == "split me"]
    assert len({workshop.rows(clean, "split")[place] for place in places}) <= 1


def test_near_duplicates_stay_and_share_a_cluster_and_a_split(workshop: Workshop) -> None:
    alike = [
        ("I have lost my card in the city yesterday", "I have lost my card in the city yesterday!"),
        ("我的信用卡昨天在城市里丢失了请帮忙处理", "我的信用卡昨天在城市里丢失了请帮忙处理一下"),
    ]
    workshop.write("a.csv", csv(40) + "".join(f"{one},a\n{two},a\n" for one, two in alike))
    clean = workshop.prepare(workshop.collect("a.csv"))
    found = dict(zip(workshop.texts(clean), workshop.rows(clean, "cluster", "split"), strict=True))
    for one, two in alike:
        assert found[one] == found[two]
        assert found[one][0] is not None
    assert (
        workshop.prepare(workshop.collect("a.csv"), near_duplicates=0).card["counts"]["rows"] == 44
    )


def test_a_crowd_with_unlabelled_rows_among_it_stays_on_one_side(workshop: Workshop) -> None:
    chance = random.Random(0)
    template = "your order number {} has been sent to you today and will arrive by friday evening"
    lines = [
        f"{template.format(chance.randrange(10**6))},{'' if chance.random() < 0.3 else 'a'}"
        for _ in range(2_000)
    ]
    workshop.write("a.csv", csv(60) + "\n".join(lines) + "\n")
    clean = workshop.prepare(workshop.collect("a.csv"))
    rows = workshop.rows(clean, "fields", "split", "cluster")
    crowd = [row for row in rows if row[0]["text"].startswith("your order")]
    assert {split for _, split, _ in crowd} == {"train", None}
    assert len({cluster for _, _, cluster in crowd}) == 1


def test_the_split_never_reshuffles_while_rows_come_and_go(workshop: Workshop) -> None:
    lines = csv(200).splitlines()
    workshop.write("a.csv", "\n".join(lines[:100]) + "\n")
    before = workshop.prepare(workshop.collect("a.csv"))
    old = dict(workshop.rows(before, "id", "split"))
    chance = random.Random(1)
    for turn in range(3):
        body = chance.sample(lines[1:], 120 + 20 * turn)
        workshop.write("a.csv", "\n".join([lines[0], *body]) + "\n")
        after = workshop.prepare(workshop.collect("a.csv"), previous=before)
        now = dict(workshop.rows(after, "id", "split"))
        assert all(now[name] == old[name] for name in now.keys() & old.keys())
        before, old = after, now


def test_a_row_that_was_away_for_turns_returns_to_its_split(workshop: Workshop) -> None:
    head, *lines = csv(200).splitlines()
    seen: dict[str, str] = {}
    previous = None
    for body in (lines, lines[:60], lines[40:90], [], lines[::2], lines):
        workshop.write("a.csv", "\n".join([head, *body, *csv(50, seed=9).splitlines()[1:]]) + "\n")
        previous = workshop.prepare(workshop.collect("a.csv"), previous=previous)
        now = {name: s for name, s in workshop.rows(previous, "id", "split") if s}
        assert all(seen.get(name, split) == split for name, split in now.items())
        seen |= now
    assert len(seen) == 250
    assert not (previous.folder / SPLITS).exists()


def test_a_label_that_is_removed_for_a_turn_keeps_the_splits_of_its_rows(
    workshop: Workshop,
) -> None:
    workshop.write("a.csv", csv(100))
    first = workshop.prepare(workshop.collect("a.csv"))
    without = workshop.collect("a.csv", labels=LabelsConfig(remove=("b",)))
    second = workshop.prepare(without, previous=first)
    third = workshop.prepare(workshop.collect("a.csv"), previous=second)
    assert workshop.rows(third, "id", "split") == workshop.rows(first, "id", "split")


def test_nothing_of_an_erased_person_is_remembered(workshop: Workshop) -> None:
    fields = {"text": "text", "target": "label", "subject": "who"}
    body = [f"{line},c{n % 25}" for n, line in enumerate(csv(200).splitlines()[1:])]
    workshop.write("a.csv", "\n".join(["text,label,who", *body]) + "\n")
    first = workshop.prepare(workshop.collect("a.csv", fields=fields), near_duplicates=0)
    tested = [who for who, split in workshop.rows(first, "subject", "split") if split == "test"]
    kept = "\n".join(["text,label,who", *(row for row in body if row.split(",")[2] not in tested)])
    workshop.write("a.csv", kept)
    second = workshop.prepare(
        workshop.collect("a.csv", fields=fields), previous=first, near_duplicates=0
    )
    here = {hash_subject(who) for who in tested}
    assert set(remembered(second, SPLITS, "subject")) == here
    assert set(remembered(second, OLD_SKILLS, "subject")) == set(tested)
    erased = frozenset({hash_subject(tested[0])})
    for before in (first, second):
        again = workshop.collect("a.csv", fields=fields, suppressed=erased)
        third = workshop.prepare(again, previous=before, near_duplicates=0)
        assert set(remembered(third, SPLITS, "subject")) == here - erased
        assert set(remembered(third, OLD_SKILLS, "subject")) == {*tested} - {tested[0]}


def remembered(dataset: Dataset, name: str, column: str) -> list[str]:
    found: list[str] = pq.read_table(dataset.folder / name).column(column).to_pylist()
    return found


def test_an_appending_source_that_got_a_column_keeps_its_split(workshop: Workshop) -> None:
    lines = csv(100).splitlines()
    source = SourceConfig(path="a.csv", mode="append")
    workshop.write("a.csv", "\n".join(lines))
    collected = workshop.collect(source)
    before = workshop.prepare(collected)
    workshop.write("a.csv", "\n".join([f"{lines[0]},who", *(f"{line},ann" for line in lines[1:])]))
    after = workshop.prepare(workshop.collect(source, previous=collected), previous=before)
    assert after.dropped == {}
    assert {row["who"] for row in workshop.rows(after, "fields")} == {"ann"}
    old, now = (
        dict(zip(workshop.texts(found), workshop.rows(found, "split"), strict=True))
        for found in (before, after)
    )
    assert now == old


def test_labels_that_look_alike_are_named_with_the_line_that_merges_them(
    workshop: Workshop,
) -> None:
    names = ["退款", "退款\u200b", "vip", "ＶＩＰ", "card", "loan"]
    lines = [
        f"{line.rpartition(',')[0]},{names[n % 6]}" for n, line in enumerate(csv(61).splitlines())
    ]
    workshop.write("a.csv", "\n".join(["text,label", *lines[1:]]))
    clean = workshop.prepare(workshop.collect("a.csv"))
    notes = [note for note in clean.card["notes"] if "look alike" in note]
    assert len(notes) == 2
    line = next(note for note in notes if "退款" in note).partition("volano.yaml: ")[2]
    labels = LabelsConfig(**YAML(typ="safe").load(line)["labels"])
    assert labels.rename in ({"退款\u200b": "退款"}, {"退款": "退款\u200b"})
    assert len({label for (label,) in workshop.rows(clean, "target")}) == 6


def test_one_more_column_does_not_reshuffle_the_split(workshop: Workshop) -> None:
    lines = csv(100).splitlines()
    workshop.write("a.csv", "\n".join(lines))
    before = workshop.prepare(workshop.collect("a.csv"))
    workshop.write(
        "a.csv",
        "\n".join(
            [f"{line},more" for line in lines[::-1]][-1:]
            + [f"{line},{n}" for n, line in enumerate(lines[1:])]
        ),
    )
    after = workshop.prepare(workshop.collect("a.csv"), previous=before)
    old, now = (
        dict(zip(workshop.texts(found), workshop.rows(found, "split"), strict=True))
        for found in (before, after)
    )
    assert not set(workshop.rows(before, "id")) & set(workshop.rows(after, "id"))
    assert now == old


def test_an_informative_pick_never_enters_the_test_even_with_a_test_rows_text(
    workshop: Workshop,
) -> None:
    workshop.write("a.csv", csv(60))
    collected = workshop.collect("a.csv")
    before = workshop.prepare(collected)
    tested = [row for row in before.examples.to_pylist() if row["split"] == "test"]
    picks = [
        {**row, "id": f"pick-{n}", "label_from": "review", "picked": "informative", "split": None}
        for n, row in enumerate(tested)
    ]
    names = collected.examples.schema.names
    table = pa.Table.from_pylist(
        [{name: row[name] for name in names} for row in picks], schema=collected.examples.schema
    )
    with workshop.store.draft() as draft:
        pq.write_table(table, draft / "examples.parquet")
        feedback = workshop.store.keep(Dataset, draft, {"stage": "feedback"})
    after = workshop.prepare(workshop.collect("a.csv", feedback=feedback), previous=before)
    assert dict(workshop.rows(after, "id", "split")) == dict(workshop.rows(before, "id", "split"))
    assert after.dropped == {"duplicate": len(picks)}


def test_given_splits_are_used_and_their_twins_leave_training(workshop: Workshop) -> None:
    workshop.write(
        "train.csv", csv(30) + "A test text,b\nthis is very nearly a test row of the file,a\n"
    )
    workshop.write(
        "test.csv",
        "text,label\na test  text,a\nthis is very nearly a test row of the file!,a\n"
        "a test text,a\n",
    )
    sources = [SourceConfig(path=f"{split}.csv", split=split) for split in ("train", "test")]
    clean = workshop.prepare(workshop.collect(*sources))
    assert clean.dropped == {"also-in-test": 1}
    assert clean.card["counts"]["splits"] == {"train": 31, "validation": 0, "test": 3, "none": 0}
    assert sum(workshop.rows(clean, "near_train")) == 1
    assert any("near-duplicates of training rows" in note for note in clean.card["notes"])


def test_rows_of_one_customer_stay_on_one_side(workshop: Workshop) -> None:
    body = [f"{line},c{n % 25}" for n, line in enumerate(csv(200).splitlines()[1:])]
    workshop.write("a.csv", "\n".join(["text,label,who", *body]) + "\n")
    fields = {"text": "text", "target": "label", "subject": "who"}
    clean = workshop.prepare(workshop.collect("a.csv", fields=fields))
    sides: dict[str, set[str]] = {}
    for who, split in workshop.rows(clean, "subject", "split"):
        sides.setdefault(who, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())


def test_a_split_by_time_tests_on_the_latest_rows(workshop: Workshop) -> None:
    body = [
        f"{line},2025年{1 + n // 28}月{1 + n % 28}日"
        for n, line in enumerate(csv(100).splitlines()[1:])
    ]
    workshop.write("a.csv", "\n".join(["text,label,day", *body]) + "\n")
    fields = {"text": "text", "target": "label", "time": "day"}
    collected = workshop.collect("a.csv", fields=fields)
    split = {"by_time": True, "validation": 0}
    clean = workshop.prepare(collected, near_duplicates=0, split=split)
    lines = dict(workshop.rows(clean, "line", "split"))
    assert max(n for n, s in lines.items() if s == "train") < min(
        n for n, s in lines.items() if s == "test"
    )


def test_numbers_as_times_and_the_dates_of_feedback_stand_together(workshop: Workshop) -> None:
    body = [f"{line},{1_700_000_000 + n}" for n, line in enumerate(csv(100).splitlines()[1:])]
    workshop.write("a.csv", "\n".join(["text,label,at", *body]) + "\n")
    fields = {"text": "text", "target": "label", "time": "at"}
    row = {"id": "f", "fields": {"text": "quite another thing"}, "target": ["a"]}
    row |= {"source": "feedback", "label_from": "feedback", "time": "2023-11-14T22:14:00+00:00"}
    with workshop.store.draft() as draft:
        pq.write_table(pa.Table.from_pylist([row | {"line": 1}]), draft / "examples.parquet")
        said = workshop.store.keep(Dataset, draft, {"stage": "feedback"})
    clean = workshop.prepare(
        workshop.collect("a.csv", fields=fields, feedback=said),
        near_duplicates=0,
        split={"by_time": True},
    )
    splits = dict(workshop.rows(clean, "id", "split"))
    assert splits["f"] == "train"
    assert list(splits.values()).count("test") == 20


def test_a_time_in_no_known_order_says_its_line(workshop: Workshop) -> None:
    workshop.write("a.csv", "text,label,day\nhi you,a,2025-01-01\nme,a,03/04/2025\n")
    fields = {"text": "text", "target": "label", "time": "day"}
    with pytest.raises(DataError, match="'03/04/2025'") as error:
        workshop.prepare(workshop.collect("a.csv", fields=fields), split={"by_time": True})
    assert error.value.where == "a.csv:3"


def test_side_columns_say_language_and_length_and_fields_stay_raw(workshop: Workshop) -> None:
    workshop.write("a.csv", csv(10) + " Where is MY card? ,a\n我的卡在哪里,b\n")
    collected = workshop.collect("a.csv")
    clean = workshop.prepare(collected)
    found = dict(
        zip(workshop.texts(clean), workshop.rows(clean, "language", "num_chars"), strict=True)
    )
    assert found[" Where is MY card? "] == ("en", 19)
    assert found["我的卡在哪里"] == ("zh", 6)
    assert workshop.rows(clean, "fields") == workshop.rows(collected, "fields")
    names = pq.read_schema(clean.folder / "examples.parquet").names
    assert not [name for name in names if name.startswith("_")]


def test_a_column_that_gives_the_label_away_is_reported(workshop: Workshop) -> None:
    body = [f"{line},team-{line[-1]}" for line in csv(60).splitlines()[1:]]
    workshop.write("a.csv", "\n".join(["text,label,team", *body]) + "\n")
    clean = workshop.prepare(workshop.collect("a.csv"))
    assert any("'team' nearly determines the label" in note for note in clean.card["notes"])


def test_nothing_left_to_train_on_says_what_was_dropped(workshop: Workshop) -> None:
    workshop.write("a.csv", "text,label\none thing,a\nother thing,b\n")
    with pytest.raises(DataError, match="rare-label: 2"):
        workshop.prepare(workshop.collect("a.csv"))
