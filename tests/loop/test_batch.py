from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import DataError, UserError
from volano.core.events import Event, Events
from volano.loop.batch import predict_file, predict_text

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project

QUESTIONS = ("I want my money back", "我的快递还没有到", "The password is wrong")
EXPECTED = ["refund", "delivery", "account"]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("nr", "body"), *enumerate(QUESTIONS)])
    return path


def test_a_text_is_answered_as_http_would(turned: Project) -> None:
    answer = predict_text(turned, QUESTIONS[0], "model:champion", explain=True)
    assert answer["label"] == "refund"
    assert answer["model"] == turned.turn().model[:12]
    assert answer["reasons"]
    assert "id" not in answer


def test_answers_are_the_same_in_every_kind_of_file(
    turned: Project, questions: Path, tmp_path: Path
) -> None:
    done = predict_file(turned, questions, None, "model:champion")
    assert done.path == str(tmp_path / "questions.answers.parquet")
    assert (done.num_rows, done.num_broken) == (3, 0)
    parquet = pq.read_table(done.path).to_pylist()
    predict_file(turned, questions, tmp_path / "a.jsonl", "model:champion")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    predict_file(turned, questions, tmp_path / "a.csv", "model:champion")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert parquet == lines
    assert [row["label"] for row in cells] == EXPECTED
    assert [json.loads(row["scores"]) for row in cells] == [row["scores"] for row in parquet]
    assert [row["body"] for row in parquet] == list(QUESTIONS)
    assert not list(tmp_path.glob("*.part"))


def test_json_lines_and_parquet_can_be_asked_too(turned: Project, tmp_path: Path) -> None:
    rows = [{"body": text, "extra": {"n": 1}} for text in QUESTIONS]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    pq.write_table(pa.table({"body": list(QUESTIONS)}), tmp_path / "q.parquet")
    for name in ("q.jsonl", "q.parquet"):
        done = predict_file(turned, tmp_path / name, tmp_path / f"{name}.csv", "model:champion")
        assert done.num_rows == 3


def test_a_column_named_as_a_part_of_the_answer_keeps_its_value(
    turned: Project, tmp_path: Path
) -> None:
    rows = [{"body": text, "label": "mine", "scores": "7", "prediction": "x"} for text in QUESTIONS]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    for ending in (".jsonl", ".csv", ".parquet"):
        predict_file(turned, tmp_path / "q.jsonl", tmp_path / f"a{ending}", "model:champion")
    for found in pq.read_table(tmp_path / "a.parquet").to_pylist():
        assert (found["label"], found["scores"], found["prediction"]) == ("mine", "7", "x")
        assert found["predicted_label"] in EXPECTED


def test_rows_that_cannot_be_read_are_counted_and_told(turned: Project, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("nr,body\n1,money back\n2,one,too many\n3,password\n", "utf-8")
    heard: list[Event] = []
    turned.events = Events((heard.append,))
    done = predict_file(turned, path, None, "model:champion")
    assert (done.num_rows, done.num_broken) == (2, 1)
    assert f"{path}:3 not read" in heard[0].text


def test_a_missing_column_is_named_with_its_nearest(turned: Project, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("nr,bdoy\n1,money\n2,back\n", "utf-8")
    with pytest.raises(DataError, match="no column 'body'") as told:
        predict_file(turned, path, None, "model:champion")
    assert told.value.fix == "did you mean 'bdoy'?"


def test_nothing_is_written_over(turned: Project, questions: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine", "utf-8")
    with pytest.raises(UserError, match="there already"):
        predict_file(turned, questions, tmp_path / "a.csv", "model:champion")
    with pytest.raises(UserError, match="a file that ends in '.xlsx'"):
        predict_file(turned, questions, tmp_path / "a.xlsx", "model:champion")
    with pytest.raises(UserError, match="no such folder"):
        predict_file(turned, questions, tmp_path / "no" / "a.csv", "model:champion")
    assert (tmp_path / "a.csv").read_text("utf-8") == "mine"


def test_a_dry_run_checks_and_writes_nothing(
    turned: Project, questions: Path, tmp_path: Path
) -> None:
    done = predict_file(turned, questions, None, "model:champion", dry_run=True)
    assert done.num_rows == 3
    assert not (tmp_path / "questions.answers.parquet").exists()


def test_a_file_of_one_column_can_be_asked(turned: Project, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("body\nI want my money back, please\n我的快递还没有到\n", "utf-8")
    done = predict_file(turned, path, tmp_path / "a.csv", "model:champion")
    assert (done.num_rows, done.num_broken) == (2, 0)
