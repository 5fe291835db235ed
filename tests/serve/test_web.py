from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.routing import Route

from volano.core.errors import BusyError, StoreError, UserError
from volano.serve import ServeConfig, read_keys
from volano.serve.ledger import LedgerLog
from volano.serve.server import listen
from volano.store import ledger as ledger_module
from volano.store.ledger import Ledger
from volano.store.predictions import find_predictions, list_predictions
from volano.store.releases import promote, rollback

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

A, B = "a" * 64, "b" * 64
KEY = "a-key-of-this-test-only"
JSON = {"content-type": "application/json"}
Make = "Callable[..., PredictionService]"
Serve = Any


def until(is_true: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_true():
            return True
        time.sleep(0.01)
    return False


def test_it_answers_over_http(make_service: Make, serve: Serve, ledger: Ledger) -> None:
    promote(ledger, A, because="first", by="test")
    with serve(make_service()) as url, httpx.Client(base_url=url) as client:
        answer = client.post("/v1/predict", json={"inputs": [{"body": "我的卡"}, {"body": "?"}]})
        model = client.get("/v1/model").json()
        health = client.get("/healthz").json()
    assert answer.status_code == 200
    first, second = answer.json()["predictions"]
    assert (first["label"], first["confidence"], first["unknown"]) == ("card", 0.8, False)
    assert second["unknown"] is True
    assert set(find_predictions(ledger, [first["id"], second["id"]])) == {first["id"], second["id"]}
    assert (model["hash"], model["labels"], model["failed"]) == (A, ["card", "loan"], None)
    assert model["promoted"].endswith("Z")
    assert health == {"status": "ok", "model": A[:12]}


def test_floats_keep_their_last_digit_and_chinese_stays_chinese(
    make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    service = make_service()
    with serve(service) as url:
        answer = httpx.post(f"{url}/v1/predict", json={"inputs": [{"body": "x"}], "explain": True})
    direct = service.source.load(A).predict([{"body": "x"}])[0]
    assert answer.json()["predictions"][0]["scores"] == direct.scores


def test_before_the_first_turn_it_is_healthy_and_says_so(make_service: Make, serve: Serve) -> None:
    with serve(make_service()) as url, httpx.Client(base_url=url) as client:
        health = client.get("/healthz")
        answer = client.post("/v1/predict", json={"inputs": [{"body": "x"}]})
    assert (health.status_code, health.json()["status"]) == (200, "waiting for a model")
    assert answer.status_code == 503
    assert answer.json()["error"]["try"] == "turn the wheel first: volano turn"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status"),
    [
        ("POST", "/v1/predict", b"{", JSON, 400),
        ("POST", "/v1/predict", b"[" * 50_000, JSON, 400),
        ("POST", "/v1/predict", b'{"inputs": [{"body": NaN}]}', JSON, 400),
        ("POST", "/v1/predict", b'{"inputs": [{"body": "\\ud800"}]}', JSON, 400),
        ("POST", "/v1/predict", b"\xff\xfe", JSON, 400),
        ("POST", "/v1/predict", b'{"inputs": [{"body": 1}]}', JSON, 422),
        ("POST", "/v1/predict", b"{}", {"content-type": "text/plain"}, 415),
        ("POST", "/v1/predict", b"{}", {"content-type": ""}, 415),
        ("POST", "/v1/predict", b"{" + b" " * 200_000, JSON, 413),
        ("GET", "/v1/predict", b"", {}, 405),
        ("GET", "/v2/predict", b"", {}, 404),
        ("POST", "/v1/predict/", b"{}", JSON, 404),
    ],
)
def test_every_refusal_says_what_where_and_what_to_try(
    make_service: Make,
    serve: Serve,
    ledger: Ledger,
    method: str,
    path: str,
    content: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    promote(ledger, A, because="first", by="test")
    with serve(make_service(max_body_bytes=100_000)) as url:
        answer = httpx.request(method, url + path, content=content, headers=headers)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"what", "where", "try"}
    assert error["what"]
    assert error["try"]
    assert list_predictions(ledger) == ()


def test_nul_characters_in_a_text_are_kept(
    make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    with serve(make_service()) as url:
        answer = httpx.post(f"{url}/v1/predict", json={"inputs": [{"body": "card\0"}]})
    assert answer.status_code == 200
    assert [p.input for p in list_predictions(ledger)] == [{"body": "card\0"}]


def test_a_body_that_lies_about_its_length_is_cut_off(make_service: Make, serve: Serve) -> None:
    def endless() -> Any:
        for _ in range(200):
            yield b" " * 10_000

    with serve(make_service(max_body_bytes=100_000)) as url:
        answer = httpx.post(f"{url}/v1/predict", content=endless(), headers=JSON)
    assert answer.status_code == 413


def test_a_key_is_asked_for_everywhere_but_for_health(
    make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    body = {"inputs": [{"body": "x"}]}
    with serve(make_service(), keys=(KEY, KEY + "2")) as url, httpx.Client(base_url=url) as client:
        assert client.get("/healthz").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}):
            refused = client.post("/v1/predict", json=body, headers=headers)
            assert refused.status_code == 401
            assert "Authorization: Bearer" in refused.json()["error"]["try"]
        assert client.get("/v1/model").status_code == 401
        for headers in ({"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY + "2"}):
            assert client.post("/v1/predict", json=body, headers=headers).status_code == 200


def test_a_fault_of_ours_shows_nothing_of_its_inside(
    capfd: pytest.CaptureFixture[str], serve: Serve, make_service: Make, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    service = make_service()
    service.columns = type(service.columns)(("body", "missing"))  # the model reads another column
    service.serving = None
    with serve(service) as url:
        service.serving.predictor.text = "elsewhere"
        try:
            answer = httpx.post(
                f"{url}/v1/predict", json={"inputs": [{"body": "x", "missing": "y"}]}
            )
        finally:
            service.serving.predictor.text = "body"
    assert answer.status_code == 500
    assert "elsewhere" not in answer.text
    assert answer.json()["error"]["try"] == "send it again; the server's log says more"


@pytest.mark.slow
def test_no_request_fails_and_each_answer_is_of_one_model_while_models_swap(
    make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    names = {A[:12]: "card", B[:12]: "plastic"}
    seen: set[str] = set()
    wrong: list[object] = []
    stop = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(base_url=url) as client:
            while not stop.is_set():
                answer = client.post("/v1/predict", json={"inputs": [{"body": "card"}] * 3})
                said = answer.json()
                labels = {p["label"] for p in said["predictions"]}
                seen.add(said["model"])
                if answer.status_code != 200 or labels != {names[said["model"]]}:
                    wrong.append(said)

    with serve(make_service()) as url:
        threads = [threading.Thread(target=ask, args=(url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            promote(ledger, B, because="better", by="test")
            time.sleep(0.15)
            rollback(ledger, because="worse", by="test")
            time.sleep(0.15)
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert seen == set(names)


def test_requests_under_way_are_answered_when_it_stops(
    make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    service = make_service()
    begun, go = threading.Event(), threading.Event()
    predictor = service.source.load(A)

    class Slow:
        spec, featuriser = predictor.spec, None

        def predict(self, rows: Any, *, explain: bool = False) -> Any:
            begun.set()
            go.wait(10)
            return predictor.predict(rows, explain=explain)

    slow = make_service(lambda model: Slow())
    answers: list[int] = []

    def ask(url: str) -> None:
        answer = httpx.post(f"{url}/v1/predict", json={"inputs": [{"body": "x"}]})
        answers.append(answer.status_code)

    with serve(slow) as url:
        thread = threading.Thread(target=ask, args=(url,))
        thread.start()
        assert begun.wait(10)
        health = httpx.get(f"{url}/healthz")  # the loop is free while a prediction runs
        assert health.status_code == 200
        threading.Timer(0.3, go.set).start()
    thread.join()
    assert answers == [200]


def test_a_port_in_use_is_said_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BusyError, match="in use") as caught:
            listen(ServeConfig(port=port))
    assert "serve.port" in caught.value.fix


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_others_are_not_let_in_without_a_key(host: str) -> None:
    with pytest.raises(UserError, match="no key") as caught:
        listen(ServeConfig(host=host, port=0))
    assert "VOLANO_KEY" in caught.value.fix


def test_an_address_of_another_machine_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="listen"):
        listen(ServeConfig(host="192.0.2.7", port=0), has_key=True)


def test_short_keys_are_refused_without_being_shown() -> None:
    with pytest.raises(UserError) as caught:
        read_keys("# ok\n\nsecret\n", where="keys.txt")
    assert caught.value.where == "keys.txt:3"
    assert "secret" not in str(caught.value).replace("secrets", "")
    assert read_keys(f"{KEY}\n{KEY}\r\n", where="keys.txt") == (KEY,)


def test_a_file_of_keys_without_a_key_is_refused() -> None:
    with pytest.raises(UserError, match="no key") as caught:
        read_keys("# put a key here\n\n", where="keys.txt", is_needed=True)
    assert caught.value.where == "keys.txt"
    assert read_keys("", where="VOLANO_KEY") == ()


def test_a_log_that_cannot_be_written_fills_up_then_asks_to_come_again_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, make_service: Make, serve: Serve, ledger: Ledger
) -> None:
    promote(ledger, A, because="first", by="test")
    monkeypatch.setattr(ledger_module, "WAIT_SECONDS", 0.05)
    service = make_service()
    service.log.max_rows = 3
    body, answered = {"inputs": [{"body": "x"}]}, []
    with Ledger.open(ledger.path) as hasty, serve(service) as url:
        service.log.store = LedgerLog(hasty)
        with ledger.write():
            for _ in range(3):
                answer = httpx.post(f"{url}/v1/predict", json=body)
                answered.append(answer.json()["predictions"][0]["id"])
            assert until(lambda: service.log.failed != "")
            refused = httpx.post(f"{url}/v1/predict", json=body)
            ready, health = httpx.get(f"{url}/readyz"), httpx.get(f"{url}/healthz")
        assert until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        again = httpx.post(f"{url}/v1/predict", json=body)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert "in use by others" in refused.json()["error"]["what"]
    assert (ready.status_code, health.status_code, again.status_code) == (503, 200, 200)
    assert "not written to the log" in ready.json()["status"]
    assert len(list_predictions(ledger)) == 4
    assert set(find_predictions(ledger, answered)) == set(answered)


def test_errors_of_other_rooms_are_answered_by_their_kind(run_app: Serve) -> None:
    async def busy(request: Request) -> Response:
        raise BusyError("somebody else turns the wheel", fix="wait")

    async def damaged(request: Request) -> Response:
        raise StoreError("/home/ann/.volano/model.json is damaged")

    routes = [Route("/busy", busy), Route("/damaged", damaged)]
    with run_app(routes) as url:
        answer, hidden = httpx.get(f"{url}/busy"), httpx.get(f"{url}/damaged")
    assert (answer.status_code, answer.json()["error"]["try"]) == (409, "wait")
    assert hidden.status_code == 500
    assert "ann" not in hidden.text


SERVER = """
import sys
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from volano.serve import ServeConfig
from volano.serve.server import Server, listen
from volano.serve.web import Gate, web_app

async def hello(request):
    return PlainTextResponse("hello")

config = ServeConfig(port=0)
server = Server(web_app([Route("/", hello)], Gate(config)), config, listen(config))
sys.stdout.write(server.url + "\\n")
sys.stdout.flush()
server.run()
sys.stdout.write("ended")
"""


@pytest.mark.slow
def test_ctrl_c_ends_it_without_a_traceback() -> None:
    command = [sys.executable, "-c", SERVER]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        assert httpx.get(server.stdout.readline().strip()).text == "hello"
        server.send_signal(signal.SIGINT)
        said, complained = server.communicate(timeout=20)
    assert (server.returncode, said, complained) == (0, "ended", "")
