from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from volano.serve.metrics import Board, Metrics
from volano.store.releases import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from volano.store.ledger import Ledger

A = "a" * 64
KEY = "a-key-of-this-test-only"


@pytest.fixture
def url(make_service: Callable[..., Any], serve: Any, ledger: Ledger) -> Iterator[str]:
    promote(ledger, A, because="first", by="test")
    with serve(make_service()) as address:
        yield address


def figures(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_was_asked(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for rows in (1, 3):
            client.post("/v1/predict", json={"inputs": [{"body": "card"}] * rows})
        client.post("/v1/predict", json={"inputs": 3})
        client.get("/nowhere")
        client.get("/healthz")
        answer = client.get("/metrics")
    found = figures(answer.text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert found['volano_requests_total{path="/v1/predict",status="200"}'] == 2
    assert found['volano_requests_total{path="/v1/predict",status="422"}'] == 1
    assert found['volano_requests_total{path="other",status="404"}'] == 1
    assert found['volano_request_seconds_bucket{le="+Inf"}'] == 3
    assert found["volano_rows_total"] == 4
    assert found['volano_ready{worker="0"}'] == 1
    assert found[f'volano_model_info{{worker="0",model="{A}"}}'] == 1
    assert found['process_resident_memory_bytes{worker="0"}'] > 10_000_000
    families = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_workers_are_summed_and_counters_survive_a_restart(tmp_path: Path) -> None:
    def counted(rows: int) -> list[Any]:
        metrics = Metrics()
        metrics.num_rows = rows
        return metrics.counters()

    first, second = Board(tmp_path, 0), Board(tmp_path, 1)
    first.publish(first.with_earlier(counted(5)), [("volano_ready", "", 1)])
    again = Board(tmp_path, 0)  # the worker died and came back
    text = again.text(again.with_earlier(counted(2)), [("volano_ready", "", 0)])
    assert figures(text)["volano_rows_total"] == 7
    again.publish(again.with_earlier(counted(2)), [("volano_ready", "", 0)])
    found = figures(second.text(second.with_earlier(counted(10)), [("volano_ready", "", 1)]))
    assert found["volano_rows_total"] == 17
    assert (found['volano_ready{worker="0"}'], found['volano_ready{worker="1"}']) == (0, 1)
    (tmp_path / "0.json").write_text("{", "utf-8")  # half written: the figures of the others stand
    assert figures(second.text(counted(10), []))["volano_rows_total"] == 10


def test_readyz_waits_for_a_model(make_service: Any, serve: Any, ledger: Ledger) -> None:
    with serve(make_service(), keys=(KEY,)) as url:
        before = httpx.get(f"{url}/readyz")
        guarded = [httpx.get(url + path).status_code for path in ("/metrics", "/docs")]
    assert (before.status_code, before.json()["status"]) == (503, "waiting for a model")
    assert guarded == [401, 401]


def test_paths_that_a_client_makes_up_name_no_figure(
    make_service: Callable[..., Any], serve: Any
) -> None:
    with serve(make_service(), keys=(KEY,)) as url:
        for path in ("/nowhere", "/%22%7d%0avolano_rows_total%209%0a", "/metrics/", "/docs"):
            assert httpx.get(url + path).status_code == 401
        text = httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {KEY}"}).text
    asked = {name for name in figures(text) if name.startswith("volano_requests_total")}
    assert asked == {
        f'volano_requests_total{{path="{path}",status="401"}}' for path in ("/docs", "other")
    }
    assert figures(text)['volano_requests_total{path="other",status="401"}'] == 3
    assert figures(text)["volano_rows_total"] == 0


def test_the_page_loads_nothing_from_elsewhere_and_names_every_path(url: str) -> None:
    page = httpx.get(f"{url}/docs").text
    document = httpx.get(f"{url}/v1/openapi.json").json()
    for path in document["paths"]:
        assert path in page
    assert "src=" not in page
    assert "<link" not in page
    assert document["openapi"] == "3.1.0"
    row = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert row["schema"]["properties"]["inputs"]["items"]["required"] == ["body"]


def test_errors_are_said_in_the_language_that_the_client_reads(url: str) -> None:
    headers = {"accept-language": "zh-CN,zh;q=0.9"}
    answer = httpx.post(f"{url}/v1/predict", json={"inputs": []}, headers=headers)
    assert answer.json()["error"]["what"] == "'inputs' 是空的，不是行的列表"


@pytest.mark.slow
def test_memory_stays_bounded_under_large_bodies(url: str) -> None:
    assert os.name == "posix"
    body = b'{"inputs": [{"body": "' + b"x" * 3_900_000 + b'"}]}'
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(40):
            assert client.post("/v1/predict", content=body, headers=headers).status_code == 200
            if number == 10:
                early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < early + 300_000  # in kB
