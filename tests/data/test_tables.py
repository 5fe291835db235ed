"""Tables on their way from a file to a prepared Dataset."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import ConfigError, DataError
from volano.core.hashing import hash_json
from volano.core.nouns import Dataset
from volano.data import SourceConfig
from volano.data.config import CellsConfig
from volano.data.erasing import Person, find_person, write_without
from volano.data.memory import SPLITS
from volano.data.report import data_page
from volano.data.steps.old_skills import OLD_SKILLS
from volano.store.subjects import hash_subject
from volano.tasks import (
    AnomalyDetection,
    LabelsConfig,
    TabularClassification,
    TabularRegression,
    TextClassification,
)
from volano.tasks.task import AlertsConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Workshop

LABELS, NUMBER = TabularClassification(), TabularRegression()
HEAD = "id,who,age,city,income,y"
SIDES = ("id", "fields", "target", "split", "weight", "source", "line", "subject", "group", "time")


def rows(count: int, seed: int = 0, *, number: bool = False) -> list[str]:
    chance = random.Random(seed)
    found = []
    for n in range(count):
        age, city = chance.randrange(18, 90), chance.choice(["Ulm", "Bonn", "Köln", ""])
        income = round(chance.lognormvariate(7, 0.5), 2)
        label = f"{income / 2 + chance.gauss(0, 9):.4f}" if number else "yn"[chance.random() < 0.3]
        found.append(f"k{seed}-{n},p{n % 40},{age},{city},{income},{label}")
    return found


def write(shop: Workshop, body: Sequence[str], name: str = "a.csv", head: str = HEAD) -> str:
    return shop.write(name, "\n".join([head, *body, ""]))


def collect(shop: Workshop, *sources: SourceConfig | str, task: Any = LABELS, **fields: Any) -> Any:
    return shop.collect(*(sources or ("a.csv",)), fields={"target": "y", **fields}, task=task)


def prepare(shop: Workshop, collected: Dataset, previous: Any = None, **settings: Any) -> Dataset:
    return shop.prepare(collected, previous, task=settings.pop("task", LABELS), **settings)


def notes(dataset: Dataset) -> str:
    return "\n".join(dataset.card["notes"])


def test_a_model_reads_every_column_but_target_subject_key_and_what_is_ignored(
    workshop: Workshop,
) -> None:
    write(workshop, rows(60))
    source = SourceConfig(path="a.csv", key="id")
    found = collect(workshop, source, subject="who", group="city", ignore=("income",))
    assert found.card["schema"]["reads"] == ["age", "city"]
    assert found.card["schema"]["fields"]["ignore"] == ["income"]
    named = collect(workshop, source, subject="who", columns=("income", "age"))
    assert named.card["schema"]["reads"] == ["income", "age"]


def test_what_a_model_of_texts_reads_is_on_the_card_too(workshop: Workshop) -> None:
    workshop.write("t.csv", "text,label\nhello there,a\n")
    assert workshop.collect("t.csv").card["schema"]["reads"] == ["text"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"ignore": ("incomes",)}, "data.fields.ignore"),
        ({"kinds": {"incomes": "number"}}, "data.fields.kinds"),
        ({"columns": ("incomes",)}, "a.csv:1"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_the_nearest(
    workshop: Workshop, fields: dict[str, Any], where: str
) -> None:
    write(workshop, rows(20))
    with pytest.raises(DataError, match="no column 'incomes'") as error:
        collect(workshop, **fields)
    assert error.value.where == where
    assert error.value.fix == "did you mean 'income'?"


def test_fields_of_another_kind_of_work_are_refused(workshop: Workshop) -> None:
    write(workshop, rows(20))
    with pytest.raises(ConfigError, match="reads the columns of a table"):
        collect(workshop, text="city")
    fields = {"text": "city", "target": "y", "ignore": ("age",)}
    with pytest.raises(ConfigError, match="ignore is about the columns of tables"):
        workshop.collect("a.csv", fields=fields, task=TextClassification())
    with pytest.raises(ConfigError, match="no column is named for the target"):
        workshop.collect("a.csv", fields={"ignore": ("age",)}, task=LABELS)
    with pytest.raises(ConfigError, match="no column is left"):
        collect(workshop, ignore=("id", "who", "age", "city", "income"))


def test_a_source_that_lacks_a_column_is_told_and_its_rows_are_empty_there(
    workshop: Workshop,
) -> None:
    write(workshop, rows(60))
    write(workshop, [r.rpartition(",")[2] + ",44" for r in rows(20, 1)], "b.csv", "y,age")
    found = collect(workshop, "a.csv", "b.csv")
    assert "b.csv lacks columns that other sources have" in notes(found)
    assert found.card["schema"]["reads"] == ["id", "who", "age", "city", "income"]
    assert workshop.rows(found, "fields")[-1]["city"] is None


def test_a_prepared_table_has_no_columns_of_texts(workshop: Workshop) -> None:
    write(workshop, rows(80))
    clean = prepare(workshop, collect(workshop))
    assert clean.examples.column_names == [
        *SIDES,
        "label_from",
        "picked",
        "cluster",
        "near_train",
    ]
    kinds = clean.card["schema"]["kinds"]
    assert {name: one["kind"] for name, one in kinds.items()} == {
        "id": "id",
        "who": "category",
        "age": "number",
        "city": "category",
        "income": "number",
    }
    assert kinds["age"]["because"]["zh"] != kinds["age"]["because"]["en"] != ""


def test_equal_rows_are_kept_on_one_side_and_told(workshop: Workshop) -> None:
    chance = random.Random(0)
    body = [
        f"{chance.randrange(8)},{chance.choice('ab')},{'yn'[chance.random() < 0.4]}"
        for _ in range(200)
    ]
    body += ["1.0,a,y", " 1,A ,y", "?,a,y", ",a,y"]  # equal in their normal form
    write(workshop, body, head="n,c,y")
    clean = prepare(workshop, collect(workshop))
    assert clean.card["counts"]["rows"] == 204
    sides: dict[Any, set[Any]] = defaultdict(set)
    clusters: dict[Any, set[Any]] = defaultdict(set)
    for fields, split, cluster in workshop.rows(clean, "fields", "split", "cluster"):
        n = fields["n"].strip().rstrip("0").rstrip(".") if fields["n"].strip() != "0" else "0"
        name = ("" if n == "?" else n, fields["c"].strip().casefold())
        sides[name].add(split)
        clusters[name].add(cluster)
    assert all(len(found) == 1 for found in sides.values())
    assert all(len(found) == 1 and None not in found for found in clusters.values())
    assert {"train", "test"} <= {split for found in sides.values() for split in found}
    assert "204 rows (100.0%) are equal to another" in notes(clean)
    assert "are equal to a row with another label" in notes(clean)


def test_rows_that_differ_only_in_an_id_are_equal(workshop: Workshop) -> None:
    body = [f"A{n:05},{n % 50},{'xy'[n % 3 == 0]}" for n in range(100)]
    write(workshop, body, head="code,n,y")
    clean = prepare(workshop, collect(workshop))
    assert None not in workshop.rows(clean, "cluster")
    assert "Columns that only name rows" in notes(clean)


def test_test_rows_equal_to_training_rows_are_marked_all_of_them(workshop: Workshop) -> None:
    body = [row.partition(",")[2] for row in rows(60)]
    write(workshop, [*body, body[0]], head=HEAD.partition(",")[2])
    write(
        workshop,
        [body[0], body[0], *body[30:32], "p1,17,Rom,1,y"],
        "t.csv",
        "who,age,city,income,y",
    )
    sources = (
        SourceConfig(path="a.csv", split="train"),
        SourceConfig(path="t.csv", split="test"),
    )
    clean = prepare(workshop, collect(workshop, *sources))
    near = workshop.rows(clean, "split", "near_train")
    assert [flag for split, flag in near if split == "test"] == [True, True, True, True, False]
    assert "4 rows of the test file are equal to training rows" in notes(clean)


def test_feedback_equal_to_a_row_of_a_test_file_is_dropped_however_often_it_stands_there(
    workshop: Workshop,
) -> None:
    body = [row.partition(",")[2] for row in rows(60)]
    write(workshop, body, head="who,age,city,income,y")
    write(workshop, [body[3], "p9,50,Rom,7,y", "p9,50,Rom,7,y"], "t.csv", "who,age,city,income,y")
    fields = [{"who": "p9", "age": "50", "city": "Rom", "income": "7"}] * 2
    given = [
        {"id": f"f{n}", "fields": one, "target": ["n"], "source": "feedback", "line": n,
         "label_from": "feedback", "picked": None} for n, one in enumerate(fields)
    ]  # fmt: skip
    with workshop.store.draft() as draft:
        pq.write_table(pa.Table.from_pylist(given), draft / "examples.parquet")
        feedback = workshop.store.keep(Dataset, draft, {"stage": "feedback"})
    sources = (SourceConfig(path="a.csv"), SourceConfig(path="t.csv", split="test"))
    collected = workshop.collect(*sources, fields={"target": "y"}, task=LABELS, feedback=feedback)
    assert prepare(workshop, collected).dropped == {"too-like-test": 2}


def test_numbers_are_split_in_the_same_shares_from_low_to_high(workshop: Workshop) -> None:
    write(workshop, rows(1_000, number=True))
    clean = prepare(workshop, collect(workshop, task=NUMBER), task=NUMBER)
    told = workshop.rows(clean, "target", "split")
    order = sorted(told, key=lambda row: float(row[0][0]))
    for tenth in range(10):
        counts = Counter(split for _, split in order[100 * tenth : 100 * (tenth + 1)])
        assert 15 <= counts["test"] <= 25
        assert 6 <= counts["validation"] <= 14
    assert clean.card["counts"]["splits"]["test"] == 200
    assert "label" not in notes(clean)
    assert not any(row["target"] == [] for row in clean.examples.select(["target"]).to_pylist())


def test_a_number_that_is_none_is_a_broken_row_and_an_empty_one_has_no_split(
    workshop: Workshop,
) -> None:
    write(
        workshop,
        [*rows(60, number=True), "x,p,1,Ulm,2,dear", "y,p,1,Ulm,2,", 'z,p,1,Ulm,2,"1,200.5"'],
    )
    found = collect(workshop, task=NUMBER)
    assert found.card["counts"]["broken"] == 1
    assert found.card["broken"][0]["reason"] == "label: 'dear' is no number"
    clean = prepare(workshop, found, task=NUMBER)
    assert workshop.rows(clean, "target")[-2:] == [None, ["1200.5"]]
    assert workshop.rows(clean, "split")[-2] is None


def test_no_row_of_a_table_is_dropped_as_a_duplicate_or_as_empty(workshop: Workshop) -> None:
    write(workshop, [*(f"{n % 5},{'ab'[n % 2]}" for n in range(100)), ",a", ",b"], head="n,y")
    clean = prepare(workshop, collect(workshop))
    assert clean.dropped == {}
    assert clean.card["counts"]["rows"] == 102


def test_labels_too_rare_to_be_tested_go_as_ever(workshop: Workshop) -> None:
    write(workshop, [*rows(60), "k,p,1,Ulm,2,once"])
    assert prepare(workshop, collect(workshop)).dropped == {"rare-label": 1}


@pytest.mark.parametrize("by_time", [False, True])
def test_no_more_test_rows_are_taken_than_asked_for(workshop: Workshop, by_time: bool) -> None:
    body = [f"{row},2024-01-{1 + n % 28:02}" for n, row in enumerate(rows(400))]
    write(workshop, body, head=HEAD + ",at")
    split = {"most_test": 30, "by_time": by_time}
    clean = prepare(workshop, collect(workshop, time="at"), split=split)
    assert abs(clean.card["counts"]["splits"]["test"] - 30) <= 1
    more = [*body, *(f"{row},2024-02-01" for row in rows(400, 1))]
    write(workshop, more, head=HEAD + ",at")
    grown = prepare(workshop, collect(workshop, time="at"), clean, split=split)
    old = dict(workshop.rows(clean, "id", "split"))
    now = dict(workshop.rows(grown, "id", "split"))
    assert all(now[name] == split for name, split in old.items())


@pytest.mark.parametrize("task", [LABELS, NUMBER])
def test_over_turns_no_row_moves_and_equal_rows_follow_each_other(
    workshop: Workshop, task: Any
) -> None:
    body = [row.partition(",")[2] for row in rows(300, number=task is NUMBER)]
    head = "who,age,city,income,y"
    chance = random.Random(1)
    previous, seen = None, {}
    for turn in range(4):
        some = chance.sample(body, 150 + 30 * turn)
        again = [row.rpartition(",")[0] + "," + chance.choice(body).rpartition(",")[2]
                 for row in chance.sample(body, 40)]  # fmt: skip
        write(workshop, some + again, head=head)
        previous = prepare(workshop, collect(workshop, task=task), previous, task=task)
        by_row = defaultdict(set)
        for name, fields, split in workshop.rows(previous, "id", "fields", "split"):
            assert seen.get(name, split) == split
            seen[name] = split
            by_row[tuple(v for k, v in fields.items() if k != "y")].add(split)
        assert all(len(found) == 1 for found in by_row.values())


def test_one_more_column_keeps_every_row_on_its_side_and_makes_no_old_skill(
    workshop: Workshop,
) -> None:
    body = [row.partition(",")[2] for row in rows(200)]
    write(workshop, body, head="who,age,city,income,y")
    first = prepare(workshop, collect(workshop))
    write(workshop, [f"{row},{n}" for n, row in enumerate(body)], head="who,age,city,income,y,more")
    second = prepare(workshop, collect(workshop), first)
    assert workshop.rows(first, "split") == workshop.rows(second, "split")
    assert workshop.rows(first, "id") != workshop.rows(second, "id")
    assert not (second.folder / OLD_SKILLS).exists()
    assert (second.folder / SPLITS).exists()
    write(workshop, body, head="who,age,city,income,y")
    third = prepare(workshop, collect(workshop), second)
    assert workshop.rows(first, "id", "split") == workshop.rows(third, "id", "split")


def test_test_rows_that_leave_become_old_skills_until_an_equal_row_comes_back(
    workshop: Workshop,
) -> None:
    body = [row.partition(",")[2] for row in rows(200, number=True)]
    head = "who,age,city,income,y"
    write(workshop, body, head=head)
    first = prepare(workshop, collect(workshop, task=NUMBER), task=NUMBER)
    tested = [n for n, split in enumerate(workshop.rows(first, "split")) if split == "test"]
    gone = set(tested[:6])
    write(workshop, [row for n, row in enumerate(body) if n not in gone], head=head)
    second = prepare(workshop, collect(workshop, task=NUMBER), first, task=NUMBER)
    kept = pq.read_table(second.folder / OLD_SKILLS).to_pylist()
    targets = workshop.rows(first, "target")
    assert sorted(row["target"] for row in kept) == sorted(targets[n] for n in gone)
    back = body[tested[0]].split(",")
    back[1] += ".0"  # the same number in another spelling, and so another name
    rest = [row for n, row in enumerate(body) if n not in gone]
    write(workshop, [*rest, ",".join(back)], head=head)
    third = prepare(workshop, collect(workshop, task=NUMBER), second, task=NUMBER)
    assert len(pq.read_table(third.folder / OLD_SKILLS)) == 5
    assert workshop.rows(third, "split")[-1] == "test"


def test_a_row_that_gets_another_column_is_known_again_in_a_source_that_only_appends(
    workshop: Workshop,
) -> None:
    body = [row.partition(",")[2] for row in rows(50)]
    source = SourceConfig(path="a.csv", mode="append")
    write(workshop, body, head="who,age,city,income,y")
    first = collect(workshop, source)
    write(workshop, [f"{row},1" for row in body[10:]], head="who,age,city,income,y,more")
    fields = {"target": "y"}
    second = workshop.collect(source, fields=fields, task=LABELS, previous=first)
    assert second.card["counts"]["rows"] == 50


def test_times_of_a_split_by_time_are_read_in_their_order(workshop: Workshop) -> None:
    body = [f"{n},{'ab'[n % 2]},{2000 + n}年{1 + n % 12}月3日" for n in range(100)]
    write(workshop, body, head="n,y,at")
    clean = prepare(workshop, collect(workshop, time="at"), split={"by_time": True})
    assert workshop.rows(clean, "split") == ["train"] * 70 + ["validation"] * 10 + ["test"] * 20
    write(workshop, [*body, "3,a,03/04/2025"], head="n,y,at")
    with pytest.raises(DataError, match="'03/04/2025' is not a time") as error:
        prepare(workshop, collect(workshop, time="at"), split={"by_time": True})
    assert error.value.where == "a.csv:102"


def test_a_random_split_of_rows_with_a_time_is_told(workshop: Workshop) -> None:
    body = [f"{row},2024-01-{1 + n % 28:02}" for n, row in enumerate(rows(100))]
    write(workshop, body, head=HEAD + ",at")
    found = collect(workshop, time="at")
    assert "prepare.split.by_time: true" in notes(prepare(workshop, found))
    assert "by_time" not in notes(prepare(workshop, found, split={"by_time": True}))


@pytest.mark.parametrize(("split", "is_told"), [("validation", True), ("test", False)])
def test_a_random_test_is_told_also_where_a_file_is_the_validation(
    workshop: Workshop, split: Literal["validation", "test"], is_told: bool
) -> None:
    body = [f"{row},2024-01-{1 + n % 28:02}" for n, row in enumerate(rows(100))]
    write(workshop, body, head=HEAD + ",at")
    held = [f"{row},2024-02-03" for row in rows(20, seed=1)]
    write(workshop, held, "b.csv", head=HEAD + ",at")
    sources = "a.csv", SourceConfig(path="b.csv", split=split)
    clean = prepare(workshop, collect(workshop, *sources, time="at"))
    assert ("prepare.split.by_time" in notes(clean)) == is_told


def test_cells_that_may_not_mean_what_they_seem_are_told(workshop: Workshop) -> None:
    body = [f"{-999 if n % 20 == 0 else n % 50},{n % 37} months,{n % 90}平米,A-{n % 60},{n % 7 > 3}"
            for n in range(200)]  # fmt: skip
    write(workshop, body, head="the temperature,age,area,shelf,y")
    told = notes(prepare(workshop, collect(workshop)))
    assert (
        "-999 stands in 5.0% of the rows of 'the temperature', far from all other numbers" in told
    )
    assert """cells: {missing: {"the temperature": ['-999']}}""" in told
    assert "The column 'age' holds numbers with 'months' behind them" in told
    assert "'area'" not in told
    assert "'shelf'" not in told
    said = SourceConfig(path="a.csv", cells=CellsConfig(missing={"the temperature": ("-999",)}))
    assert "-999" not in notes(prepare(workshop, collect(workshop, said)))


def test_a_row_of_feedback_arose_when_its_own_time_says(workshop: Workshop) -> None:
    write(workshop, [f"2024-01-{1 + n % 9:02},{n},{'yn'[n % 2]}" for n in range(60)], head="at,x,y")
    row = {"id": "01a-b", "fields": {"at": "2024-01-05", "x": "3"}, "target": ["y"], "source":
           "feedback", "time": "2026-11-23T06:11", "label_from": "feedback"}  # fmt: skip
    shape = {
        "split": None,
        "weight": 1.0,
        "line": 0,
        "subject": None,
        "group": None,
        "picked": None,
    }
    with workshop.store.draft() as draft:
        pq.write_table(pa.Table.from_pylist([row | shape]), draft / "examples.parquet")
        said = workshop.store.keep(Dataset, draft, {"stage": "feedback"})
    fields = {"target": "y", "time": "at"}
    found = workshop.collect("a.csv", fields=fields, task=LABELS, feedback=said)
    assert workshop.rows(found, "time")[-1] == "2024-01-05"


def test_words_among_numbers_are_told(workshop: Workshop) -> None:
    body = [f"{'<0.5' if n % 25 == 3 else n / 8},{'about 5' if n % 6 == 1 else n / 8},{n % 7 > 3}"
            for n in range(200)]  # fmt: skip
    write(workshop, body, head="crp,dose,y")
    told = notes(prepare(workshop, collect(workshop)))
    assert "4.0% of the cells of 'crp' are no numbers, as in line " in told
    assert "of a.csv, and are read as missing" in told
    assert "data.fields.kinds: {dose: number} reads them as missing" in told


def test_many_odd_columns_are_told_together(workshop: Workshop) -> None:
    names = [f"sensor {place}" for place in range(9)]
    body = [",".join([*("-999" if n % 20 == 0 else str(n % 50 + k) for k in range(9)), "yn"[n % 2]])
            for n in range(200)]  # fmt: skip
    write(workshop, body, head=",".join([*names, "y"]))
    told = notes(prepare(workshop, collect(workshop)))
    assert told.count("-999 stands in 5.0% of the rows") == 5
    assert "The same is true of 4 more columns: sensor 5, sensor 6, sensor 7, sensor 8" in told


def test_a_target_that_stands_far_from_all_others_is_told(workshop: Workshop) -> None:
    body = [f"{n},{99999 if n % 25 == 0 else n % 40}.5" for n in range(200)]
    write(workshop, body, head="x,y")
    told = notes(prepare(workshop, collect(workshop, task=NUMBER), task=NUMBER))
    assert "99999.5 stands in 4.0% of the rows of 'y'" in told
    write(workshop, [f"{n},{500 + n if n % 2 else 0}" for n in range(200)], head="x,y")
    told = notes(prepare(workshop, collect(workshop, task=NUMBER), task=NUMBER))
    assert "far from" not in told  # sales of nothing are sales


@pytest.mark.parametrize("day", ["2024-01-15", "15/01/2024"])
def test_a_test_file_that_is_not_later_than_the_rest_is_told(workshop: Workshop, day: str) -> None:
    body = [f"{row},2024-01-{1 + n % 28:02}" for n, row in enumerate(rows(100))]
    write(workshop, body, head=HEAD + ",at")
    write(workshop, [f"{row},{day}" for row in rows(20, seed=1)], "b.csv", head=HEAD + ",at")
    sources = "a.csv", SourceConfig(path="b.csv", split="test")
    told = notes(prepare(workshop, collect(workshop, *sources, time="at")))
    # Where the order of times is not known, none is later.
    assert ("the test file is not later: 40% of other rows" in told) == (day == "2024-01-15")


def labelled(labels: Sequence[str], count: int = 120) -> list[str]:
    return [f"{row.rpartition(',')[0]},{labels[n % len(labels)]}"
            for n, row in enumerate(rows(count))]  # fmt: skip


def test_a_cell_that_says_nothing_is_no_label_of_a_table(workshop: Workshop) -> None:
    write(workshop, labelled(["y", "none", "-", "NA", "?", "null"]))
    clean = prepare(workshop, collect(workshop))
    targets = Counter(map(str, workshop.rows(clean, "target")))
    assert targets == {"['y']": 20, "['none']": 20, "['-']": 20, "None": 60}
    assert "60 rows have no label" in notes(clean)
    spoken = TabularClassification(LabelsConfig(rename={"NA": "Namibia"}))
    clean = prepare(workshop, collect(workshop, task=spoken), task=spoken)
    assert workshop.rows(clean, "target").count(["Namibia"]) == 20


@pytest.mark.parametrize("normal", ["", "ok"])
def test_rows_that_nobody_has_looked_at_may_say_so_in_words(
    workshop: Workshop, normal: str
) -> None:
    write(workshop, labelled(["ok", "fraud", "NA", "", "?", "n/a"]))
    task = AnomalyDetection(LabelsConfig(normal=normal))
    clean = prepare(workshop, collect(workshop, task=task), task=task)
    targets = Counter(map(str, workshop.rows(clean, "target")))
    assert targets == {"['normal']": 20, "['anomaly']": 20, "None": 80}


def test_labels_that_differ_in_a_dot_look_alike(workshop: Workshop) -> None:
    write(workshop, [*rows(60), "k,p,1,Ulm,2,n.", "l,p,2,Ulm,2,n."])
    clean = prepare(workshop, collect(workshop))
    assert 'labels: {rename: {"n.": "n"}}' in notes(clean)
    task = TabularClassification(LabelsConfig(rename={"n.": "n"}))
    assert "alike" not in notes(prepare(workshop, collect(workshop, task=task), task=task))


def test_types_of_parquet_are_read_and_compared_with_those_of_csv(workshop: Workshop) -> None:
    chance = np.random.default_rng(0)
    table = pa.table(
        {
            "n": pa.array(chance.normal(size=100).round(3)),
            "flag": pa.array(chance.random(100) < 0.5),
            "y": pa.array(chance.integers(0, 2, 100)),
        }
    )
    pq.write_table(table, workshop.root / "a.parquet")
    lines = [
        f"{n},{str(flag).lower()},{y}"
        for n, flag, y in zip(
            *(table[name].to_pylist() for name in table.column_names), strict=True
        )
    ]
    write(workshop, lines[:5], "b.csv", "n,flag,y")
    sources = SourceConfig(path="a.parquet"), SourceConfig(path="b.csv", split="test")
    clean = prepare(workshop, collect(workshop, *sources))
    assert workshop.rows(clean, "target")[0] in (["0"], ["1"])
    assert sum(workshop.rows(clean, "near_train")) == 5


def test_nothing_of_an_erased_person_is_left_of_a_table(workshop: Workshop) -> None:
    write(workshop, rows(120))
    first = prepare(workshop, collect(workshop, subject="who"))
    person = Person("p7")
    held = find_person(first, person)
    assert (held.counts["examples.parquet"], held.texts) == (3, frozenset())
    with workshop.store.draft() as draft:
        card = write_without(first, person, held, draft)
        left = pq.read_table(draft / "examples.parquet")
    assert card["counts"]["rows"] == left.num_rows == 117
    fields = {"target": "y", "subject": "who"}
    gone = frozenset({hash_subject("p7")})
    again = workshop.collect("a.csv", fields=fields, task=LABELS, previous=first, suppressed=gone)
    second = prepare(workshop, again, first)
    assert not any(row["who"] == "p7" for row in workshop.rows(second, "fields"))
    assert not (second.folder / SPLITS).exists()


@pytest.mark.parametrize(
    ("task", "name"), [(LABELS, "db8540709b25f7ca"), (NUMBER, "a92cd9971c6b4349")]
)
def test_names_and_splits_of_tables_are_those_of_the_first_version(
    workshop: Workshop, task: Any, name: str
) -> None:
    write(workshop, rows(150, number=task is NUMBER))
    source = SourceConfig(path="a.csv", key="id")
    clean = prepare(workshop, collect(workshop, source, task=task, subject="who"), task=task)
    assert hash_json(sorted(map(list, workshop.rows(clean, "id", "split"))))[:16] == name


def payments(count: int = 200, *, looked_at: int = 0) -> list[str]:
    """Rows of two days; the first so many were looked at, every tenth of these a fraud."""
    chance = random.Random(2)
    said = [("fraud" if n % 10 == 0 else "ok") if n < looked_at else "" for n in range(count)]
    return [
        f"2025-03-{1 + n % 3:02d}T12:00,{chance.gauss(50, 9):.2f},{chance.choice('ab')},{label}"
        for n, label in enumerate(said)
    ]


@pytest.mark.parametrize("looked_at", [0, 40, 200])
def test_rows_that_nobody_has_looked_at_are_learnt_from(workshop: Workshop, looked_at: int) -> None:
    task = AnomalyDetection(LabelsConfig(alerts=AlertsConfig(per_day=2)))
    write(workshop, payments(looked_at=looked_at), head="at,amount,way,y")
    found = prepare(workshop, collect(workshop, task=task, time="at"), task=task)
    splits = found.card["counts"]["splits"]
    assert splits["none"] == 0 and splits["train"] > splits["test"] > 20
    assert found.card["counts"]["labelled"] == looked_at
    assert found.labelled("test").num_rows == pytest.approx(looked_at / 5, abs=2)
    assert found.card["days"] == 2.0
    assert ("none is needed" in notes(found)) == (looked_at < 200)
    page = data_page(found, task, "zh")
    assert "有标签的行" in str(page.to_dict())


def test_alerts_by_the_day_need_a_time(workshop: Workshop) -> None:
    task = AnomalyDetection(LabelsConfig(alerts=AlertsConfig(per_day=2)))
    write(workshop, payments(), head="at,amount,way,y")
    with pytest.raises(ConfigError, match="no column says when") as told:
        collect(workshop, task=task)
    assert told.value.where == "labels.alerts.per_day"
