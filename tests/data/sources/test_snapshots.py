from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.config import build_config
from volano.core.errors import ConfigError, DataError, MissingExtraError, VolanoError
from volano.core.events import Event, Events
from volano.core.settings import Settings
from volano.data.config import DataConfig, SourceConfig
from volano.data.sources import read_whole
from volano.data.sources.remote import Request, UnreachableError
from volano.data.sources.remote.web import check_address
from volano.data.sources.snapshots import facts_about, fetch, fetch_source, source_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

CSV = b"text,label\nhi,a\nho,b\n"
ROWS = [{"text": "hi", "label": "a"}, {"text": "ho", "label": "b"}]


@dataclass
class Site:
    """A web server on this machine that answers as it is told, and remembers what it was asked."""

    url: str = ""
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def file(self, path: str, content: bytes, kind: str = "text/csv", **headers: str) -> str:
        """Answer with a file, or with 304 where the asker has it."""
        etag = f'"{hashlib.md5(content).hexdigest()}"'

        def answer(asker: BaseHTTPRequestHandler) -> None:
            if asker.headers.get("If-None-Match") == etag:
                reply(asker, 304)
            else:
                reply(asker, 200, content, **{"Content-Type": kind, "ETag": etag, **headers})

        self.answers[path] = answer
        return self.url + path

    def redirect(self, path: str, to: str) -> str:
        self.answers[path] = lambda asker: reply(asker, 302, Location=to)
        return self.url + path


def reply(asker: BaseHTTPRequestHandler, status: int, content: bytes = b"", **headers: str) -> None:
    asker.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        asker.send_header(name, value)
    asker.end_headers()
    try:
        asker.wfile.write(content)
    except OSError:
        asker.close_connection = True  # who asked has heard enough


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Asked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            site.answers.get(path, lambda asker: reply(asker, 404))(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Desk:
    """Fetches sources into a cache of its own."""

    root: Path
    said: list[Event] = field(default_factory=list)

    def fetch(
        self,
        path: str,
        environment: Mapping[str, str] | None = None,
        allow: tuple[str, ...] = ("127.0.0.1",),
        **settings: Any,
    ) -> Path:
        self.source = SourceConfig.model_validate({"path": path, "fetch": settings})
        cache, events = self.root / "cache", Events((self.said.append,))
        return fetch_source(self.source, self.root, cache, environment or {}, allow, events)

    def rows(self, path: str, *arguments: Any, **settings: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = read_whole(
            self.fetch(path, *arguments, **settings), self.source
        ).table.to_pylist()
        return found

    def everything(self) -> bytes:
        """Every byte that was written, names included."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return b"".join(str(path).encode() + path.read_bytes() for path in files)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# The web ---------------------------------------------------------------------------------------


def test_a_file_of_the_web_is_fetched_once_and_again_when_it_has_changed(
    site: Site, desk: Desk
) -> None:
    url = site.file("/a.csv", CSV)
    assert desk.rows(url) == ROWS
    first = desk.fetch(url)
    assert [headers.get("If-None-Match") for _, headers in site.asked] == [None, headers_of(CSV)]
    site.file("/a.csv", CSV + b"hm,c\n")
    assert len(desk.rows(url)) == 3
    assert not first.exists()
    facts = facts_about(desk.fetch(url))
    assert facts["num_bytes"] == len(CSV) + 5
    assert facts["fetched_at"].endswith("+00:00")


def headers_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/rows", "application/x-ndjson", "source.jsonl"),
        ("/rows", "text/tab-separated-values; charset=utf-8", "source.tsv"),
        ("/rows.php", "application/octet-stream", "source.csv"),
        ("/rows.CSV.gz", "text/plain", "source.csv.gz"),
    ],
)
def test_the_format_is_told_by_the_name_or_else_by_the_kind(
    site: Site, desk: Desk, path: str, kind: str, name: str
) -> None:
    assert desk.fetch(site.file(path, b"x", kind)).name == name


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a.csv",
        "http://localhost:{port}/a.csv",
        "http://2130706433:{port}/a.csv",
        "http://0x7f.1:{port}/a.csv",
        "http://0.0.0.0:{port}/a.csv",
        "http://[::1]:{port}/a.csv",
        "http://[::ffff:127.0.0.1]:{port}/a.csv",
        "http://[64:ff9b::7f00:1]:{port}/a.csv",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/a.csv",
        "http://100.64.0.1/a.csv",
        "http://224.0.0.1/a.csv",
        "http://[fd00::1]/a.csv",
        "http://[fe80::1]/a.csv",
    ],
)
def test_an_address_of_a_private_network_is_refused(site: Site, desk: Desk, url: str) -> None:
    site.file("/a.csv", CSV)
    with pytest.raises(DataError, match="is not public") as error:
        desk.fetch(url.format(port=site.url.rpartition(":")[2]), allow=())
    assert "allow_hosts" in error.value.fix
    assert site.asked == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_not_refused(tmp_path: Path, address: str) -> None:
    request = Request(source=SourceConfig(path="https://x"), root=tmp_path, into=tmp_path)
    check_address(address, "x", request)


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("http://169.254.169.254/latest/meta-data", "is not public"),
        ("http://localhost/a.csv", "is not public"),
        ("file:///etc/passwd", "leads on to file://"),
        ("/again", "leads on more than 5 times"),
        ("http://[bad", "no whole web address"),
    ],
)
def test_each_redirect_is_checked_like_the_first_address(
    site: Site, desk: Desk, to: str, what: str
) -> None:
    with pytest.raises(DataError, match=what):
        desk.fetch(site.redirect("/again", to))


def test_a_redirect_is_followed_but_takes_no_secret_to_another_host(site: Site, desk: Desk) -> None:
    port = site.url.rpartition(":")[2]
    site.file("/a.csv", CSV)
    url = site.redirect("/from", f"http://localhost:{port}/a.csv")
    hosts = ("127.0.0.1", "localhost")
    assert desk.rows(url, {"TOKEN": "s3cret"}, hosts, secret="TOKEN") == ROWS
    sent = [headers.get("Authorization") for _, headers in site.asked]
    assert sent == ["Bearer s3cret", None]


def test_a_fault_of_what_was_fetched_is_told_of_the_address(site: Site, desk: Desk) -> None:
    url = site.file("/a.csv", b"text,text\nhi,ho\n")
    with pytest.raises(DataError, match="text") as refused:
        desk.rows(url)
    assert refused.value.where == f"{url}:1"


def test_a_secret_goes_to_the_server_and_nowhere_else(site: Site, desk: Desk) -> None:
    url = site.file("/a.csv", CSV)
    environment = {"TOKEN": "s3cret&="}
    desk.fetch(f"{url}?token={{secret}}&x=1", environment, secret="TOKEN")
    assert site.asked[0][0] == "/a.csv?token=s3cret%26%3D&x=1"
    assert "Authorization" not in site.asked[0][1]
    assert b"s3cret" not in desk.everything()
    with pytest.raises(VolanoError) as error:
        desk.fetch(f"{site.url}/none?token={{secret}}", environment, secret="TOKEN")
    assert "s3cret" not in str(error.value)
    with pytest.raises(ConfigError, match="variable NONE is not set"):
        desk.fetch(url, secret="NONE")


@pytest.mark.parametrize(
    "path",
    [
        "https://me:s3cret@host/a.csv",
        "https://host/a.csv?x=1&api_key=s3cret",
        "https://bucket.example/a.csv?X-Amz-Signature=s3cret",
        "postgresql://me:s3cret@host/db",
        "postgresql://host/db?password=s3cret",
        "s3://a:s3cret@b/c",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(path: str) -> None:
    with pytest.raises(ConfigError, match="keep it in an environment variable") as error:
        build_config(DataConfig, Settings("volano.yaml", {"sources": [{"path": path}]}))
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (404, DataError, "answers 404"),
        (403, DataError, "answers 403"),
        (503, UnreachableError, "answers 503"),
        (429, UnreachableError, "answers 429"),
    ],
)
def test_an_answer_that_is_no_file_says_why(
    site: Site, desk: Desk, status: int, kind: type[DataError], what: str
) -> None:
    site.answers["/a.csv"] = lambda asker: reply(asker, status)
    with pytest.raises(kind, match=what) as error:
        desk.fetch(site.url + "/a.csv")
    assert type(error.value) is kind
    assert error.value.fix


def test_a_web_page_is_no_data(site: Site, desk: Desk) -> None:
    with pytest.raises(DataError, match="with a web page, not with data"):
        desk.fetch(site.file("/a.csv", b"<html>log in", "text/html; charset=utf-8"))


def test_more_than_was_agreed_is_not_fetched(site: Site, desk: Desk) -> None:
    url = site.file("/a.csv", b"x" * (2**20 + 1))
    with pytest.raises(DataError, match="more than 1 MB"):
        desk.fetch(url, most_megabytes=1)

    def endless(asker: BaseHTTPRequestHandler) -> None:
        asker.send_response(200)
        asker.end_headers()
        try:
            while True:
                asker.wfile.write(b"x" * 2**16)
        except OSError:
            asker.close_connection = True

    site.answers["/endless"] = endless
    with pytest.raises(DataError, match="more than 1 MB"):
        desk.fetch(site.url + "/endless", most_megabytes=1)
    assert b"xxxx" not in desk.everything()


def test_a_server_that_stops_sending_is_left(site: Site, desk: Desk) -> None:
    ended = threading.Event()

    def silent(asker: BaseHTTPRequestHandler) -> None:
        asker.send_response(200)
        asker.send_header("Content-Length", "10")
        asker.end_headers()
        ended.wait(20)

    site.answers["/a.csv"] = silent
    with pytest.raises(UnreachableError, match="stopped sending"):
        desk.fetch(site.url + "/a.csv", timeout_seconds=0.2)
    ended.set()


def test_a_line_that_breaks_is_tried_again(site: Site, desk: Desk) -> None:
    def breaks(asker: BaseHTTPRequestHandler) -> None:
        if len(site.asked) < 3:
            asker.send_response(200)
            asker.send_header("Content-Length", str(len(CSV)))
            asker.end_headers()
            asker.wfile.write(CSV[:12])
            asker.close_connection = True
        else:
            reply(asker, 200, CSV)

    site.answers["/a.csv"] = breaks
    assert desk.rows(site.url + "/a.csv") == ROWS
    assert len(site.asked) == 3


def test_what_was_fetched_last_stands_in_only_where_that_was_said(site: Site, desk: Desk) -> None:
    url = site.file("/a.csv", CSV)
    desk.fetch(url)
    site.answers["/a.csv"] = lambda asker: reply(asker, 500)
    with pytest.raises(UnreachableError, match="was fetched at 20.* is still here") as error:
        desk.fetch(url)
    assert "use-last" in error.value.fix
    assert desk.rows(url, offline="use-last") == ROWS
    assert [event.kind for event in desk.said] == ["warning"]


def test_a_snapshot_that_is_not_whole_is_fetched_again(site: Site, desk: Desk) -> None:
    url = site.file("/a.csv", CSV)
    path = desk.fetch(url)
    path.write_bytes(CSV[:5])
    (path.parents[1] / "new-77").mkdir()
    assert desk.rows(url) == ROWS
    assert not list(path.parents[1].glob("new-*"))
    path = desk.fetch(url)
    (path.parents[1] / "about.json").write_text("{", "utf-8")
    assert desk.rows(url) == ROWS


def test_two_at_once_get_the_same_whole_file(site: Site, tmp_path: Path) -> None:
    url = site.file("/a.csv", CSV * 1000)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(Desk(tmp_path).fetch(url).stat().st_size))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [len(CSV) * 1000] * 6


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("file:///etc/passwd", "names a file of this machine"),
        ("ftp://host/a.csv", "nothing is fetched from ftp://"),
        ("gopher://host", "nothing is fetched from gopher://"),
        ("hf:nothing", "names no data set of the hub"),
    ],
)
def test_other_kinds_of_address_are_refused(desk: Desk, path: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as error:
        desk.fetch(path)
    assert error.value.fix


# Object stores ---------------------------------------------------------------------------------


@pytest.fixture
def bucket() -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


def test_a_file_or_a_folder_of_an_object_store_is_fetched(bucket: Any, desk: Desk) -> None:
    bucket.pipe("/data/a.csv", CSV)
    bucket.pipe("/data/parts/p-2.csv", CSV)
    bucket.pipe("/data/parts/p-10.csv", b"text,label\nlast,z\n")
    assert desk.rows("memory://data/a.csv") == ROWS
    assert [row["text"] for row in desk.rows("memory://data/parts")] == ["hi", "ho", "last"]
    assert "fetched_at" in facts_about(desk.fetch("memory://data/parts"))


def test_what_is_not_in_a_store_says_so(bucket: Any, desk: Desk) -> None:
    with pytest.raises(DataError, match="nothing at this address"):
        desk.fetch("memory://data/none.csv")
    bucket.pipe("/data/a.csv", b"x" * 2**20 + b"y")
    with pytest.raises(DataError, match="more than 1 MB"):
        desk.fetch("memory://data/a.csv", most_megabytes=1)


# The hub ---------------------------------------------------------------------------------------


def parquet(**columns: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def on_the_hub(site: Site, files: dict[str, bytes], revision: str = "main") -> dict[str, str]:
    listed = [
        {
            "type": "file",
            "path": path,
            "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
            "lfs": {"oid": hashlib.sha256(content).hexdigest()},
        }
        for path, content in files.items()
    ]
    half = len(listed) // 2
    api = f"/api/datasets/o/n/tree/{revision}"
    following = f'<{site.url}/more>; rel="next"'
    site.file(api, json.dumps(listed[:half]).encode(), "application/json", Link=following)
    site.file("/more", json.dumps(listed[half:]).encode(), "application/json")
    for path, content in files.items():
        site.file(f"/datasets/o/n/resolve/{revision}/{path}", content, "binary/octet-stream")
    return {"HF_ENDPOINT": site.url, "HF_TOKEN": "hf_s3cret"}


def test_a_split_of_a_data_set_on_the_hub_is_fetched(site: Site, desk: Desk) -> None:
    part = parquet(text=["hi", "ho"], label=["a", "b"])
    files = {
        "README.md": b"about",
        "data/train-00000-of-00002.parquet": part,
        "data/train-00001-of-00002.parquet": part,
        "data/test-00000-of-00001.parquet": part,
    }
    environment = on_the_hub(site, files)
    with pytest.raises(DataError, match="several splits") as error:
        desk.fetch("hf:o/n", environment)
    assert error.value.fix.endswith("one of test, train")
    assert desk.rows("hf://datasets/o/n", environment, split="train") == ROWS * 2
    asked = len(site.asked)
    desk.fetch("hf://datasets/o/n", environment, split="train")
    assert len(site.asked) == asked + 2  # the list only, in two pages
    assert desk.rows("hf:o/n/data/test-00000-of-00001.parquet", environment) == ROWS
    assert {headers["Authorization"] for _, headers in site.asked} == {"Bearer hf_s3cret"}
    assert b"hf_s3cret" not in desk.everything()


def test_a_data_set_without_tables_is_taken_from_the_copy_in_parquet(
    site: Site, desk: Desk
) -> None:
    part = parquet(text=["hi", "ho"], label=["a", "b"])
    on_the_hub(site, {"default/train/0000.parquet": part}, "refs%2Fconvert%2Fparquet")
    environment = {"HF_ENDPOINT": site.url}
    site.file("/api/datasets/o/n/tree/main", b"[]", "application/json")
    assert desk.rows("hf:o/n", environment) == ROWS
    assert desk.rows("hf:o/n@~parquet/default/train", environment) == ROWS


def test_a_file_whose_checksum_is_not_the_hubs_is_refused(site: Site, desk: Desk) -> None:
    environment = on_the_hub(site, {"a.csv": CSV, "README.md": b"x"})
    site.file("/datasets/o/n/resolve/main/a.csv", CSV + b"evil,a\n")
    with pytest.raises(DataError, match="its checksum is another"):
        desk.fetch("hf:o/n", environment)


# Databases -------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("create table tickets (text, label, price real, day date, raw blob)")
        rows = [(f"text {n}", "ab"[n % 2], n / 2, "2025-01-02", b"\x01") for n in range(12_000)]
        connection.executemany("insert into tickets values (?, ?, ?, ?, ?)", rows)
    connection.close()
    return tmp_path / "t.db"


def test_the_rows_of_a_query_become_rows(database: Path, desk: Desk) -> None:
    rows = desk.rows("sqlite:///t.db", query="tickets")
    assert len(rows) == 12_000
    assert rows[1] == {
        "text": "text 1",
        "label": "b",
        "price": 0.5,
        "day": "2025-01-02",
        "raw": "01",
    }
    query = "SELECT text AS t FROM tickets WHERE text LIKE '%99' AND label <> ':x' ORDER BY 1"
    assert desk.rows("sqlite:///t.db", query=query)[0] == {"t": "text 10099"}
    assert len(desk.rows("sqlite:///t.db", query="-- a word\nWITH x AS (SELECT 1) SELECT * FROM x"))


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("", "no query is said"),
        ("DROP TABLE tickets", "does not begin with SELECT"),
        ("SELECT nope FROM tickets", "refuses the query: no such column"),
        ("SELECT 1; DROP TABLE tickets", "refuses the query"),
        ("nobody", "no such table"),
        ("SELECT 1 AS a, 2 AS a", "'a' 2 times"),
    ],
)
def test_a_query_that_cannot_be_asked_says_why(
    database: Path, desk: Desk, query: str, what: str
) -> None:
    before = database.read_bytes()
    with pytest.raises(VolanoError, match=what) as error:
        desk.fetch("sqlite:///t.db", query=query)
    assert error.value.fix
    assert database.read_bytes() == before


def test_a_database_that_is_not_there_is_not_made(desk: Desk) -> None:
    with pytest.raises(DataError, match=r"no file 'none\.db'"):
        desk.fetch("sqlite:///none.db", query="t")
    assert not list(desk.root.glob("*.db"))


def test_a_query_that_never_ends_is_ended(database: Path, desk: Desk) -> None:
    query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    with pytest.raises(DataError, match="interrupted"):
        desk.fetch("sqlite:///t.db", query=query, timeout_seconds=0.01)


def test_a_driver_that_is_not_installed_is_named(desk: Desk) -> None:
    with pytest.raises(MissingExtraError, match="needs a driver") as error:
        desk.fetch("postgresql+nosuchdriver://me@host/db", {"P": "s3cret"}, secret="P", query="t")
    assert "s3cret" not in str(error.value)


# All of them -----------------------------------------------------------------------------------


def test_the_key_of_a_turn_follows_what_was_fetched(site: Site, tmp_path: Path) -> None:
    url = site.file("/a.csv", CSV)
    (tmp_path / "here.csv").write_bytes(CSV)
    config = DataConfig(
        sources=(SourceConfig(path=url), SourceConfig(path="here.csv")),
        allow_hosts=("127.0.0.1",),
    )
    seen = []
    for content in (CSV, CSV, CSV + b"x,y\n"):
        site.file("/a.csv", content)
        paths = fetch(config, tmp_path, tmp_path / "cache", {}, Events())
        assert list(paths) == [url]
        seen.append(source_fingerprint(config, tmp_path, paths=paths))
    assert seen[0] == seen[1]
    assert seen[1][url] != seen[2][url]
    assert seen[1]["here.csv"] == seen[2]["here.csv"] == hashlib.sha256(CSV).hexdigest()
