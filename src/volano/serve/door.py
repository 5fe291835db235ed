"""The hot path: ``POST /v1/predict`` as a plain ASGI callable in front of all other paths.

It does by itself what the application behind it does with middleware and routes: key, limits, JSON,
errors. Both tell errors through ``web``, so a client cannot see where the one ends.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from volano.core.wire import check_json_type, read_json
from volano.serve.waiting import WaitingRoom
from volano.serve.web import (
    Gate,
    MethodError,
    error_reply,
    language_of,
    read_body,
    web_app,
    with_language,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from volano.serve.service import PredictionService

__all__ = ["Door", "open_door"]

PATH = "/v1/predict"
_LARGE_BYTES = 50_000  # a body of over a millisecond of parsing is parsed in a thread
_HEADERS_OK = [(b"content-type", b"application/json")]


def open_door(
    service: PredictionService, routes: Sequence[Route], keys: Sequence[str] = ()
) -> Door:
    """The whole application: predictions, and ``routes`` behind them."""
    gate = Gate(service.config, keys)
    paths = frozenset(route.path for route in routes)
    return Door(web_app(routes, gate), gate, WaitingRoom(service), paths)


class Door:
    """Answers predictions itself, passes on everything else, and counts both."""

    def __init__(self, app: ASGIApp, gate: Gate, room: WaitingRoom, paths: frozenset[str]) -> None:
        self.app = app
        self.gate = gate
        self.room = room
        self.paths = paths
        self.service: PredictionService = room.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            scope = with_language(scope, self.service.language)
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._pass_on(scope, receive, send)
            return
        began = time.perf_counter()
        try:
            body = await self._answer(scope, receive)
        # The edge of the server: everything else that may happen is answered here.
        except Exception as error:  # noqa: BLE001
            status, headers, body = error_reply(error, scope)
        else:
            status, headers = 200, _HEADERS_OK
        self.service.metrics.answered(status, time.perf_counter() - began)
        if status:
            length = (b"content-length", b"%d" % len(body))
            start: Message = {"type": "http.response.start", "status": status}
            await send({**start, "headers": [*headers, length]})
            await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self.gate.check_key(PATH, headers)
        if scope["method"] != "POST":
            raise MethodError.of(PATH, scope["method"], "POST")
        kind = headers.get(b"content-type", b"")
        if kind != b"application/json" or b"content-encoding" in headers:
            encoding = headers.get(b"content-encoding", b"")
            check_json_type(kind.decode("latin-1"), encoding.decode("latin-1"))
        with self.gate.reading(headers) as reading:
            content = await read_body(receive, reading)
            if len(content) > _LARGE_BYTES:
                loop = asyncio.get_running_loop()
                value = await loop.run_in_executor(self.service.pool, read_json, content)
            else:
                value = read_json(content)
            return await self.room.answer(self.service.read(value, language_of(headers)))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            # What a client makes up is no name of a figure: there would be one for each.
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.service.metrics.requests[path, status] += 1
