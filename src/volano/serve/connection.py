"""One HTTP connection, guarded: what uvicorn's own protocol lets a hostile client do without end.

A head without end, a head or body that never comes whole, an answer that is never read, more
connections than the process can hold: each is ended, and told where there is still somebody to
tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from volano.core.errors import UserError
from volano.core.wire import dump_json

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["GuardedConnection", "guarded"]

_MAX_HEAD_BYTES = 32_768


class GuardedConnection(HttpToolsProtocol):
    """Uvicorn's connection with limits; ``end_if_late`` is called about once a second."""

    max_connections = 800
    timeout_seconds = 10.0

    _is_in_head = False
    _head_bytes = 0
    _since = 0.0  # when the message that is coming in began; 0 where none is
    _paused_at = 0.0  # when the client stopped to read what it is sent; 0 where it reads

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, if there is room."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > self.max_connections:
            self._refuse(
                503,
                UserError(
                    "{limit} connections are open, which is all that are allowed",
                    where="serve.max_connections",
                    fix="send it again later, or keep one connection for many requests",
                    limit=self.max_connections,
                ),
            )

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of a request goes on without end."""
        if self.transport.is_closing():
            return
        if self._is_in_head or not self._since:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > _MAX_HEAD_BYTES:
            self._refuse(
                431,
                UserError(
                    "the head of the request is over {limit} bytes",
                    where="headers",
                    fix="send fewer or shorter headers, and a shorter address",
                    limit=_MAX_HEAD_BYTES,
                ),
            )

    def on_message_begin(self) -> None:
        """The first line of a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = cast("asyncio.Transport", _OneWrite(cycle, cycle.transport))
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._since = 0.0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self._paused_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused_at = 0.0
        super().resume_writing()

    def end_if_late(self) -> None:
        """End what came or went too slowly."""
        late = self.loop.time() - self.timeout_seconds
        if self._paused_at and self._paused_at < late:
            self.transport.abort()
        elif self._since and self._since < late and not self.transport.is_closing():
            self._refuse(
                408,
                UserError(
                    "the request did not come within {seconds} seconds",
                    where="connection",
                    fix="send it faster, or raise serve.timeout_seconds",
                    seconds=f"{self.timeout_seconds:g}",
                ),
            )

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(
            400,
            UserError("this is not HTTP", where="connection", fix="send a request of HTTP/1.1"),
        )

    def _refuse(self, status: int, error: UserError) -> None:
        """Answer, unless an answer is under way, and close."""
        self._since = 0.0
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = dump_json({"error": error.to_dict()})
            head = STATUS_LINE[status] + (
                b"content-type: application/json\r\ncontent-length: %d\r\n"
                b"retry-after: 2\r\nconnection: close\r\n\r\n" % len(body)
            )
            self.transport.write(head + body)
        self.transport.close()


class _OneWrite:
    """The transport of one answer: its head waits for its body, and both are one system call.

    On the hot path a system call costs a tenth of the request.
    """

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle = cycle
        self._transport = transport
        self._head = b""
        self._is_begun = False
        self.is_closing = transport.is_closing

    def write(self, content: bytes) -> None:
        """Hold the head back; where no body will follow, there is nothing to wait for."""
        if self._cycle.response_started and not self._is_begun:
            self._is_begun = True
            if self._cycle.scope["method"] != "HEAD":
                self._head = content
                return
        self._transport.write(self._head + content)
        self._head = b""

    def close(self) -> None:
        """Send what was held back, and close."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


def guarded(max_connections: int, timeout_seconds: float) -> type[GuardedConnection]:
    """The connection with the limits of one server."""
    limits: dict[str, Any] = {
        "max_connections": max_connections,
        "timeout_seconds": timeout_seconds,
    }
    return type("Connection", (GuardedConnection,), limits)
