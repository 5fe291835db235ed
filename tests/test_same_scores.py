"""The same inputs through every door give the same scores, to the last digit."""

from __future__ import annotations

import csv
import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest
from tests.tiny import tiny_project, tiny_rows
from typer.testing import CliRunner

from volano.app.cli.main import app
from volano.app.http import make_app, make_service
from volano.core.nouns import Report
from volano.serve.server import Server, listen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.loop.project import Project

Scores = dict[str, float]
ODD = [
    "",
    "password",
    "我的 parcel 还没到 😀",
    "ｆｕｌｌ width refund " * 50,
    "\u200b",
    "退款𠀀",
    "0",
]


pytestmark = pytest.mark.slow  # runs whole turns or servers


@pytest.fixture(scope="module", params=["one label", "several labels"])
def project(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Project]:
    """A project whose first turn was promoted."""
    settings: dict[str, Any] = {"serve": {"port": 0}}
    rows = tiny_rows()
    if request.param == "several labels":
        settings["labels"] = {"separator": ","}
        settings["gate"] = {"metric": "micro_f1"}
        rows = [
            row | {"topic": f"{row['topic']},short" if len(row["body"]) < 20 else row["topic"]}
            for row in rows
        ]
    with tiny_project(tmp_path_factory.mktemp("same") / "p", rows, **settings) as opened:
        verdict = opened.turn().verdict
        assert verdict.promotes, verdict
        yield opened


@pytest.fixture(scope="module")
def asked(project: Project) -> list[str]:
    """The texts of the frozen test examples, in the order of the report, and odd ones."""
    return [*_tested(project), *ODD]


@pytest.fixture(scope="module")
def expected(project: Project, asked: list[str]) -> list[Scores]:
    """What the Python API says, each text by itself."""
    return [dict(project.predict([{"body": text}])[0].scores) for text in asked]


def _tested(project: Project) -> Mapping[str, str]:
    test = project.prepare().labelled("test")
    bodies = [fields["body"] for fields in test.column("fields").to_pylist()]
    return dict(zip(bodies, test.column("id").to_pylist(), strict=True))


def test_the_python_api_answers_alike_alone_and_in_one_batch(
    project: Project, asked: list[str], expected: list[Scores]
) -> None:
    together = project.predict([{"body": text} for text in asked])
    assert [dict(answer.scores) for answer in together] == expected


@pytest.mark.parametrize("size", [1, 4, 100])
def test_http_answers_the_same(
    project: Project, asked: list[str], expected: list[Scores], size: int
) -> None:
    found: list[Scores] = []
    with make_service(project) as service:
        server = Server(
            make_app(project, service), project.config.serve, listen(project.config.serve)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            for start in range(0, len(asked), size):
                inputs = [{"body": text} for text in asked[start : start + size]]
                reply = httpx.post(f"{server.url}/v1/predict", json={"inputs": inputs}, timeout=20)
                assert reply.status_code == 200, reply.text
                found += [one["scores"] for one in reply.json()["predictions"]]
        finally:
            server.stop()
            thread.join()
    assert found == expected


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_a_batch_file_answers_the_same(
    project: Project, asked: list[str], expected: list[Scores], ending: str, tmp_path: Path
) -> None:
    source, out = tmp_path / "asked.jsonl", tmp_path / f"answers.{ending}"
    lines = [json.dumps({"body": text}) for text in asked]
    source.write_text("\n".join(lines), "utf-8")
    command = ["predict", str(source), "--out", str(out), "--project", str(project.root)]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    assert _READ[ending](out) == expected


def test_the_report_holds_the_same(
    project: Project, asked: list[str], expected: list[Scores]
) -> None:
    report = project.find(Report, "report:latest")
    table = pq.read_table(report.folder / "answers.parquet")
    labels = json.loads(table.schema.metadata[b"labels"])
    by_id = {row["id"]: dict(zip(labels, row["scores"], strict=True)) for row in table.to_pylist()}
    tested = _tested(project)
    assert len(tested) > 10
    assert [by_id[name] for name in tested.values()] == expected[: len(tested)]


def _read_parquet(path: Path) -> Sequence[Scores]:
    return [row["scores"] for row in pq.read_table(path).to_pylist()]


def _read_jsonl(path: Path) -> Sequence[Scores]:
    lines = path.read_text("utf-8").split("\n")
    return [json.loads(line)["scores"] for line in lines if line]


def _read_csv(path: Path) -> Sequence[Scores]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [json.loads(row["scores"]) for row in csv.DictReader(stream)]


_READ = {"parquet": _read_parquet, "jsonl": _read_jsonl, "csv": _read_csv}
