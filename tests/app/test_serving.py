"""``volano serve`` as a user starts it: real processes, killed and stopped for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from volano.compute import usable_cores
from volano.core.nouns import Model
from volano.loop.project import Project
from volano.store.predictions import find_predictions, list_feedback, list_predictions
from volano.store.releases import list_releases, promote, rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow  # starts servers
BODY = {"inputs": [{"body": "where is my parcel"}]}


@contextmanager
def serving(project: Path, *settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "volano", "serve", "--project", str(project)]
    for setting in ("serve.port=0", *settings):
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("listening on "), (first, process.communicate())
        url = first.split()[2]
        assert until(lambda: is_ready(url))
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(is_true: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_true():
            return True
        time.sleep(0.05)
    return False


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def workers_of(parent: int) -> set[int]:
    return set(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()))


class Clients:
    """Threads that ask without end, each over one connection."""

    def __init__(self, url: str, num: int = 3) -> None:
        self.url, self.stop = url, threading.Event()
        self.answered: list[str] = []
        self.models: set[str] = set()
        self.refused: list[object] = []
        self.threads = [threading.Thread(target=self.ask) for _ in range(num)]

    def ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.stop.is_set():
                try:
                    answer = client.post("/v1/predict", json=BODY)
                except httpx.TransportError as error:
                    self.refused.append(error)
                    continue
                if answer.status_code != 200:
                    self.refused.append(answer.text)
                    continue
                self.models.add(answer.json()["model"])
                self.answered.append(answer.json()["predictions"][0]["id"])

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_promotions_and_rollbacks_under_load_fail_no_request_and_every_answer_is_logged(
    tickets: Path,
) -> None:
    with Project.open(tickets) as project:
        first = list_releases(project.ledger)[-1].model
        other = next(model for model in models_of(project) if model != first)
        with serving(tickets, "serve.poll_seconds=0.05") as (process, url):
            with Clients(url) as clients:
                for _ in range(10):
                    promote(project.ledger, other, because="test", by="test")
                    time.sleep(0.2)
                    rollback(project.ledger, because="test", by="test")
                    time.sleep(0.2)
            process.terminate()
            process.wait(30)
        assert clients.refused == []
        assert clients.models == {first[:12], other[:12]}
        assert len(list_predictions(project.ledger)) == len(clients.answered) > 50
        assert len(find_predictions(project.ledger, clients.answered)) == len(clients.answered)
    assert process.returncode == 0


def test_an_encoder_is_promoted_and_rolled_back_under_load_and_no_request_is_refused(
    tickets: Path, tiny_base: Path
) -> None:
    learnt = (f"train.base={tiny_base}", "train.learner=probe")
    with serving(tickets, "serve.poll_seconds=0.05") as (process, url):
        with Project.open(tickets, set=learnt) as project, Clients(url) as clients:
            light = list_releases(project.ledger)[-1].model
            encoder = project.turn().model
            if list_releases(project.ledger)[-1].model == light:
                project.promote(encoder, because="test", forced=True)
            assert answered_by(encoder, url, clients)
            project.rollback(because="test")
            assert answered_by(light, url, clients)
            engine = project.find(Model, encoder).card["engine"]
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert clients.refused == []
    assert engine in ("openvino", "onnx")
    assert (process.returncode, "Traceback" in said) == (0, False), said
    with Project.open(tickets) as project:
        assert len(find_predictions(project.ledger, clients.answered)) == len(clients.answered)


def answered_by(model: str, url: str, clients: Clients) -> bool:
    """Whether the server comes to answer by this model, and from then on by no other."""
    asked = partial(httpx.post, f"{url}/v1/predict", json=BODY)
    if not until(lambda: asked().json()["model"] == model[:12]):
        return False
    time.sleep(0.5)  # what began before is answered by then
    clients.models.clear()
    before = len(clients.answered)
    return until(lambda: len(clients.answered) > before + 20) and clients.models == {model[:12]}


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_under_load_answers_what_is_under_way_and_logs_all_of_it(
    tickets: Path, workers: int
) -> None:
    with serving(tickets, f"serve.workers={workers}") as (process, url), Clients(url) as clients:
        assert until(lambda: len(clients.answered) > 100)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (0, False), said
    with Project.open(tickets) as project:
        assert len(find_predictions(project.ledger, clients.answered)) == len(clients.answered)


def both_are_told(url: str) -> bool:
    figures = httpx.get(f"{url}/metrics").text
    return all(f'worker="{number}"' in figures for number in (0, 1))


def models_of(project: Project) -> list[str]:
    return [path.name for path in (project.root / ".volano/artifacts/model").glob("*/*")]


def test_a_worker_that_is_killed_is_started_again_and_acknowledged_feedback_is_kept(
    tickets: Path,
) -> None:
    acknowledged: list[str] = []
    with serving(tickets, "serve.workers=2") as (process, url):
        assert until(lambda: len(workers_of(process.pid)) == 2)
        for _ in range(3):
            for _ in range(5):
                with httpx.Client(base_url=url, timeout=30) as client:  # any worker answers
                    name = client.post("/v1/predict", json=BODY).json()["predictions"][0]["id"]
                with httpx.Client(base_url=url, timeout=30) as client:
                    sent = {"prediction": name, "label": "delivery"}
                    (kept,) = client.post("/v1/feedback", json=sent).json()["recorded"]
                    assert kept["status"] == "attached"
                    acknowledged.append(name)
            before = workers_of(process.pid)
            os.kill(max(before), signal.SIGKILL)
            assert until(lambda before=before: len(workers_of(process.pid) - before) == 1)
            assert until(lambda: is_ready(url))
        assert until(lambda: both_are_told(url))
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ended with status -9" in said
    with Project.open(tickets) as project:
        assert {sent.prediction for sent in list_feedback(project.ledger)} == set(acknowledged)
        assert set(find_predictions(project.ledger, acknowledged)) == set(acknowledged)


def test_workers_end_with_their_parent(tickets: Path) -> None:
    with serving(tickets, "serve.workers=2") as (process, url):
        workers = workers_of(process.pid)
        share = f"VOLANO_CORES={max(1, usable_cores() // 2)}".encode()
        assert all(share in Path(f"/proc/{pid}/environ").read_bytes() for pid in workers)
        process.kill()
        process.wait()
        assert until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/healthz")


def test_a_port_in_use_is_a_clear_error(tickets: Path) -> None:
    with serving(tickets) as (_, url):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "volano", "serve", "--project", str(tickets)]
        ran = subprocess.run(
            [*command, "--set", f"serve.port={port}"], capture_output=True, text=True, check=False
        )
    assert ran.returncode == 2
    assert "the port is in use by another process" in ran.stderr
    assert "Traceback" not in ran.stderr
