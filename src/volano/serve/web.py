"""HTTP around every room's routes: keys, body limits, and errors as what, where, try.

The rooms' handlers raise; here is the one place that turns what they raise into an answer. A fault
of ours answers 500 without its inside, which goes to the log.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from volano.core.errors import RefusedError, UserError, VolanoError
from volano.core.wire import TooLargeError, dump_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from volano.serve.config import ServeConfig

__all__ = ["UnknownKeyError", "json_response", "web_app"]

_LOG = logging.getLogger("volano.serve")
_OPEN_PATHS = {"/healthz"}


class UnknownKeyError(UserError):
    """No key came, or one that nobody gave out."""

    http_status = 401


def web_app(
    routes: Sequence[BaseRoute], config: ServeConfig, *, keys: Sequence[str] = ()
) -> Starlette:
    """An application of ``routes``; with ``keys``, every path but ``/healthz`` asks for one."""
    app = Starlette(
        routes=list(routes),
        middleware=[
            Middleware(_Keys, digests=tuple(_digest(key.encode()) for key in keys)),
            Middleware(_BodyLimit, max_bytes=config.max_body_bytes),
        ],
        exception_handlers={
            HTTPException: _refuse_route,
            ClientDisconnect: _gone,
            VolanoError: _explain,
            Exception: _hide,
        },
    )
    app.router.redirect_slashes = False  # a redirect would lose the body of a POST
    return app


def json_response(value: object, status: int = 200) -> Response:
    """``value`` as JSON: every digit of a number, Chinese as it is."""
    return Response(dump_json(value), status, media_type="application/json")


def _error(error: VolanoError, status: int, headers: dict[str, str] | None = None) -> Response:
    response = json_response({"error": error.to_dict()}, status)
    response.headers.update(headers or {})
    return response


async def _explain(request: Request, error: Exception) -> Response:
    if isinstance(error, UserError | RefusedError):
        headers = {"retry-after": "5"} if error.http_status == 503 else {}
        return _error(error, error.http_status, headers)
    _LOG.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
    return await _hide(request, error)


async def _hide(request: Request, error: Exception) -> Response:
    """Starlette raises the error again after this answer, so the server's log shows it."""
    hidden = VolanoError(
        "the server failed; nothing is known to be wrong with the request",
        where=request.url.path[:200],
        fix="send it again; the server's log says more",
    )
    return _error(hidden, 500)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, headers = request.url.path[:200], dict(error.headers or {})
    if error.status_code == 405:
        what, fix = f"{path} does not take {request.method}", f"use {headers.get('Allow', 'POST')}"
    elif error.status_code == 404:
        what, fix = f"there is nothing at {path}", "POST /v1/predict, GET /v1/model, GET /healthz"
    else:
        what, fix = str(error.detail), "see the documentation of this path"
    return _error(UserError(what, where=path, fix=fix), error.status_code, headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


class _Keys:
    """Asks for a key; compares digests of all, in the same time whichever fits."""

    def __init__(self, app: ASGIApp, digests: tuple[bytes, ...]) -> None:
        self.app = app
        self.digests = digests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.digests and scope["path"] not in _OPEN_PATHS:
            given = _digest(_given_key(scope))
            fits = [hmac.compare_digest(given, known) for known in self.digests]
            if not any(fits):
                refused = UnknownKeyError(
                    "this server answers only with a key",
                    where="header Authorization",
                    fix="send the header  Authorization: Bearer YOUR-KEY",
                )
                await _error(refused, 401, {"www-authenticate": "Bearer"})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _given_key(scope: Scope) -> bytes:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    kind, _, key = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        return key.strip()
    return headers.get(b"x-api-key", b"").strip()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class _BodyLimit:
    """Stops reading where a body passes the limit, whatever length it had announced."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:20]) > self.max_bytes:
            await _error(self._too_large(), 413, {"connection": "close"})(scope, receive, send)
            return
        num_bytes = 0

        async def counted() -> Message:
            nonlocal num_bytes
            message: dict[str, Any] = dict(await receive())
            num_bytes += len(message.get("body", b""))
            if num_bytes > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, counted, send)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"the body is over {self.max_bytes} bytes",
            where="body",
            fix="send it in parts, or raise serve.max_body_bytes",
        )
