"""Anomalies through whole turns: nobody has looked, few have, many have; and a person is forgotten.

Frauds are small payments by app in the morning: they stand out in nothing, so only labels tell.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from volano.core.nouns import Dataset, Model, Report
from volano.loop.project import Project
from volano.loop.start import Said, start_project

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Desk
    from volano.core.nouns import Turn

pytestmark = pytest.mark.slow

NUM = 1500
Rows = list[dict[str, str]]


def payments() -> tuple[Rows, list[bool]]:
    """Rows that nobody has looked at, and which are frauds."""
    draw = np.random.default_rng(9)
    rows, is_fraud = [], []
    for number in range(NUM):
        amount, hour = float(draw.lognormal(3.0, 0.5)), int(draw.integers(0, 24))
        way = str(draw.choice(["card", "app"]))
        day = f"2025-03-{1 + number * 30 // NUM:02d}"
        rows.append(
            {"at": f"{day}T{hour:02d}:{int(draw.integers(60)):02d}", "way": way,
             "amount": f"{amount:.2f}", "customer_id": f"C{number % 300:03d}", "checked": ""}
        )  # fmt: skip
        is_fraud.append(way == "app" and amount < 15 and hour < 12)
    return rows, is_fraud


def write(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def look(rows: Rows, is_fraud: list[bool], num_frauds: int, num_ok: int) -> Rows:
    """The same rows, the first so many of each kind looked at."""
    left, told = {True: num_frauds, False: num_ok}, []
    for row, fraud in zip(rows, is_fraud, strict=True):
        said = ("fraud" if fraud else "ok") if left[fraud] > 0 else ""
        left[fraud] -= 1
        told.append({**row, "checked": said})
    return told


def turn(root: Path) -> tuple[Turn, Model, Report]:
    with Project.open(root) as project:
        made = project.turn()
        return made, project.find(Model, "model:latest"), project.find(Report, "report:latest")


def test_labels_come_late_and_teach_what_nobody_could_see(tmp_path: Path) -> None:
    rows, is_fraud = payments()
    file, root = write(tmp_path / "payments.csv", rows), tmp_path / "fraud"
    settings = ("effort=quick", "labels.alerts.share=0.06")
    said = Said(file, task="anomaly-detection", target="checked", set=settings)
    start_project(root, said)

    made, model, report = turn(root)
    assert made.verdict.promotes, made.verdict.because
    assert "unproven" in made.verdict.because[0]
    assert made.verdict.checks["proven"] is False
    assert model.learner == "odd"
    assert report.metrics == {} and report.body["num_examples"] == NUM // 5
    champion = model.hash

    write(file, look(rows, is_fraud, 12, 12))
    made, model, report = turn(root)
    assert "unproven" in made.verdict.because[0], made.verdict.because
    assert model.learner == "odd"
    assert report.body["looked_at"]["rows"] == NUM // 5
    assert 0 < report.body["looked_at"]["known"] < 10

    write(file, look(rows, is_fraud, 75, 500))
    made, model, report = turn(root)
    assert model.learner == "labelled"
    assert made.verdict.promotes, made.verdict.because
    assert made.verdict.effect is not None and made.verdict.effect.low > 0.1
    assert {"roc_auc", "average_precision", "precision_at_budget"} <= set(report.metrics)
    assert report.metrics["roc_auc"].value > 0.95
    with Project.open(root) as project:
        data = project.find(Dataset, "dataset:latest")
        tested = data.rows_in("test").num_rows
        assert tested == NUM // 5  # the frozen test is the same; more of it has been looked at
        assert project.find(Model, "model:champion").hash == model.hash != champion
        answers = project.predict(rows, explain=True)
    called = np.array([answer.labels == ("anomaly",) for answer in answers])
    assert called.mean() <= 0.07  # the budget, but for the chance of what the test rows are
    assert np.array(is_fraud)[called].mean() > 0.9
    assert {answer.explained for answer in answers} == {"anomaly"}
    score = answers[0].scores["anomaly"]
    total = sum(weight for _, weight in answers[0].reasons)
    assert total == pytest.approx(np.log(score / (1 - score)), abs=1e-6)


def test_a_table_without_a_target_is_turned_and_a_person_is_forgotten(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = payments()
    bare = [{name: cell for name, cell in row.items() if name != "checked"} for row in rows[:600]]
    write(tmp_path / "payments.csv", bare)
    monkeypatch.chdir(tmp_path)

    def volano(*words: str) -> str:
        left = desk.command(*words)
        assert left.code == 0, left.err
        return left.out

    told = volano("init", "odd", "--data", "payments.csv", "--task", "anomaly-detection",
                  "--set", "effort=quick")  # fmt: skip
    assert "none is needed" in told
    written = (tmp_path / "odd" / "volano.yaml").read_text("utf-8")
    assert "target" not in written and "alerts:" in written
    monkeypatch.chdir(tmp_path / "odd")
    assert "turn 1: PROMOTE" in volano("turn") and "unproven" in volano("show", "report:latest")
    row = {name: cell for name, cell in bare[0].items() if name != "customer_id"}
    answer = json.loads(volano("predict", json.dumps(row), "--explain", "--json"))
    assert answer["score"] == answer["scores"]["anomaly"]
    assert all("normal" not in reason["says"] for reason in answer["reasons"])

    volano("forget", "--subject", "C007")
    assert "turn 2: PROMOTE" in volano("turn")
    with Project.open(tmp_path / "odd") as project:
        data = project.find(Dataset, "dataset:latest")
        assert "C007" not in data.examples.column("subject").to_pylist()
        assert data.examples.num_rows == 600 - 2
        assert project.find(Model, "model:champion").card["dataset"] == data.hash
