"""HTTP around every room's routes: keys, body limits, and errors as what, where, try.

The rooms' handlers raise; here is the one place that turns what they raise into an answer. A fault
of ours answers 500 without its inside, which goes to the log.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from volano.core.errors import RefusedError, UserError, VolanoError
from volano.core.wire import TooLargeError, dump_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from volano.core.errors import Language
    from volano.serve.config import ServeConfig

__all__ = [
    "Gate",
    "MethodError",
    "Reading",
    "UnknownKeyError",
    "error_reply",
    "json_response",
    "language_of",
    "read_body",
    "web_app",
    "with_language",
]

_LOG = logging.getLogger("volano.serve")
_OPEN_PATHS = frozenset(("/healthz", "/readyz"))
_RETRY_AFTER = b"2"
_MIN_BYTES_AT_ONCE = 64_000_000


class MethodError(UserError):
    """The path does not take this method."""

    http_status = 405
    allowed = "POST"

    @classmethod
    def of(cls, path: str, method: str, allowed: str) -> Self:
        """Say so, with what it takes."""
        error = cls(
            "{path} does not take {method}",
            where=path,
            fix="use {allowed}",
            path=path,
            method=method[:40],
            allowed=allowed,
        )
        error.allowed = allowed
        return error


Reply = tuple[int, list[tuple[bytes, bytes]], bytes]


class UnknownKeyError(UserError):
    """No key came, or one that nobody gave out."""

    http_status = 401


class CrowdedError(UserError):
    """The bodies of other requests fill the memory set aside for them."""

    http_status = 503


class Gate:
    """Who may come in, and how much at once: for the hot path and for all others alike."""

    def __init__(self, config: ServeConfig, keys: Sequence[str] = ()) -> None:
        self.config = config
        self._digests = tuple(_digest(key.encode()) for key in keys)
        self._most_bytes = max(_MIN_BYTES_AT_ONCE, 4 * config.max_body_bytes)
        self.num_bytes = 0

    def check_key(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Ask for a key; compares digests of all, in the same time whichever fits.

        Raises:
            UnknownKeyError: none came, or a wrong one.
        """
        if not self._digests or path in _OPEN_PATHS:
            return
        given = _digest(_given_key(headers))
        fits = [hmac.compare_digest(given, known) for known in self._digests]
        if not any(fits):
            raise UnknownKeyError(
                "this server answers only with a key",
                where="header Authorization",
                fix="send the header  Authorization: Bearer YOUR-KEY",
            )

    @contextmanager
    def reading(self, headers: Mapping[bytes, bytes]) -> Iterator[Reading]:
        """While a body comes in it counts against the memory set aside for all of them.

        Raises:
            TooLargeError: it says that it is larger than the settings allow.
        """
        reading = Reading(self, self.config.max_body_bytes)
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:20]) > self.config.max_body_bytes:
            raise reading.too_large()
        try:
            yield reading
        finally:
            self.num_bytes -= reading.num_bytes

    def take(self, num_bytes: int) -> None:
        """Count bytes that came in.

        Raises:
            CrowdedError: with them it is more than memory is set aside for.
        """
        self.num_bytes += num_bytes
        if self.num_bytes > self._most_bytes:
            raise CrowdedError(
                "the requests of others fill the memory that is set aside for them",
                where="body",
                fix="send it again later, or in smaller parts",
            )


class Reading:
    """How much of one body has come."""

    def __init__(self, gate: Gate, max_bytes: int) -> None:
        self._gate = gate
        self._max_bytes = max_bytes
        self.num_bytes = 0

    def add(self, num_bytes: int) -> None:
        """Stop where a body passes the limit, whatever length it had announced.

        Raises:
            TooLargeError: it is larger than the settings allow.
            CrowdedError: together with others it is.
        """
        self.num_bytes += num_bytes
        self._gate.take(num_bytes)
        if self.num_bytes > self._max_bytes:
            raise self.too_large()

    def too_large(self) -> TooLargeError:
        """What to say of it."""
        return TooLargeError(
            "the body is over {limit} bytes",
            where="body",
            fix="send it in parts, or raise serve.max_body_bytes",
            limit=self._max_bytes,
        )


async def read_body(receive: Receive, reading: Reading) -> bytes:
    """The whole body of a request; one that does not come in time, the connection ends.

    Raises:
        ClientDisconnect: the client went away meanwhile, or was too slow.
        TooLargeError, CrowdedError: it is more than the settings allow.
    """
    parts: list[bytes] = []
    goes_on = True
    while goes_on:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        reading.add(len(part))
        parts.append(part)
        goes_on = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def web_app(routes: Sequence[BaseRoute], gate: Gate) -> Starlette:
    """An application of ``routes`` behind a gate: keys and limits."""
    app = Starlette(
        routes=list(routes),
        middleware=[Middleware(_Gated, gate=gate)],
        exception_handlers={
            HTTPException: _refuse_route,
            ClientDisconnect: _explain,
            VolanoError: _explain,
            Exception: _explain,
        },
    )
    app.router.redirect_slashes = False  # a redirect would lose the body of a POST
    return app


def json_response(value: object, status: int = 200) -> Response:
    """``value`` as JSON: every digit of a number, Chinese as it is."""
    return Response(dump_json(value), status, media_type="application/json")


def error_reply(error: Exception, scope: Scope) -> Reply:
    """Status, headers and body that tell of an error; status 0 where nobody is there to read it."""
    headers = [(b"content-type", b"application/json")]
    if isinstance(error, ClientDisconnect):
        return 0, headers, b""
    if not isinstance(error, VolanoError) or error.http_status == 500:
        path = scope["path"][:200]
        _LOG.error("%s %s failed: %s", scope["method"], path, error, exc_info=error)
        error = VolanoError(
            "something went wrong in the server; the request itself may be right",
            where=path,
            fix="send it again; the server's log says more",
        )
    status = error.http_status
    if status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    elif isinstance(error, MethodError):
        headers.append((b"allow", error.allowed.encode()))
    elif status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    elif status == 413:  # the rest of the body is not read
        headers.append((b"connection", b"close"))
    told = {"error": error.to_dict(language_of(dict(scope["headers"])))}
    return status, headers, dump_json(told)


def with_language(scope: Scope, language: Language) -> Scope:
    """A request; that of a client which names no language asks for the project's."""
    names = [value for name, value in scope["headers"] if name == b"accept-language"]
    if language == "en" or any(value.strip() not in (b"", b"*") for value in names):
        return scope
    return {**scope, "headers": [*scope["headers"], (b"accept-language", language.encode())]}


def language_of(headers: Mapping[bytes, bytes]) -> Language:
    """English, unless the first language that the client accepts is Chinese."""
    accepted = headers.get(b"accept-language", b"")
    return "zh" if accepted[:2].lower() == b"zh" else "en"


def _response(error: Exception, scope: Scope, extra: Mapping[str, str] | None = None) -> Response:
    status, headers, body = error_reply(error, scope)
    response = Response(body, status or 400)  # where it is 0 nobody is there to read it
    for name, value in headers:
        response.headers[name.decode()] = value.decode()
    response.headers.update(extra or {})
    return response


async def _explain(request: Request, error: Exception) -> Response:
    return _response(error, request.scope)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, headers = request.url.path[:200], dict(error.headers or {})
    if error.status_code == 405:
        refused: UserError = MethodError.of(path, request.method, headers.get("Allow", "POST"))
    elif error.status_code == 404:
        refused = _PathError(
            "there is nothing at {path}",
            where=path,
            fix="GET /docs lists what there is, such as POST /v1/predict",
            path=path,
        )
    else:
        refused = _refused(path, error.detail)
    return _response(refused, request.scope, headers)


def _refused(path: str, detail: str) -> UserError:
    return UserError(
        "the request cannot be answered: {why}", where=path, fix="see GET /docs", why=detail
    )


class _PathError(UserError):
    http_status = 404


class _Gated:
    """Checks the key and limits the body before a route sees the request."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            self.gate.check_key(scope["path"], headers)
            with self.gate.reading(headers) as reading:
                body = await read_body(receive, reading) if _has_body(scope) else b""
                await self.app(scope, _once(body, receive), send)
        except (UserError, RefusedError) as error:
            await _response(error, scope)(scope, receive, send)
        except ClientDisconnect:
            return


def _has_body(scope: Scope) -> bool:
    return scope["method"] in ("POST", "PUT", "PATCH", "DELETE")


def _once(body: bytes, receive: Receive) -> Receive:
    """A body that was read, then whatever else comes: the client going away."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        message: dict[str, Any] = {"type": "http.request", "body": body, "more_body": False}
        return message

    return given


def _given_key(headers: Mapping[bytes, bytes]) -> bytes:
    kind, _, key = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        return key.strip()
    return headers.get(b"x-api-key", b"").strip()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
