"""Clients that do what a good one never does: the server says so or hangs up, and serves others."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.core.errors import UserError
from volano.core.wire import read_json
from volano.serve.rows import Columns, read_request
from volano.store.releases import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volano.store.ledger import Ledger

A = "a" * 64
BODY = b'{"inputs": [{"body": "card"}]}'
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
def url(make_service: Callable[..., Any], serve: Any, ledger: Ledger) -> Iterator[str]:
    promote(ledger, A, because="first", by="test")
    limits = {"timeout_seconds": 0.5, "max_body_bytes": 20_000_000, "max_connections": 20}
    with serve(make_service(**limits)) as address:
        yield address
        assert httpx.get(f"{address}/healthz").json()["status"] == "ok"


@contextmanager
def wire(url: str) -> Iterator[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as opened:
        yield opened


def read_all(opened: socket.socket) -> bytes:
    """Until the server hangs up; a server that never does fails the test by its timeout."""
    parts = []
    try:
        while part := opened.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "begin", [b"", b"POST /v1/pre", HEAD, HEAD + b"Content-Length: 50\r\n\r\n{", b"\r\n"]
)
def test_a_request_that_never_comes_whole_is_ended(url: str, begin: bytes) -> None:
    with wire(url) as opened:
        opened.sendall(begin)
        began = time.monotonic()
        said = read_all(opened)
        assert time.monotonic() - began < 5
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 0.5 seconds" in said


def test_a_head_without_end_is_ended(url: str) -> None:
    with wire(url) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\n")
        try:
            for number in range(5000):
                opened.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))
        except OSError:
            pass
        else:
            pytest.fail("5 MB of headers were taken")


def test_what_is_no_http_is_refused(url: str) -> None:
    for noise in (b"\x16\x03\x01\x02\x00" * 20, b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100):
        with wire(url) as opened:
            opened.sendall(noise)
            assert read_all(opened).startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    with wire(url) as opened:
        opened.sendall(REQUEST * 5 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        said = read_all(opened)
    assert said.count(b"HTTP/1.1 200 OK") == 6
    assert said.count(b'"label":"card"') == 5
    assert said.endswith(b'"model":"aaaaaaaaaaaa"}')


def test_a_client_that_hangs_up_its_half_leaves_the_server_well(url: str) -> None:
    for _ in range(30):
        with wire(url) as opened:
            opened.sendall(REQUEST[:-3])
            opened.shutdown(socket.SHUT_WR)
    with wire(url) as opened:
        opened.sendall(REQUEST)
        assert opened.recv(100).startswith(b"HTTP/1.1 200")


def test_more_connections_than_allowed_are_asked_to_come_again(url: str) -> None:
    opened = [socket.create_connection(("127.0.0.1", int(url[-5:].strip(":")))) for _ in range(25)]
    try:
        opened[-1].settimeout(10)
        assert opened[-1].recv(300).startswith(b"HTTP/1.1 503 ")
    finally:
        for each in opened:
            each.close()
    time.sleep(0.1)
    assert httpx.post(f"{url}/v1/predict", json=json.loads(BODY)).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET", "PUT", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/v1/predict", "/healthz", "/nothing/%00/%ff?x=%zz"])
def test_any_method_on_any_path_has_an_answer(url: str, method: str, path: str) -> None:
    answer = httpx.request(method, url + path)
    assert answer.status_code in (200, 400, 404, 405)
    if answer.status_code == 405:
        assert answer.headers["allow"]


@pytest.mark.slow
def test_hundreds_of_thousands_of_keys_are_refused_or_read_in_time(url: str) -> None:
    keys = ",".join(f'"k{n}":0' for n in range(300_000))
    for body in (f"{{{keys}}}", f'{{{keys},"k0":1}}', "[" + "{}," * 300_000 + "{}]"):
        began = time.monotonic()
        headers = {"content-type": "application/json"}
        answer = httpx.post(f"{url}/v1/predict", content=body.encode(), headers=headers, timeout=60)
        assert answer.status_code in (400, 408, 413, 422), answer.text[:200]
        assert time.monotonic() - began < 30


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
requests = st.one_of(
    json_values,
    st.fixed_dictionaries(
        {"inputs": st.lists(st.fixed_dictionaries({"body": st.text() | json_values}), max_size=4)},
        optional={"explain": json_values, "subject": json_values, "group": json_values},
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(requests.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_whatever_comes_is_read_or_refused_with_a_reason(body: bytes) -> None:
    try:
        read = read_request(read_json(body), Columns(("body",), subject="who"), 3)
    except UserError as error:
        assert error.what
        assert error.fix
        assert 400 <= error.http_status < 500
    else:
        assert all(isinstance(row["body"], str) for row in read.rows)
