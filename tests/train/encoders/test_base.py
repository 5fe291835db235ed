from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from tests.tiny_encoder import FAMILIES, WIDTH, tiny_encoder, tiny_tokenizer

from volano.core.errors import ConfigError, MissingExtraError
from volano.core.events import Event, Events
from volano.train.encoders import base as bases
from volano.train.encoders.base import (
    default_base,
    licence_of,
    most_tokens,
    open_base,
    stated_pooling,
    tokenizer_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = {"model_type": "bert", "hidden_size": 32, "max_position_embeddings": 130}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base that looks right to whatever does not load it: no torch is needed to make it."""
    import numpy as np
    from safetensors.numpy import save_file

    made = tmp_path / "base"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_bytes(tiny_tokenizer())
    save_file({"weight": np.ones((2, 2), np.float32)}, made / "model.safetensors")
    return made


def opened(name: Path | str, root: Path = Path(), log: Events | None = None) -> Any:
    return open_base(str(name), "en", root, log or Events())


def pooling(folder: Path, told: dict[str, Any]) -> None:
    part = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (folder / "modules.json").write_text(json.dumps([part]))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))


def test_a_relative_folder_counts_from_the_project(folder: Path, tmp_path: Path) -> None:
    assert opened("base", tmp_path).folder == folder.resolve()
    assert opened("./base", tmp_path).hash == opened(folder).hash


def test_whatever_shapes_an_answer_shapes_the_hash(folder: Path) -> None:
    before = opened(folder).hash
    (folder / "README.md").write_text("Another word.")
    assert opened(folder).hash == before
    seen = {before}
    for name in ("config.json", "tokenizer.json"):
        path = folder / name
        path.write_text(path.read_text().replace("{", "{ ", 1))
        seen.add(opened(folder).hash)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    seen.add(opened(folder).hash)
    pooling(folder, {"pooling_mode_cls_token": True})
    seen.add(opened(folder).hash)
    pooling(folder, {"pooling_mode_mean_tokens": True})
    seen.add(opened(folder).hash)
    assert len(seen) == 6


def test_the_hash_goes_by_content_and_not_by_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").hash == opened(folder).hash


@pytest.mark.parametrize(
    ("told", "stated"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, None),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, None),
    ],
)
def test_the_pooling_is_the_one_that_the_base_states(
    folder: Path, told: dict[str, Any], stated: str | None
) -> None:
    assert stated_pooling(opened(folder)) is None
    pooling(folder, told)
    assert stated_pooling(opened(folder)) == stated


def test_roberta_keeps_positions_for_itself(folder: Path) -> None:
    assert most_tokens(opened(folder)) == 130
    told = {**CONFIG, "model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(told))
    assert most_tokens(opened(folder)) == 512


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Name", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlicense:\n- cc-by-nc-4.0\n---\n", "cc-by-nc-4.0"),
        ("# Name\nlicense: gpl\n", ""),
    ],
)
def test_the_licence_is_read_from_the_readme(folder: Path, readme: str, licence: str) -> None:
    (folder / "README.md").write_text(readme)
    heard: list[Event] = []
    assert licence_of(opened(folder, log=Events((heard.append,)))) == licence
    assert [event.kind for event in heard] == ["warning"] * ("nc" in licence)


def test_without_a_readme_the_licence_is_the_first_line_of_its_file(folder: Path) -> None:
    (folder / "LICENSE").write_text("\n   MIT License\n\nCopyright")
    assert licence_of(opened(folder)) == "MIT License"


def test_each_language_has_a_default() -> None:
    assert default_base("en").endswith("all-MiniLM-L6-v2")
    assert default_base("zh") == "BAAI/bge-small-zh-v1.5"
    assert default_base("mixed") == default_base("kl") == default_base("other")


def test_it_says_which_packages_are_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "_NEEDS", ("json", "no_such_package"))
    with pytest.raises(MissingExtraError, match=r"no_such_package(?s:.*)volano\[deep\]"):
        opened(folder)


def rewrite(folder: Path, **told: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


def part_of_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no config": lambda at: (at / "config.json").unlink(),
    "config is no JSON": lambda at: (at / "config.json").write_text("{"),
    "config is a list": lambda at: (at / "config.json").write_text("[]"),
    "no kind": lambda at: rewrite(at, model_type=None),
    "code of its own": lambda at: rewrite(at, auto_map={"AutoModel": "modeling.Mine"}),
    "writes text": lambda at: rewrite(at, architectures=["GPT2LMHeadModel"]),
    "encoder and decoder": lambda at: rewrite(at, is_encoder_decoder=True),
    "no weights": lambda at: (at / "model.safetensors").unlink(),
    "pickle": lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"),
    "cut": lambda at: os.truncate(at / "model.safetensors", 70),
    "pointer": lambda at: (at / "model.safetensors").write_text("version https://git-lfs"),
    "part is missing": part_of_weights,
    "no tokenizer": lambda at: (at / "tokenizer.json").unlink(),
}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no config", "no config.json"),
        ("config is no JSON", "cannot be read"),
        ("config is a list", "no JSON object"),
        ("no kind", "no model_type"),
        ("code of its own", "auto_map"),
        ("writes text", "writes text"),
        ("encoder and decoder", "writes text"),
        ("no weights", "no model.safetensors"),
        ("pickle", "only as a pickle .pytorch_model.bin."),
        ("cut", "damaged or missing"),
        ("pointer", "damaged or missing(?s:.*)git-lfs"),
        ("part is missing", "damaged or missing(?s:.*)model-00001-of-00001"),
        ("no tokenizer", "no tokenizer"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_way_out(folder: Path, how: str, said: str) -> None:
    DAMAGES[how](folder)
    with pytest.raises(ConfigError, match=said) as caught:
        opened(folder)
    assert caught.value.fix
    assert caught.value.to_dict("zh")["what"] != caught.value.what


def test_a_file_is_no_base(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is a file"):
        opened(folder / "model.safetensors")


@pytest.mark.parametrize("name", ["a/b/c", "./nowhere", "../up", "with space/name", "\0", "~x/y"])
def test_a_name_that_the_hub_cannot_have_means_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        opened(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_read_with_its_weights(kind: str, tmp_path: Path) -> None:
    import numpy as np
    import torch
    from safetensors.numpy import load_file

    from volano.models.encoder import Shape, load_encoder
    from volano.train.encoders.pretrained import load_pretrained

    base = opened(tiny_encoder(tmp_path / kind, kind))
    shape = Shape("mean", "cosine", 3, 64)
    module = load_pretrained(base, shape)
    assert not module.training
    assert module.head.in_features == WIDTH
    stored = load_file(base.folder / "model.safetensors")
    words = next(name for name in stored if stored[name].ndim == 2)
    np.testing.assert_array_equal(module.body.state_dict()[words].numpy(), stored[words])
    other = load_encoder(base.folder / "config.json", shape)
    other.load_state_dict(module.state_dict())
    ids = torch.arange(5, 15).reshape(2, 5)
    with torch.inference_mode():
        there = module(ids, torch.ones_like(ids))
        torch.testing.assert_close(other.eval()(ids, torch.ones_like(ids)), there)


@pytest.mark.slow
def test_weights_of_another_encoder_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    from volano.models.encoder import Shape
    from volano.train.encoders.pretrained import load_pretrained

    shutil.copytree(tiny_base, tmp_path / "mixed")
    told = json.loads((tmp_path / "mixed" / "config.json").read_text())
    shape = Shape("mean", "cosine", 3, 64)
    for change in ({"num_hidden_layers": 3}, {"intermediate_size": 48}, {"model_type": "nonsense"}):
        (tmp_path / "mixed" / "config.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(ConfigError, match="do not fit|cannot read"):
            load_pretrained(opened(tmp_path / "mixed"), shape)


@pytest.mark.slow
def test_an_older_tokenizer_is_converted(tiny_base: Path, tmp_path: Path) -> None:
    from volano.models.tokens import Tokens

    shutil.copytree(tiny_base, tmp_path / "slow")
    content = (tmp_path / "slow" / "tokenizer.json").read_bytes()
    (tmp_path / "slow" / "tokenizer.json").unlink()
    words = sorted((found := json.loads(content)["model"]["vocab"]), key=found.__getitem__)
    (tmp_path / "slow" / "vocab.txt").write_text("\n".join(words), "utf-8")
    text = ["My parcel has not arrived, 我的快递"]
    made = Tokens.load(tokenizer_bytes(opened(tmp_path / "slow")), 64).encode(text)
    assert made[0].tolist() == Tokens.load(content, 64).encode(text)[0].tolist()


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for: one encoder, ``tiny/bert``."""

    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.asked.append(path)
        files = sorted(p for p in self.folder.rglob("*") if p.is_file())
        names = [str(found.relative_to(self.folder)) for found in files]
        if path.startswith("/api/models/tiny/bert/revision/") or path == "/api/models/tiny/bert":
            self.answer({"id": "tiny/bert", "sha": "a" * 40, "siblings": []})
        elif path.startswith("/api/models/tiny/bert/tree/"):
            sizes = zip(names, files, strict=True)
            self.answer(
                [{"type": "file", "path": name, "size": found.stat().st_size, "oid": "b" * 40}
                 for name, found in sizes]
            )  # fmt: skip
        elif path.startswith("/tiny/bert/resolve/") and path.split("/", 5)[5] in names:
            self.answer((self.folder / path.split("/", 5)[5]).read_bytes())
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def answer(self, told: Any) -> None:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{abs(hash(content)):040x}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Here", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    server.server_close()


def by_name(name: str, home: Path, **environment: str) -> str:
    """What a process of its own finds under a name: the client reads its settings as it starts."""
    code = (
        "import sys; from pathlib import Path; from volano.core.events import Events;"
        "from volano.core.errors import ConfigError; from volano.train.encoders.base import *\n"
        "say = lambda event: print(event.text, event.done, event.total, file=sys.stderr)\n"
        "try: print(open_base(sys.argv[1], 'en', Path(sys.argv[2]), Events((say,))).folder)\n"
        "except ConfigError as error: print(error)"
    )
    settings = {
        **os.environ,
        "HF_HOME": str(home / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(home)],
        env=settings | environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    (home / "said").write_text(done.stderr, "utf-8")
    return done.stdout


@pytest.mark.slow
def test_a_download_tells_how_far_it_is(hub: type[Hub], tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"big": np.zeros(3_000_000, np.float32)}, hub.folder / "model.safetensors")
    by_name("tiny/bert", tmp_path)
    told = [line for line in (tmp_path / "said").read_text("utf-8").splitlines() if "mega" in line]
    assert told
    assert all(line.startswith("megabytes ") and line.endswith(" 12") for line in told)
    assert told[-1] == "megabytes 12 12"


@pytest.mark.slow
def test_an_encoder_of_the_hub_is_downloaded_once_and_without_pickles(
    hub: type[Hub], tmp_path: Path
) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (hub.folder / "modeling_tiny.py").write_text("raise SystemExit")
    pooling(hub.folder, {"pooling_mode_mean_tokens": True})
    found = Path(by_name("tiny/bert", tmp_path).strip())
    kept = {str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()}
    assert kept == {
        "config.json", "model.safetensors", "modules.json", "tokenizer.json",
        "1_Pooling/config.json",
    }  # fmt: skip
    num_asked = len(hub.asked)
    assert by_name("tiny/bert", tmp_path).strip() == str(found)
    assert by_name("tiny/bert", tmp_path, HF_HUB_OFFLINE="1").strip() == str(found)
    assert len(hub.asked) == num_asked
    assert "no such name on the Hugging Face hub" in by_name("tiny/other", tmp_path)
    assert "HF_HUB_OFFLINE" in by_name("tiny/other", tmp_path, HF_HUB_OFFLINE="1")


@pytest.mark.slow
def test_a_hub_that_never_answers_costs_seconds(tmp_path: Path) -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        began = time.monotonic()
        told = by_name("tiny/bert", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{port}")
        assert "cannot be reached" in told
        assert "train.learner=blend" in told
        assert time.monotonic() - began < 30
