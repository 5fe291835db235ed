from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from volano.core.errors import UserError
from volano.feedback import record_feedback
from volano.feedback.routes import feedback_routes
from volano.serve import ServeConfig
from volano.serve.server import Server, listen
from volano.serve.web import Gate, web_app
from volano.store.ledger import Ledger
from volano.store.predictions import add_predictions, list_feedback
from volano.store.subjects import suppress_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from volano.core.nouns import Prediction
    from volano.tasks import TextClassification

    Predicted = Callable[..., Prediction]


@pytest.fixture
def client(ledger: Ledger, task: TextClassification) -> Iterator[httpx.Client]:
    config = ServeConfig(port=0, max_body_bytes=100_000)
    server = Server(web_app(feedback_routes(ledger, task), Gate(config)), config, listen(config))
    thread = threading.Thread(target=server.run)
    thread.start()
    with httpx.Client(base_url=server.url) as opened:
        yield opened
    server.stop()
    thread.join()


def test_one_signal_or_a_list_is_recorded_over_http(
    client: httpx.Client, ledger: Ledger, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p1")])
    one = client.post("/v1/feedback", json={"prediction": "p1", "label": "贷款", "by": "安"})
    assert one.status_code == 200
    (first,) = one.json()["recorded"]
    assert (first["prediction"], first["status"]) == ("p1", "attached")
    several = client.post(
        "/v1/feedback",
        json=[
            {"prediction": "p1", "label": "贷款", "by": "安"},
            {"prediction": "p1", "score": 1, "comment": "好"},
            {"prediction": "nobody", "label": ["loan"]},
            {"prediction": "p1", "score": 1, "comment": "好", "label": None},
        ],
    )
    said = [row["status"] for row in several.json()["recorded"]]
    assert said == ["repeated", "attached", "unknown-prediction", "repeated"]
    kept = list_feedback(ledger)
    assert len(kept) == 5
    assert kept[-1].label == ("贷款",)


def test_feedback_that_came_before_its_prediction_attaches_later(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    (early,) = record_feedback(ledger, task, {"prediction": "p1", "label": "card"})
    assert early["status"] == "unknown-prediction"
    add_predictions(ledger, [predicted("p1")])
    assert [sent.status for sent in list_feedback(ledger)] == ["attached"]


def test_a_sender_is_told_that_words_about_an_erased_person_are_not_kept(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p1")])
    with ledger.write() as connection:
        suppress_within(connection, "C-0252", reason="asked", by="ann")
    signal = {"prediction": "p1", "label": "loan", "comment": "C-0252 called"}
    (told,) = record_feedback(ledger, task, signal)
    assert told["status"] == "attached"
    assert "not kept" in told["note"]
    (plain,) = record_feedback(ledger, task, signal | {"comment": "called"})
    assert "note" not in plain


def test_a_corrected_output_that_is_no_label_is_kept_and_the_sender_is_told(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p1")])
    sent = [
        {"prediction": "p1", "output": " loan "},
        {"prediction": "p1", "output": "Dear Ann, your loan is on its way"},
        {"prediction": "nobody", "output": "some text"},
        {"prediction": "p1", "label": "loan", "output": "some text"},
    ]
    said = record_feedback(ledger, task, sent)
    assert ["note" in row for row in said] == [False, True, False, False]
    assert "send 'label'" in said[1]["note"]
    assert len(list_feedback(ledger)) == 4


GOOD: dict[str, Any] = {"prediction": "p1", "label": "card"}


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        (3, "body"),
        ([], "body"),
        ([GOOD] * 6, "body"),
        ([GOOD, "x"], "body[1]"),
        ([GOOD, {"label": "card"}], "body[1].prediction"),
        ([GOOD, {"prediction": "p1"}], "body[1]"),
        ([GOOD, {"prediction": "p1", "by": "ann"}], "body[1]"),
        ([GOOD, {"prediction": 7, "label": "card"}], "body[1].prediction"),
        ([GOOD, {"prediction": "p" * 201, "label": "card"}], "body[1].prediction"),
        ({"prediction": "p1", "lable": "card"}, "body"),
        ({"prediction": "p1", "label": ""}, "body.label"),
        ({"prediction": "p1", "label": []}, "body.label"),
        ({"prediction": "p1", "label": {"a": 1}}, "body.label"),
        ({"prediction": "p1", "label": ["card", "loan"]}, "body.label"),
        ({"prediction": "p1", "label": "a\0"}, "body.label"),
        ({"prediction": "p1", "score": "1"}, "body.score"),
        ({"prediction": "p1", "score": True}, "body.score"),
        ({"prediction": "p1", "score": 10**400}, "body.score"),
        ({"prediction": "p1", "comment": ["x"]}, "body.comment"),
        ({"prediction": "p1", "label": "card", "by": "b" * 201}, "body.by"),
    ],
)
def test_a_wrong_signal_is_named_and_nothing_of_the_request_is_kept(
    sent: object, where: str, ledger: Ledger, task: TextClassification
) -> None:
    with pytest.raises(UserError, match=None) as caught:
        record_feedback(ledger, task, sent, max_batch=5)
    assert caught.value.where == where
    assert caught.value.fix
    assert list_feedback(ledger) == ()


def test_several_labels_are_split_where_the_project_has_a_separator(
    ledger: Ledger, many: TextClassification
) -> None:
    record_feedback(ledger, many, {"prediction": "p1", "label": "joy | love|joy"})
    record_feedback(ledger, many, {"prediction": "p2", "label": ["fear", "love"]})
    assert [sent.label for sent in list_feedback(ledger)] == [("fear", "love"), ("joy", "love")]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"prediction": "p1", "score": NaN}', 400),
        (b'{"prediction": "p1", "label": "\\ud800"}', 400),
        (b"[" * 5000, 400),
        (b'[{"prediction": "p1", "label": "' + b"x" * 100_000 + b'"}]', 413),
        (b"null", 422),
    ],
)
def test_hostile_feedback_is_refused_and_the_server_lives(
    content: bytes, status: int, client: httpx.Client, ledger: Ledger
) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/feedback", content=content, headers=headers)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"what", "where", "try"}
    assert client.post("/v1/feedback", json=GOOD).status_code == 200
    assert len(list_feedback(ledger)) == 1


SERVER = """
import sys
from pathlib import Path
from volano.feedback.routes import feedback_routes
from volano.serve import ServeConfig
from volano.serve.server import Server, listen
from volano.serve.web import Gate, web_app
from volano.store.ledger import Ledger
from volano.tasks import TextClassification

config = ServeConfig(port=0)
routes = feedback_routes(Ledger.open(Path(sys.argv[1])), TextClassification())
server = Server(web_app(routes, Gate(config)), config, listen(config))
sys.stdout.write(server.url + "\\n")
sys.stdout.flush()
server.run()
"""


@pytest.mark.slow
def test_acknowledged_feedback_survives_kill_minus_nine(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    acknowledged: list[int] = []
    for _ in range(2):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        with server, httpx.Client(base_url=server.stdout.readline().strip()) as client:
            for number in range(5):
                sent = [{"prediction": f"p{number}", "label": "card"}] * 2
                answer = client.post("/v1/feedback", content=json.dumps(sent), headers=JSON)
                acknowledged += [row["id"] for row in answer.json()["recorded"]]
            os.kill(server.pid, signal.SIGKILL)
    with Ledger.open(path) as ledger:
        kept = {sent.id for sent in list_feedback(ledger)}
    assert len(acknowledged) == 20
    assert set(acknowledged) <= kept


JSON = {"content-type": "application/json"}
