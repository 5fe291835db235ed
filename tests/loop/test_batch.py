from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.serve.tables import (
    ROW,
    people,
    predictor_of_labels,
    predictor_of_numbers,
    table_project,
)

from volano.app.http import make_service
from volano.core.errors import ConfigError, DataError, UserError
from volano.core.events import Event, Events
from volano.loop.batch import predict_file, predict_one

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    answer = predict_one(turned, QUESTIONS[0], "model:champion", explain=True)
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


@pytest.fixture
def churn(tmp_path: Path) -> Iterator[Project]:
    with table_project(tmp_path / "churn", predictor_of_labels()) as project:
        yield project


@pytest.fixture
def prices(tmp_path: Path) -> Iterator[Project]:
    with table_project(tmp_path / "prices", predictor_of_numbers()) as project:
        yield project


def asked(project: Project, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What /v1/predict answers, without HTTP and less the ids."""
    with make_service(project) as service:
        request = service.read({"inputs": json.loads(json.dumps(rows))})
        (said,) = service.answer([request])
    answers = json.loads(said)["predictions"]
    return [{name: part for name, part in one.items() if name != "id"} for one in answers]


@pytest.mark.parametrize("kind", ["churn", "prices"])
def test_rows_of_a_table_are_answered_in_a_file_as_over_http(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    project: Project = request.getfixturevalue(kind)
    table = people(100)
    rows = table.to_pylist()
    rows[3]["tenure"], rows[4]["plan"], rows[5]["since"] = None, "never seen", None
    table = pa.Table.from_pylist(rows, table.schema)
    expected = asked(project, rows)
    pq.write_table(table, tmp_path / "p.parquet")
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([table.column_names, *(row.values() for row in rows)])
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    for ending in ("parquet", "csv", "jsonl"):
        done = predict_file(project, tmp_path / f"p.{ending}", None, "model:champion")
        found = pq.read_table(done.path)
        assert found.column_names == [*table.column_names, *expected[0]]
        assert found.select(list(expected[0])).to_pylist() == expected
        (tmp_path / "p.answers.parquet").unlink()


def test_a_row_is_asked_as_json_and_told_in_words(churn: Project, prices: Project) -> None:
    what = json.dumps(ROW, ensure_ascii=False)
    (expected,) = asked(churn, [ROW])
    answer = predict_one(churn, what, "model:champion", explain=True, language="zh")
    reasons = answer.pop("reasons")
    assert answer.pop("model")
    assert answer == expected
    assert all("：" in reason["says"] for reason in reasons)
    (expected,) = asked(prices, [ROW])
    answer = predict_one(prices, what, "model:champion", explain=False)
    assert {name: answer[name] for name in ("value", "low", "high")} == expected


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("tenure = 2", "no row of a table: the body is not JSON"),
        ("[1, 2]", "no JSON object"),
        ('{"tenure": 2}', "lacks 'plan', 'since', 'active', 'city'"),
        (json.dumps(ROW | {"tenure": "two"}), "'two'"),
    ],
)
def test_what_is_no_row_is_refused_with_a_row_to_send(churn: Project, what: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        predict_one(churn, what, "model:champion", explain=False)
    assert said in told.value.what
    assert told.value.fix


def test_cells_of_a_file_that_cannot_be_read_are_told_and_count_as_missing(
    churn: Project, tmp_path: Path
) -> None:
    rows = [{name: str(cell) for name, cell in (ROW | {"tenure": n}).items()} for n in range(50)]
    rows[7]["tenure"], rows[8]["tenure"], rows[9]["since"] = "seven", "N/A", "soon"
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(ROW))
        writer.writeheader()
        writer.writerows(rows)
    heard: list[Event] = []
    churn.events = Events((heard.append,))
    done = predict_file(churn, tmp_path / "p.csv", tmp_path / "a.jsonl", "model:champion")
    warned = [event.text for event in heard if event.kind == "warning"]
    assert warned == [
        "column 'tenure': 1 cell cannot be read, such as 'seven': taken as missing",
        "column 'since': 1 cell cannot be read, such as 'soon': taken as missing",
    ]
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert done.num_rows == len(told) == 50
    assert told[7]["scores"] == told[8]["scores"]


def test_a_file_that_lacks_a_column_is_refused(churn: Project, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("tenure,plna,since,active,city\n1,a,2024-01-01,1,x\n", "utf-8")
    with pytest.raises(DataError, match="no column 'plan'") as told:
        predict_file(churn, tmp_path / "p.csv", None, "model:champion")
    assert told.value.fix == "did you mean 'plna'?"


def test_kinds_that_differ_between_the_rows_of_a_file_do_not_matter(
    churn: Project, tmp_path: Path
) -> None:
    mixed = [(n if n % 2 else str(n), [n] if n > 20 else n) for n in range(40)]
    rows = [ROW | {"tenure": tenure, "extra": extra} for tenure, extra in mixed]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    done = predict_file(churn, tmp_path / "p.jsonl", None, "model:champion")
    expected = asked(churn, [ROW | {"tenure": n} for n in range(40)])
    assert pq.read_table(done.path)["scores"].to_pylist() == [one["scores"] for one in expected]


def test_a_renamed_label_is_told_by_todays_name_in_files_too(tmp_path: Path) -> None:
    labels = {"rename": {"yes": "leaves"}}
    root = tmp_path / "churn"
    with table_project(root, predictor_of_labels(), labels=labels) as project:
        pq.write_table(people(60), tmp_path / "p.parquet")
        done = predict_file(project, tmp_path / "p.parquet", None, "model:champion")
        found = pq.read_table(done.path)
    assert set(found["label"].to_pylist()) == {"no", "leaves"}
    assert set(found["scores"][0].as_py()) == {"no", "leaves"}


def test_a_precision_of_numbers_is_refused_where_answers_are_asked_for(tmp_path: Path) -> None:
    root = tmp_path / "prices"
    with (
        pytest.raises(ConfigError, match="a number is more or less right") as told,
        table_project(root, predictor_of_numbers(), automatic_precision=0.9) as project,
    ):
        predict_one(project, json.dumps(ROW), "model:champion", explain=False)
    assert told.value.where == "automatic_precision"
    assert "automatic_precision" in told.value.to_dict("zh")["what"]


@pytest.mark.slow
def test_a_million_rows_are_answered_in_half_a_minute_and_little_memory(
    churn: Project, tmp_path: Path
) -> None:
    import resource
    import time

    num = 1_000_000
    table = people(10_000)
    with pq.ParquetWriter(tmp_path / "p.parquet", table.schema) as file:
        for _ in range(num // 10_000):
            file.write_table(table)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    done = predict_file(churn, tmp_path / "p.parquet", None, "model:champion")
    assert done.num_rows == num
    assert time.monotonic() - began < 30
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kB
    assert grown < 600_000
    found = pq.read_table(done.path, columns=["scores"])["scores"]
    assert found[num - 1] == found[9_999]
