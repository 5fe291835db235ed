"""The commands where rows are of a table, and where a number is answered."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from pyarrow.csv import write_csv
from tests.app.test_http import served
from tests.serve.tables import (
    ROW,
    people,
    predictor_of_labels,
    predictor_of_numbers,
    table_project,
)

from volano.core.errors import ConfigError
from volano.loop.project import Project
from volano.store import predictions

if TYPE_CHECKING:
    from pathlib import Path


Volano = "Callable[..., Ran]"


@pytest.fixture
def churn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that tells who leaves; it is the working folder."""
    table_project(tmp_path / "churn", predictor_of_labels()).close()
    monkeypatch.chdir(tmp_path / "churn")
    return tmp_path / "churn"


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that tells prices; it is the working folder."""
    table_project(tmp_path / "prices", predictor_of_numbers()).close()
    monkeypatch.chdir(tmp_path / "prices")
    return tmp_path / "prices"


def test_a_row_is_asked_on_the_command_line(
    churn: Path, volano: Volano, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = json.dumps(ROW, ensure_ascii=False)
    told = volano("predict", row, "--explain").out
    assert "tenure = 2: raises 'yes'" in told
    assert told.splitlines()[0].startswith("yes  0.")
    monkeypatch.setenv("VOLANO_LANGUAGE", "zh")
    assert "tenure = 2：使 'yes' 升高" in volano("predict", row, "--explain").out
    answer = volano("predict", row, "--json").json
    assert answer["label"] == "yes" and set(answer["scores"]) == {"no", "yes"}
    wrong = volano("predict", '{"tenure": 2}')
    assert wrong.code == 2 and "缺少 'plan'" in wrong.err
    assert volano("predict", "some text").code == 2


def test_a_number_is_told_with_its_interval(prices: Path, volano: Volano) -> None:
    row = json.dumps(ROW, ensure_ascii=False)
    first, *reasons = volano("predict", row, "--explain").out.splitlines()
    value, low, high = (float(part) for part in first.replace("(", "").replace(")", "").split()
                        if part != "to")  # fmt: skip
    assert low < value < high
    assert any("raises the number" in line for line in reasons)


def test_a_file_of_rows_is_answered(prices: Path, volano: Volano) -> None:
    write_csv(people(20), prices / "more.csv")
    assert "20 answers" in volano("predict", "more.csv", "--out", "answers.csv").out
    with (prices / "answers.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(float(row["low"]) < float(row["value"]) < float(row["high"]) for row in rows)
    assert rows[0]["plan"] and rows[0]["customer_id"] == "C00000"


def test_what_is_shown_of_a_model_of_numbers_speaks_of_no_labels(
    prices: Path, volano: Volano
) -> None:
    listed = volano("list", "models").out
    assert "labels" not in listed and "trees" in listed
    assert volano("show", "model:champion").code == 0


def test_explain_says_what_each_column_is_and_why(churn: Path, volano: Volano) -> None:
    rows = {row["key"]: row for row in volano("explain", "data", "--json").json["settings"]}
    assert rows["data.fields.kinds.tenure"]["value"] == "number"
    assert rows["data.fields.kinds.since"]["value"] == "date"
    assert rows["data.fields.kinds.customer_id"]["value"] == "id"
    assert "champion's training rows" in rows["data.fields.kinds.plan"]["why"]
    keys = {row["key"] for row in volano("explain", "train", "--json").json["settings"]}
    assert not any(key.startswith("train.encoder") for key in keys)
    assert "adds encoders" not in volano("explain", "train").out


def test_numbers_that_users_correct_are_reviewed_and_their_live_error_is_told(
    prices: Path, volano: Volano
) -> None:
    rows = [ROW | {"tenure": n, "customer_id": f"C{n}"} for n in range(30)]
    with Project.open(prices) as project, served(project) as client:
        asked = client.post("/v1/predict", json={"inputs": rows}).json()["predictions"]
        sent = client.post("/v1/feedback", json={"prediction": asked[0]["id"], "label": 12.5})
        assert sent.json()["recorded"][0]["status"] == "attached"
        wrong = client.post("/v1/feedback", json={"prediction": asked[0]["id"], "label": "dear"})
        assert wrong.status_code == 422
        logged = predictions.list_predictions(project.ledger)
    assert {p.subject for p in logged} == {row["customer_id"] for row in rows}
    assert volano("review", "--export", "todo.csv").code == 0
    with (prices / "todo.csv").open(encoding="utf-8-sig", newline="") as stream:
        todo = list(csv.DictReader(stream))
    assert {"tenure", "plan", "city", "answer", "low", "high", "label"} <= set(todo[0])
    with (prices / "todo.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(todo[0]))
        writer.writeheader()
        writer.writerows({**row, "label": float(row["answer"]) + 10} for row in todo)
    assert volano("review", "--import", "todo.csv").code == 0
    told = volano("status").out
    assert "off by 10 on average (10 to 10), from 20 reviewed answers picked at random" in told
    assert volano("status", "--json").json["live_accuracy"]["mae"]["value"] == pytest.approx(10)


def test_a_precision_is_refused_where_numbers_are_served(prices: Path) -> None:
    from volano.app.http import make_service

    with (
        pytest.raises(ConfigError, match="automatic_precision"),
        Project.open(prices, set=("automatic_precision=0.9",)) as project,
    ):
        make_service(project)
