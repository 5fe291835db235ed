"""An encoder over HTTP against LitServe and BentoML with sentence-transformers, and a bare loop.

``python benchmarks/encoder_serving.py --others that/bin/python`` needs wrk and an environment with
``pip install litserve bentoml sentence-transformers``; ``--project`` takes a project whose champion
is an encoder, else a probe of ``--base`` is trained on ``--data`` (a minute or two). Every server
answers single texts by the same model: volano in the form that export chose, the others by the
float32 weights that it came from, batched as their manuals do it. Turn about, at several numbers of
connections: volano's rate is the best with p99 within ``--p99``, the others' the best of all.
Exit code 1: a goal is missed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.numpy import save_file
from serving import BANKING, LUA, Scene, load_average, served, wait_for, wrk
from shared import absolute, minilm, ratio

from volano.core.nouns import Model
from volano.loop.project import Project
from volano.models import Predictor
from volano.models.bundle import read_arrays, read_spec
from volano.store import releases

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL_OTHERS, GOAL_BARE, GOAL_AGREEMENT = 5.0, 0.95, 0.995
CONNECTIONS = (1, 4, 8, 16, 32)
PORTS = {"litserve": 8763, "bentoml": 8764}
# What both of the others load: the encoder in float32 by sentence-transformers, and the head.
MODEL = """
import json, os
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer, models

class Encoder:
    def __init__(self, folder):
        told = json.loads((folder / "told.json").read_text())
        body = models.Transformer(str(folder / "body"), max_seq_length=told["max_tokens"])
        width = body.get_word_embedding_dimension()
        pooling = models.Pooling(width, pooling_mode=told["pooling"])
        self.encoder = SentenceTransformer(modules=[body, pooling], device="cpu")
        head = load_file(folder / "head.safetensors")
        self.weight, self.bias = head["weight"].T, head["bias"]
        self.is_cosine, self.labels = told["head"] == "cosine", told["labels"]

    def answer(self, texts):
        pooled = self.encoder.encode(texts, batch_size=64, normalize_embeddings=self.is_cosine,
                                     show_progress_bar=False)
        values = (20.0 if self.is_cosine else 1.0) * pooled @ self.weight + self.bias
        return [self.labels[place] for place in values.argmax(axis=1)]
"""
LITSERVE = """
import sys
from pathlib import Path
import litserve
from encoder_model import Encoder

class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = Encoder(Path(sys.argv[1]))
    def decode_request(self, request):
        return request["text"]
    def batch(self, texts):
        return list(texts)
    def predict(self, texts):
        return self.model.answer(texts)
    def unbatch(self, labels):
        return labels
    def encode_response(self, label):
        return {"label": label}

if __name__ == "__main__":
    api = Api(api_path="/v1/predict", max_batch_size=32, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, log_level="warning",
               generate_client_file=False)
"""
BENTOML = """
import os
from pathlib import Path
import bentoml
from encoder_model import Encoder

@bentoml.service(workers=1, traffic={"timeout": 60}, metrics={"enabled": False})
class Answer:
    def __init__(self) -> None:
        self.model = Encoder(Path(os.environ["ENCODER"]))

    @bentoml.api(route="/v1/predict", batchable=True, max_batch_size=32, max_latency_ms=1000)
    def predict(self, text: list[str]) -> list[str]:
        return self.model.answer(text)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, help="a project whose champion is an encoder")
    parser.add_argument("--base", help="of the probe that is trained without it; MiniLM's package")
    parser.add_argument("--data", type=Path, default=BANKING)
    parser.add_argument("--seconds", type=int, default=8, help="of each run of wrk")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--p99", type=float, default=50.0, help="milliseconds")
    parser.add_argument("--others", type=absolute, help="a Python with LitServe, BentoML, ...")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("nothing is measured: wrk is not installed: apt install wrk, or brew install wrk")
        return 0
    if not options.data.is_file():
        print(f"error: there is no file {options.data}\n  try  --data FILE", file=sys.stderr)
        return 2
    options.base = options.base or minilm()
    with tempfile.TemporaryDirectory() as scratch:
        scene, native = make_scene(Path(scratch), options)
        return measure(scene, native, options)


def make_scene(scratch: Path, options: Any) -> tuple[Scene, Path]:
    """A project whose champion is an encoder, what is asked of it, and its native bundle."""
    folder = options.project or train(scratch / "project", options.data, options.base)
    model, native = champion_of(folder)
    column = read_spec(model.folder).text[0]
    with options.data.open(encoding="utf-8", newline="") as stream:
        rows = [{column: row[column]} for row in csv.DictReader(stream)][:3000]
    script = write_script(scratch, "volano", [{"inputs": [row]} for row in rows])
    print(f"{model.ref}: {model.card['engine']} {model.card['form']}, {len(model.card['labels'])} "
          f"labels")  # fmt: skip
    return Scene(folder, model.folder, rows, script, options.seconds), native


def champion_of(folder: Path) -> tuple[Model, Path]:
    """The encoder that answers for a project, and the folder of its native bundle."""
    with Project.open(folder) as project:
        champion = releases.champion(project.ledger)
        if champion is None:
            raise SystemExit("the project has no champion: volano turn says why")
        model = project.store.open(Model, champion.model)
        if model.card.get("engine") not in ("onnx", "openvino"):
            raise SystemExit(f"the champion is no encoder: {model}")
        return model, project.store.open(Model, model.card["native"]).folder


def train(folder: Path, data: Path, base: str) -> Path:
    """A probe; forced to be champion if the judge would rather wait."""
    volano = (sys.executable, "-m", "volano")
    settings = ("--set", "train.learner=probe", "--set", f"train.base={base}")
    subprocess.run([*volano, "init", str(folder), "--data", str(data), *settings],
                   check=True, capture_output=True)  # fmt: skip
    at = ("--project", str(folder))
    subprocess.run([*volano, "turn", *at], check=False, capture_output=True)
    because = ("--force", "--because", "benchmark")
    subprocess.run([*volano, "promote", "model:latest", *because, *at], check=False,
                   capture_output=True)  # fmt: skip
    return folder


def write_script(scratch: Path, name: str, bodies: list[dict[str, Any]]) -> Path:
    """What wrk posts."""
    lines = scratch / f"{name}.jsonl"
    lines.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
    script = scratch / f"{name}.lua"
    script.write_text(LUA.replace("BODIES", str(lines)), "utf-8")
    return script


def bare_loop(scene: Scene, seconds: float) -> float:
    """Texts a second of the engine alone, as many threads asking as there are cores."""
    engine = Predictor.load(scene.bundle).engine
    texts = [next(iter(row.values())) for row in scene.rows]
    engine.decide(texts[:100])
    began, answered = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        engine.decide([texts[(answered + place) % len(texts)] for place in range(100)])
        answered += 100
    return answered / (time.perf_counter() - began)


def write_native(native: Path, folder: Path) -> None:
    """The encoder as trained, in the files that sentence-transformers reads."""
    spec, arrays = read_spec(native), read_arrays(native)
    (folder / "body").mkdir(parents=True)
    named = {name.removeprefix("module."): found for name, found in arrays.items()}
    body = {name.removeprefix("body."): w for name, w in named.items() if name.startswith("body.")}
    save_file(body, folder / "body" / "model.safetensors", {"format": "pt"})
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(native / name, folder / "body" / name)
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]",
                 "model_max_length": spec.settings["max_tokens"]}  # fmt: skip
    (folder / "body" / "tokenizer_config.json").write_text(json.dumps(tokenizer), "utf-8")
    head = {"weight": named["head.weight"], "bias": named["head.bias"]}
    save_file(head, folder / "head.safetensors")
    told = {**spec.settings, "labels": list(spec.labels)}
    (folder / "told.json").write_text(json.dumps(told), "utf-8")
    (folder / "encoder_model.py").write_text(MODEL, "utf-8")
    for name, source in (("litserve", LITSERVE), ("bentoml", BENTOML)):
        (folder / f"{name}_service.py").write_text(source, "utf-8")


@contextmanager
def other_server(name: str, folder: Path, python: Path, text: str) -> Iterator[str]:
    """LitServe or BentoML in one worker."""
    port = PORTS[name]
    environment = {**os.environ, "ENCODER": str(folder), "BENTOML_DO_NOT_TRACK": "True",
                   "HOME": str(folder), "HF_HUB_OFFLINE": "1"}  # fmt: skip
    command = {
        "litserve": [str(python), f"{name}_service.py", str(folder), str(port)],
        "bentoml": [str(python), "-m", "bentoml", "serve", f"{name}_service:Answer", "--host",
                    "127.0.0.1", "--port", str(port)],
    }[name]  # fmt: skip
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/v1/predict", json.dumps(body_of(name, text)).encode())
            yield url
        except OSError as error:
            raise SystemExit((folder / f"{name}.log").read_text("utf-8")[-3000:]) from error
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def body_of(name: str, text: str) -> dict[str, Any]:
    """A request for one text; BentoML's batches are lists from the client on."""
    return {"text": [text] if name == "bentoml" else text}


def labels_of(url: str, bodies: list[dict[str, Any]]) -> list[str]:
    """The top label of each of these requests."""

    def ask(body: dict[str, Any]) -> str:
        request = urllib.request.Request(f"{url}/v1/predict", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        if isinstance(found, list):
            return str(found[0])
        if "label" in found:
            return str(found["label"])
        scores = found["predictions"][0]["scores"]
        return str(max(scores, key=scores.__getitem__))

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(ask, bodies))


def measure(scene: Scene, native: Path, options: Any) -> int:
    """Rates of all sides turn about; the exit code."""
    texts = [next(iter(row.values())) for row in scene.rows]
    folder = scene.script.parent / "others"
    write_native(native, folder)
    rates: dict[str, list[float]] = {"bare": [], "volano": []}
    answered: dict[str, list[str]] = {}
    others = () if options.others is None else tuple(PORTS)
    if not others:
        print("LitServe, BentoML: not measured; --others PYTHON, one after: "
              "pip install litserve bentoml sentence-transformers")  # fmt: skip
    for pair in range(options.pairs):
        rates["bare"].append(bare_loop(scene, scene.seconds))
        with served(scene, 1) as url:
            rates["volano"].append(best_rate("volano", scene, url, options.p99))
            if pair == 0:
                answered["volano"] = labels_of(url, [{"inputs": [row]} for row in scene.rows])
        for name in others:
            bodies = [body_of(name, text) for text in texts]
            theirs = replace(scene, script=write_script(scene.script.parent, name, bodies))
            with other_server(name, folder, options.others, texts[0]) as url:
                rates.setdefault(name, []).append(best_rate(name, theirs, url, None))
                if pair == 0:
                    answered[name] = labels_of(url, bodies)
    return tell(rates, answered)


def best_rate(name: str, scene: Scene, url: str, p99: float | None) -> float:
    """The best requests a second over the numbers of connections; with p99 within the limit."""
    best = 0.0
    for connections in CONNECTIONS:
        load = wrk(scene, url, connections)
        is_kept = load.failed == 0 and (p99 is None or load.p99 <= p99)
        print(f"  {name:<9}{connections:>3} connections {load.per_second:>8,.0f}/s  p50 "
              f"{load.p50:>7.1f} ms  p99 {load.p99:>7.1f} ms  {load.failed} failed "
              f"({load_average()})", flush=True)  # fmt: skip
        best = max(best, load.per_second) if is_kept else best
    return best


def tell(rates: dict[str, list[float]], answered: dict[str, list[str]]) -> int:
    """The table, and whether goals are met."""
    goals = {"bare": GOAL_BARE, "litserve": GOAL_OTHERS, "bentoml": GOAL_OTHERS}
    missed = 0
    for name, goal in goals.items():
        if name not in rates:
            continue
        middle, low, high = ratio(rates["volano"], rates[name])
        said = f"volano over {name:<9}{middle:>7.2f} ({low:.2f} to {high:.2f}, goal "
        said += f"{goal:g}), {statistics.median(rates[name]):,.0f}/s"
        if name in answered:
            both = zip(answered["volano"], answered[name], strict=True)
            share = statistics.fmean(mine == other for mine, other in both)
            said += f", top-1 agreement {share:.4f} (goal {GOAL_AGREEMENT:g})"
            missed += share < GOAL_AGREEMENT
        missed += middle < goal
        print(said)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
