"""A person is planted in every place that keeps one, and no byte of them is left."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.erasure import occurrences
from tests.tiny import settings_of, tiny_rows, write_rows

from volano.core.nouns import Dataset, Model, Report
from volano.feedback import import_reviews, record_feedback
from volano.loop.doctor import examine
from volano.loop.overview import describe, describe_status, difference, list_nouns
from volano.loop.project import Project
from volano.loop.reviewing import known_labels, write_sheet
from volano.store import erasures, predictions, releases, subjects, turns
from volano.train.held_out import HELD_OUT, read_held_out
from volano.train.train import unit_code

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.slow  # whole turns

WHO = "klient-Zebedäus-7741"
LATIN, HAN = "quizzlefrump", "玄鹂鸣翠柳"
NEEDLES = (WHO, LATIN, HAN, "quizzlecomment", "quizzlelabel", "quizzlebroken", "quizzlemasked")
SETTINGS = settings_of(
    data={
        "sources": [
            {"path": "rows.csv", "licence": "CC0-1.0", "key": "id"},
            {"path": "more.csv", "licence": "CC0-1.0", "key": "id", "mode": "append"},
        ],
        "fields": {"text": "body", "target": "topic", "group": "tier", "subject": "customer"},
    },
    prepare={"split": {"test": 0.3, "validation": 0.1, "together": "none"}},
    train={"learner": "bayes"},
)
TEXTS = {
    "delivery": f"The {LATIN} parcel number {{}} is late, and the courier is silent",
    "refund": f"退款给{HAN}，第{{}}次申请，请快一点",
    "account": f"Account of {LATIN} locked, {HAN} cannot log in, case {{}}",
}


def their_rows(first: int = 0, num: int = 24) -> list[dict[str, str]]:
    """Rows of the person; every fourth with a wrong label, so that reports quote their mistakes."""
    labels = list(TEXTS)
    return [
        {
            "id": f"Z{place:02}",
            "body": TEXTS[labels[place % 3]].format(place),
            "topic": labels[(place + (place % 4 == 0)) % 3],
            "tier": "plus",
            "customer": WHO,
        }
        for place in range(first, first + num)
    ]


def plant(root: Path) -> None:
    """A project whose files hold the person: rows, duplicates, a broken row, an appended row."""
    root.mkdir(parents=True, exist_ok=True)
    rows = their_rows()
    again = [
        {**rows[1], "id": "Z90"},
        {**rows[2], "id": "Z91"},
        {**rows[3], "body": "again " + LATIN},
    ]
    write_rows(root / "rows.csv", [*tiny_rows(), *rows, *again])
    with (root / "rows.csv").open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerow(["Z99", "quizzlebroken", "a", "b", WHO, "one cell", "too many"])
    appended = {**rows[0], "id": "A1", "body": f"appended {LATIN} parcel of the courier"}
    others = [
        {**row, "id": f"B{n}", "body": row["body"] + " !"} for n, row in enumerate(tiny_rows()[:6])
    ]
    write_rows(root / "more.csv", [appended, *others])
    (root / "volano.yaml").write_text(json.dumps(SETTINGS, ensure_ascii=False), "utf-8")


def leave_file(root: Path) -> None:
    """The appended row and a third of the rows leave their files: kept, and old skills."""
    for name in ("rows.csv", "more.csv"):
        lines = (root / name).read_text("utf-8").splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if not line.startswith(("A1,", "Z00", "Z03", "Z06", "Z09", "Z12", "Z15", "Z18", "Z21"))
        ]
        (root / name).write_text("".join(kept), "utf-8")


def use(project: Project, root: Path) -> None:
    """The person asks, complains, comments; somebody reviews; the person reviews others."""
    champion = releases.champion(project.ledger)
    assert champion is not None
    now = champion.at
    given = [
        ("zp1", {"body": f"where is my {LATIN} parcel", "customer": WHO}, "delivery", WHO),
        ("zp2", {"body": f"{HAN}要退款"}, "refund", WHO),
        (
            "zp3",
            {"body": f"account {LATIN}", "customer": WHO},
            "account",
            None,
        ),  # named only within
        ("op1", {"body": "where is the courier with my parcel"}, "delivery", "C01"),
        ("op2", {"body": "I want all the money back now"}, "refund", "C02"),
    ]
    predictions.add_predictions(
        project.ledger,
        [
            predictions.Prediction(
                name,
                now + 1,
                champion.model,
                fields,
                {"label": label, "confidence": 0.6, "scores": {label: 0.6, "account": 0.4}},
                who,
            )
            for name, fields, label, who in given
        ],
    )
    record_feedback(
        project.ledger,
        project.task,
        [
            {
                "prediction": "zp1",
                "label": "refund",
                "comment": "quizzlecomment 玄鹂鸣翠柳",
                "by": "ann",
            },
            {"prediction": "zp2", "label": "refund", "output": "quizzlelabel", "by": "ann"},
            {"prediction": "op1", "label": "delivery", "comment": f"{WHO} says so", "by": "ann"},
            {"prediction": "op2", "label": "refund", "comment": "quizzlecomment", "by": WHO},
        ],
    )
    sheet = root.parent / "todo.csv"
    sheet.unlink(missing_ok=True)
    write_sheet(project, sheet)
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        is_theirs = LATIN in row["body"] or HAN in row["body"]
        said = f"quizzlecomment {row['review']}" if is_theirs else ""
        row |= {"label": row["answer"] or "delivery", "by": "bo", "comment": said}
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    import_reviews(project.ledger, project.task, sheet, known_labels(project))


@pytest.fixture(scope="session")
def known_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that knows the person from two turns and from serving; copied, never touched."""
    root = tmp_path_factory.mktemp("known") / "tickets"
    plant(root)
    with Project.open(root) as project:
        project.turn()
        use(project, root)
        leave_file(root)
        project.turn()
    cache = root / ".volano" / "cache" / "sources"
    cache.mkdir(parents=True)
    (cache / "snapshot.csv").write_text(f"{WHO},{LATIN}", "utf-8")
    return root


@pytest.fixture
def known(known_folder: Path, tmp_path: Path) -> Path:
    root = tmp_path / "tickets"
    shutil.copytree(known_folder, root)
    return root


def find(root: Path) -> list[str]:
    return occurrences(root / ".volano", NEEDLES)


def test_the_person_is_everywhere_before_the_erasure(known: Path) -> None:
    places = find(known)
    kinds = ("artifacts/dataset", "artifacts/model", "artifacts/report", "reports/", "ledger.db")
    for kind in kinds:
        assert any(kind in place for place in places), kind
    for file in ("examples", "dropped", "broken", "old_skills", "splits", "reference", "answers"):
        if file != "splits":  # holds hashes only
            assert any(f"{file}.parquet" in place for place in places), file
    for table in ("predictions", "feedback", "reviews", "artifacts", "audit"):
        assert any(f"(table {table})" in place for place in places), table


def test_after_an_erasure_no_byte_of_the_person_is_left(known: Path) -> None:
    with Project.open(known) as project:
        done = project.forget(WHO, because=f"{WHO} asked", by="me")
        assert find(known) == []
        assert done.is_done and done.models and done.datasets
        assert done.is_champion_affected
        assert {"predictions", "feedback", "reviews"} <= set(done.places)
    assert find(known) == []
    source = (known / "rows.csv").read_text("utf-8")
    assert WHO in source and LATIN in source


def test_the_next_turn_trains_without_the_person(known: Path) -> None:
    with Project.open(known) as project:
        before = project.find(Model, "model:latest").hash
        assert describe_status(project)["champion"]["erased"] == ""
        project.forget(WHO)
        assert describe_status(project)["champion"]["erased"]
        turn = project.turn()
        assert turn.model != before
        assert "train" in turn.seconds
        data = project.find(Dataset, turn.dataset)
        assert WHO not in data.examples.column("subject").to_pylist()
        marks = {row["model"]: row["erased"] for row in list_nouns(project, "models")}
        assert marks[before[:12]]
        assert not marks[turn.model[:12]]
        assert project.turn().is_unchanged
    assert find(known) == []


def test_everything_that_looks_back_works_after_an_erasure(known: Path) -> None:
    with Project.open(known) as project:
        old = project.find(Dataset, "dataset:latest")
        result = turns.find_turn(project.ledger, 1)
        assert result is not None and result.result is not None
        before = result.result["metrics"]
        project.forget(WHO)
        now = project.find(Dataset, old.hash)
        assert now.hash != old.hash
        assert "was erased, and this took its place" in describe(project, old.ref).text
        for number in (1, 2):
            facts = describe(project, f"turn:{number}").facts
            assert {"verdict", "metrics", "stages"} <= set(facts)
            for page in facts["reports"].values():
                assert (known / page).read_text("utf-8").startswith("<!doctype html>")
        assert describe(project, "turn:1").facts["metrics"] == before
        assert "trained on a person" in describe(project, "model:champion").text
        assert difference(project, "model:champion", "model:latest")["metrics"]
        assert [f for f in examine(project) if f.is_fault] == []
        for noun in ("models", "datasets", "reports", "turns", "releases"):
            assert list_nouns(project, noun)


def test_a_rehearsal_says_what_would_go_and_erases_nothing(known: Path) -> None:
    with Project.open(known) as project:
        before = find(known)
        would = project.forget(WHO, dry_run=True)
        assert not would.is_done
        assert find(known) == before
        done = project.forget(WHO)
        # Models that quote the person are known by another name once they quote nobody.
        tables = {"predictions", "feedback", "reviews"}
        assert {k: v for k, v in would.places.items() if k in tables} == {
            k: v for k, v in done.places.items() if k in tables
        }
        assert sorted(would.datasets) == sorted(done.datasets)
        assert len(would.models) == len(done.models)


def test_somebody_unknown_is_suppressed_from_now_on(known: Path) -> None:
    with Project.open(known) as project:
        done = project.forget("nobody-here")
        assert (done.places, done.models, done.is_done) == ({}, (), True)
        assert subjects.hash_subject("nobody-here") in subjects.suppressed(project.ledger)
        (one,) = erasures.list_forgotten(project.ledger)
        assert one.is_finished and one.is_suppressed
        turn = project.turn()  # collected again, and nothing else has changed
        assert "train" not in turn.seconds


def test_answers_to_an_erased_person_are_kept_bare(known: Path) -> None:
    with Project.open(known) as project:
        project.forget(WHO)
        asked = {"body": f"{LATIN} again", "customer": WHO}
        predictions.add_predictions(
            project.ledger,
            [predictions.Prediction("zp9", 1.0, "m", asked, {"label": "refund"}, WHO, WHO)],
        )
        text = json.dumps(asked, ensure_ascii=False)
        row = predictions.PredictionRow("zp8", 1.0, "m", text, "h", "{}", WHO, "plus", 1.0)
        other = row._replace(id="op9", input='{"body": "hello"}', subject="C01")
        predictions.append_predictions(project.ledger, [row, other])
        kept = predictions.find_predictions(project.ledger, ["zp9", "zp8", "op9"])
        assert kept["op9"].input == {"body": "hello"}
        for name in ("zp8", "zp9"):
            assert (kept[name].input, kept[name].subject, kept[name].group) == (None, None, None)
    assert find(known) == []


def test_a_person_who_returns_is_collected_again(known: Path) -> None:
    with Project.open(known) as project:
        project.forget(WHO)
        assert subjects.allow(project.ledger, WHO, by="me")
        project.turn()
        data = project.find(Dataset, "dataset:latest")
        assert WHO in data.examples.column("subject").to_pylist()
        project.forget(WHO)
    assert find(known) == []


KILLED = """
import os, signal, sys
from volano.loop.project import Project
from volano.store.artifacts import ArtifactStore
from volano.store.ledger import Ledger
from volano.loop import forget

left = int(sys.argv[3])

def counted(kind, name):
    whole = getattr(kind, name)
    def before(*given, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*given, **named)
    setattr(kind, name, before)

for kind, name in ((ArtifactStore, "keep"), (ArtifactStore, "bury"), (ArtifactStore, "erase"),
                   (Ledger, "write"), (forget, "compact")):
    counted(kind, name)
with Project.open(sys.argv[1]) as project:
    project.forget(sys.argv[2])
"""


def end_of(root: Path) -> dict[str, Any]:
    """What an erasure leaves."""
    timed = ("champion", "turn")
    with Project.open(root) as project:
        (one,) = erasures.list_forgotten(project.ledger)
        return {
            "artifacts": [project.store.hashes(noun) for noun in (Dataset, Model, Report)],
            "forgotten": {**one.to_dict(), "at": 0, "by": ""},
            "status": {k: v for k, v in describe_status(project).items() if k not in timed},
            "unfinished": erasures.unfinished(project.ledger),
            "pages": sorted(p.name for p in (root / ".volano" / "reports").rglob("*")),
        }


def kill_and_run_again(
    folder: Path, root: Path, places: Iterable[int], needles: tuple[str, ...]
) -> int:
    """How often an erasure was killed; after each it is run again and ends as an unbroken one."""
    shutil.copytree(folder, root)
    with Project.open(root) as project:
        project.forget(WHO)
    expected = end_of(root)
    num_kills = 0
    for place in places:
        shutil.rmtree(root)
        shutil.copytree(folder, root)
        command = [sys.executable, "-c", KILLED, str(root), WHO, str(place)]
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        num_kills += 1
        with Project.open(root) as project:
            if place > 1:
                assert describe_status(project)["unfinished_erasures"]
                assert any(f.what == "erasure" and f.is_fault for f in examine(project))
            project.forget(WHO)
        assert end_of(root) == expected, place
        assert occurrences(root / ".volano", needles) == [], place
    return num_kills


def test_killed_anywhere_and_run_again_an_erasure_ends_the_same(
    known_folder: Path, tmp_path: Path
) -> None:
    places = range(0, 200, 13)
    assert kill_and_run_again(known_folder, tmp_path / "tickets", places, NEEDLES) > 3


PAID, SINCE, EMPLOYER = 773311.25, "1931-07-19", "quizzleworks"  # nobody else's
TABLE_NEEDLES = (WHO, LATIN, HAN, str(PAID), SINCE, EMPLOYER, "quizzlecomment")


def plant_table(root: Path, target: str) -> None:
    """A project over a table in which the person has rows, words and numbers of their own."""
    root.mkdir(parents=True)
    rng = random.Random(3)
    plans = ("basic", "plus", "family")
    with (root / "people.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([
            "customer", "tenure", "plan", "note", "paid", "since", "employer", "left", "price",
        ])  # fmt: skip
        for place in range(330):
            is_theirs = place % 11 == 0
            tenure, plan = rng.randrange(70), plans[place % 3]
            note = f"asked about the parcel number {rng.randrange(10**6)} of the month"
            if is_theirs:
                note = f"{LATIN} {HAN} asked about the parcel number {place}"
            value = 3 * (plan == "basic") - tenure / 10 + rng.gauss(0, 1)
            writer.writerow([
                WHO if is_theirs else f"C{place // 2:03}", tenure, plan, note,
                PAID if is_theirs else round(rng.uniform(10, 99), 2),
                SINCE if is_theirs else f"{rng.randrange(1990, 2020)}-05-{rng.randrange(10, 29)}",
                EMPLOYER if is_theirs else rng.choice(("mill", "bank", "school")),
                "yes" if value > 0 else "no", round(value * 100, 2),
            ])  # fmt: skip
    others = {"left": "price", "price": "left"}
    written = {
        "task": f"tabular-{'classification' if target == 'left' else 'regression'}",
        "data": {
            "sources": [{"path": "people.csv", "licence": "own"}],
            "fields": {"target": target, "subject": "customer", "ignore": [others[target]]},
        },
        "effort": "quick",
        "prepare": {"split": {"test": 0.3, "validation": 0.1, "together": "none"}},
        "evaluate": {"timed_requests": 10, "resamples": 200},
    }
    (root / "volano.yaml").write_text(json.dumps(written), "utf-8")


def leave_traces(project: Project, target: str, folder: Path) -> None:
    """The person asks for themselves and complains; somebody is asked to review."""
    champion = releases.champion(project.ledger)
    assert champion is not None
    row = {"tenure": 2, "plan": "basic", "note": f"{LATIN} calls again today", "paid": PAID,
           "since": SINCE, "employer": EMPLOYER}  # fmt: skip
    label = {"left": "no", "price": 12.5}[target]
    output = {"label": "yes", "scores": {"yes": 0.6, "no": 0.4}, "confidence": 0.6}
    if target == "price":
        output = {"value": 10.0, "low": 1.0, "high": 20.0}
    asked = predictions.Prediction("zp1", champion.at + 1, champion.model, row, output, WHO)
    predictions.add_predictions(project.ledger, [asked])
    said = {"prediction": "zp1", "label": label, "comment": "quizzlecomment", "by": "ann"}
    record_feedback(project.ledger, project.task, said)
    write_sheet(project, folder / "todo.csv")


@pytest.fixture(scope="session", params=["left", "price"])
def known_table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that knows the person from two turns over a table and from serving; as above."""
    root = tmp_path_factory.mktemp("table") / "people"
    plant_table(root, request.param)
    with Project.open(root) as project:
        project.turn()
        leave_traces(project, request.param, root.parent)
        project.turn()
    return root


def test_after_an_erasure_no_byte_of_a_person_of_a_table_is_left(
    known_table: Path, tmp_path: Path
) -> None:
    root = tmp_path / "people"
    shutil.copytree(known_table, root)
    places = occurrences(root / ".volano", TABLE_NEEDLES)
    for kind in ("artifacts/dataset", "artifacts/model", "artifacts/report", "ledger.db"):
        assert any(kind in place for place in places), kind
    # What answers quotes nobody from the first, and the statistics beside it neither.
    bundles = [place for place in places if "artifacts/model" in place]
    assert all("reference.parquet" in place for place in bundles), bundles
    with Project.open(root) as project:
        old = project.find(Model, "model:champion").hash
        done = project.forget(WHO)
        assert occurrences(root / ".volano", TABLE_NEEDLES) == []
        assert done.is_done and done.models and done.datasets and done.is_champion_affected
        theirs = unit_code(WHO, None, "")
        held_out = [m for m in project.store.list(Model) if (m.folder / HELD_OUT).exists()]
        assert held_out
        assert not any((read_held_out(m.folder).unit_N == theirs).any() for m in held_out)
        again = project.turn()
        assert again.model != old
        data = project.find(Dataset, again.dataset)
        assert WHO not in data.examples.column("subject").to_pylist()
    assert occurrences(root / ".volano", TABLE_NEEDLES) == []


def test_killed_anywhere_an_erasure_from_a_table_ends_the_same(
    known_table: Path, tmp_path: Path
) -> None:
    places = range(0, 200, 13)
    assert kill_and_run_again(known_table, tmp_path / "people", places, TABLE_NEEDLES) > 3
