"""Requests a second, with logging on, under ``wrk``; promotions under load; ratios to others.

``python benchmarks/serving.py`` needs wrk (``apt install wrk``) and about two minutes. LitServe and
BentoML with the same Predictor are measured turn about with volano by ``--others that/bin/python``,
an environment of their own: ``pip install . litserve bentoml``. Rows of a table are asked by
``--data adult.csv --learner trees``. Exit code 1: a request failed, or an answer is not in the
ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import absolute

from volano.core.nouns import Dataset, Model
from volano.loop.project import Project
from volano.models import Predictor
from volano.store import releases
from volano.store.predictions import list_predictions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TICKETS = ROOT / "examples" / "support-tickets" / "tickets.csv"
BANKING = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"
LUA = """
local lines, n = {}, 0
for line in io.lines("BODIES") do lines[#lines + 1] = line end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function() n = n + 1; return wrk.format(nil, nil, nil, lines[(n % #lines) + 1]) end
done = function(summary)
  io.write(string.format("ANSWERED %d\\n", summary.requests - summary.errors.status))
end
"""
LITSERVE = """
import json, sys
import litserve
from pathlib import Path
from volano.models import Predictor

class Api(litserve.LitAPI):
    def setup(self, device):
        self.predictor = Predictor.load(Path(sys.argv[1]))
    def decode_request(self, request):
        return request["inputs"]
    def predict(self, rows):
        return self.predictor.predict(rows)
    def encode_response(self, answers):
        return {"predictions": [dict(a.scores) for a in answers]}

if __name__ == "__main__":
    api = Api(api_path="/v1/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, log_level="warning",
               generate_client_file=False)
"""
BENTOML = """
import os
from pathlib import Path
import bentoml
from volano.models import Predictor

@bentoml.service(workers=1, traffic={"timeout": 30}, metrics={"enabled": False})
class Answer:
    def __init__(self) -> None:
        self.predictor = Predictor.load(Path(os.environ["BUNDLE"]))

    @bentoml.api(route="/v1/predict")
    def predict(self, inputs: list[dict]) -> dict:
        answers = self.predictor.predict(inputs)
        return {"predictions": [dict(a.scores) for a in answers]}
"""


@dataclass(frozen=True)
class Load:
    """What wrk said of one run; milliseconds."""

    per_second: float
    p50: float
    p99: float
    answered: int
    failed: int


@dataclass
class Scene:
    """A turned project, its bundle, and what is asked of it."""

    folder: Path
    bundle: Path
    rows: list[dict[str, Any]]
    script: Path
    seconds: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=BANKING if BANKING.exists() else TICKETS)
    parser.add_argument("--learner", default="linear")
    parser.add_argument("--seconds", type=int, default=8, help="of each run of wrk")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each server, turn about")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--others", type=absolute, help="a Python with LitServe and BentoML")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("nothing is measured: wrk is not installed: apt install wrk, or brew install wrk")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        scene = make_scene(Path(scratch), options.data, options.learner, options.seconds)
        bare = bare_loop(scene)
        print(f"bare Predictor, one row after another: {bare:,.0f} rows/s ({load_average()})")
        failed = measure(scene, options.workers)
        failed += promotions(scene, options.workers)
        compare(scene, options, bare)
    return 1 if failed else 0


def make_scene(scratch: Path, data: Path, learner: str, seconds: int) -> Scene:
    """Train a model, and one more to promote."""
    folder = scratch / "project"
    volano = (sys.executable, "-m", "volano")
    settings = ("--set", "effort=quick", "--set", f"train.learner={learner}")
    subprocess.run([*volano, "init", str(folder), "--data", str(data), *settings], check=True,
                   capture_output=True)  # fmt: skip
    subprocess.run([*volano, "turn", "--project", str(folder)], check=False, capture_output=True)
    with Project.open(folder) as project:
        champion = releases.champion(project.ledger)
        if champion is None:
            raise SystemExit("the turn promoted nothing: volano turn says why")
        bundle = project.store.open(Model, champion.model).folder
        table = project.find(Dataset, "dataset:latest").labelled("train").slice(0, 3000)
        reads = Predictor.load(bundle).spec.reads
    rows = [{name: row[name] for name in reads} for row in table.column("fields").to_pylist()]
    bodies = scratch / "bodies.jsonl"
    bodies.write_text("".join(json.dumps({"inputs": [row]}) + "\n" for row in rows), "utf-8")
    script = scratch / "post.lua"
    script.write_text(LUA.replace("BODIES", str(bodies)), "utf-8")
    return Scene(folder, bundle, rows, script, seconds)


def bare_loop(scene: Scene) -> float:
    """Rows a second of the Predictor alone, single rows in a loop; the best of three."""
    predictor = Predictor.load(scene.bundle)
    rates = []
    for _ in range(3):
        began, rows = time.perf_counter(), scene.rows[:1000]
        for row in rows:
            predictor.predict([row])
        rates.append(len(rows) / (time.perf_counter() - began))
    return max(rates)


@contextmanager
def served(scene: Scene, workers: int) -> Iterator[str]:
    """The project behind ``volano serve``; stopped as a user stops it."""
    command = [sys.executable, "-m", "volano", "serve", "--project", str(scene.folder)]
    settings = ("serve.port=0", "serve.poll_seconds=0.1", f"serve.workers={workers}")
    for setting in settings:
        command += ["--set", setting]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[2]
    wait_for(f"{url}/readyz")
    try:
        yield url
    finally:
        process.terminate()
        process.wait(60)


def wait_for(url: str, body: bytes | None = None, seconds: float = 120) -> None:
    """Until the address answers 200."""
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def wrk(scene: Scene, url: str, connections: int) -> Load:
    """One run of the load generator."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{scene.seconds}s", "--latency", "-s",
               str(scene.script), f"{url}/v1/predict"]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {name: _ms(said, name) for name in ("50%", "99%")}
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", said)
    num_failed = int(failed[1]) if failed else 0
    num_failed += sum(map(int, broken.groups())) if broken else 0
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    answered = int(re.search(r"ANSWERED (\d+)", said)[1])  # type: ignore[index]
    return Load(rate, found["50%"], found["99%"], answered, num_failed)


def _ms(said: str, name: str) -> float:
    value, unit = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def measure(scene: Scene, workers: int) -> int:
    """One client, then 32; afterwards the ledger holds what was answered."""
    before = num_logged(scene)
    with served(scene, workers) as url:
        loads = {connections: wrk(scene, url, connections) for connections in (1, 32)}
    for connections, load in loads.items():
        print(
            f"{connections:>2} connections: {load.per_second:>7,.0f} requests/s, "
            f"p50 {load.p50:.2f} ms, p99 {load.p99:.2f} ms, {load.failed} failed ({load_average()})"
        )
    logged, answered = num_logged(scene) - before, sum(load.answered for load in loads.values())
    # wrk hangs up at its end: an answer to each connection may still be on its way.
    is_whole = answered <= logged <= answered + sum(loads)
    print(f"answered {answered:,}, in the ledger {logged:,}: {'all' if is_whole else 'NOT ALL'}")
    return sum(load.failed for load in loads.values()) + (not is_whole)


def num_logged(scene: Scene) -> int:
    """Predictions in the ledger."""
    with Project.open(scene.folder) as project, project.ledger.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM predictions").scalar_one())


def promotions(scene: Scene, workers: int) -> int:
    """Twenty promotions and rollbacks under load."""
    with Project.open(scene.folder) as project:
        champion = releases.champion(project.ledger)
        assert champion is not None
        models = (project.root / ".volano" / "artifacts" / "model").glob("*/*")
        other = next(path.name for path in models if path.name != champion.model)
        loads: list[Load] = []
        since = time.time()
        with served(scene, workers) as url:
            load = threading.Thread(target=lambda: loads.append(wrk(scene, url, 32)))
            load.start()
            for _ in range(10):
                releases.promote(project.ledger, other, because="benchmark", by="benchmark")
                time.sleep(scene.seconds / 22)
                releases.rollback(project.ledger, because="benchmark", by="benchmark")
                time.sleep(scene.seconds / 22)
            load.join()
        used = {
            found.model for found in list_predictions(project.ledger, since=since, limit=50_000)
        }
    (found,) = loads
    print(
        f"20 promotions and rollbacks: {found.answered:,} answered by {len(used)} models, "
        f"{found.failed} failed, {found.per_second:,.0f} requests/s ({load_average()})"
    )
    return found.failed + (len(used) != 2)


@contextmanager
def other_server(scene: Scene, name: str, python: Path) -> Iterator[str]:
    """LitServe or BentoML with the same Predictor in one worker, which logs nothing."""
    folder, port = scene.folder.parent, {"litserve": 8761, "bentoml": 8762}[name]
    source = folder / f"{name}_service.py"
    source.write_text({"litserve": LITSERVE, "bentoml": BENTOML}[name], "utf-8")
    environment = {**os.environ, "BUNDLE": str(scene.bundle), "PYTHONPATH": str(ROOT / "src"),
                   "BENTOML_DO_NOT_TRACK": "True", "HOME": str(folder)}  # fmt: skip
    command = {
        "litserve": [str(python), str(source), str(scene.bundle), str(port)],
        "bentoml": [str(python), "-m", "bentoml", "serve", f"{source.stem}:Answer", "--host",
                    "127.0.0.1", "--port", str(port)],
    }[name]  # fmt: skip
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"
        try:
            body = json.dumps({"inputs": scene.rows[:1]}).encode()
            wait_for(f"{url}/v1/predict", body)
            yield url
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def compare(scene: Scene, options: Any, bare: float) -> None:
    """Requests a second at 32 connections, turn about; volano logs, the others do not."""
    rates: dict[str, list[float]] = {"volano": []}
    if options.others is None:
        print("LitServe, BentoML: not measured; --others PYTHON, one after: "
              "pip install . litserve bentoml")  # fmt: skip
    else:
        rates |= {"litserve": [], "bentoml": []}
    for _ in range(options.pairs):
        for name, found in rates.items():
            with (
                served(scene, options.workers)
                if name == "volano"
                else other_server(scene, name, options.others) as url
            ):
                found.append(wrk(scene, url, 32).per_second)
    ours = statistics.median(rates["volano"])
    print(f"volano over the bare loop of single rows: {ours / bare:.2f} ({load_average()})")
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:<9} {middle:>7,.0f} requests/s; volano is {ours / middle:.1f} times that "
              f"({min(found):,.0f} to {max(found):,.0f} in {len(found)} runs)")  # fmt: skip


def load_average() -> str:
    return f"load average {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
