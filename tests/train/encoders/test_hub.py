from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from tests.store.test_disk import on_small_disk
from tests.train.encoders.conftest import pooling

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.slow
def test_a_full_disk_is_not_taken_for_a_hub_that_does_not_answer(
    hub: type[Hub], tmp_path: Path
) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"big": np.zeros(3_000_000, np.float32)}, hub.folder / "model.safetensors")
    told = on_small_disk(
        tmp_path,
        """
        import os, warnings
        warnings.simplefilter("ignore")  # the client's own
        os.environ |= {"HF_HOME": str(disk / "hub"), "HF_HUB_DISABLE_XET": "1"}
        from volano.core.errors import ConfigError
        from volano.core.events import Events
        from volano.train.encoders.base import open_base
        try:
            open_base("tiny/bert", "en", disk, Events())
        except ConfigError as error:
            print(*error.to_dict().values(), sep="\\n")
            print(error.to_dict("zh")["what"] != error.what)
        """,
    )
    what, where, fix, is_translated = told
    assert what.startswith("'tiny/bert' cannot be kept")
    assert "the disk is full" in what
    assert where == str(tmp_path / "disk" / "hub" / "hub")
    assert "HF_HOME" in fix
    assert is_translated == "True"
