from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pyarrow.parquet as pq
from tests.tiny import tiny_rows

from volano.app.http import make_app, make_service
from volano.core.nouns import Model, Report
from volano.loop.batch import predict_file
from volano.loop.project import Project
from volano.serve.server import Server, listen
from volano.store import predictions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def served(project: Project) -> Iterator[httpx.Client]:
    """The project behind a real socket."""
    config = project.config.serve.model_copy(update={"port": 0})
    with make_service(project) as service:
        server = Server(make_app(project, service), config, listen(config))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            with httpx.Client(base_url=server.url, trust_env=False) as client:
                yield client
        finally:
            server.stop()
            thread.join()


def test_one_text_has_one_score_over_http_in_python_in_a_batch_and_in_the_report(
    tickets: Path,
) -> None:
    with Project.open(tickets) as project:
        report = project.find(Report, "report:champion")
        kept = pq.read_table(report.folder / "answers.parquet")
        held = project.prepare().labelled("test")
        rows = [{"body": fields["body"]} for fields in held.column("fields").to_pylist()]
        assert kept.column("id").to_pylist() == held.column("id").to_pylist()
        by_report = kept.column("scores").to_pylist()

        labels = sorted({row["topic"] for row in tiny_rows()})
        by_python = [[answer.scores[name] for name in labels] for answer in project.predict(rows)]

        (tickets / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        predict_file(project, tickets / "q.jsonl", tickets / "a.jsonl", "model:champion")
        lines = (tickets / "a.jsonl").read_text("utf-8").splitlines()
        by_batch = [[json.loads(line)["scores"][name] for name in labels] for line in lines]

        with served(project) as client:
            said = client.post("/v1/predict", json={"inputs": rows}).json()
        by_http = [[answer["scores"][name] for name in labels] for answer in said["predictions"]]
        assert said["model"] == project.find(Model, "model:champion").short
    assert by_http == by_python == by_batch == by_report


def test_feedback_over_http_is_kept_and_attached(tickets: Path) -> None:
    with Project.open(tickets) as project, served(project) as client:
        asked = client.post("/v1/predict", json={"inputs": [{"body": "where is my parcel"}]})
        (answer,) = asked.json()["predictions"]
        sent = client.post("/v1/feedback", json={"prediction": answer["id"], "label": "delivery"})
        assert sent.status_code in (200, 201)
        (kept,) = predictions.list_feedback(project.ledger)
        assert (kept.prediction, kept.label) == (answer["id"], ("delivery",))
        wrong = client.post("/v1/predict", json={"inputs": "no list"})
        assert wrong.status_code == 422
        assert wrong.json()["error"].keys() == {"what", "where", "try"}
