"""A listening socket and the process around it: who may reach it, how it begins and ends."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from volano.core.errors import BusyError, UserError
from volano.serve.connection import guarded

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

    from volano.serve.config import ServeConfig

__all__ = ["Server", "listen", "url_of"]

_LOOK_SECONDS = 0.5


class Server:
    """Answers at a bound socket while it runs."""

    def __init__(self, app: ASGIApp, config: ServeConfig, bound: socket.socket) -> None:
        self._socket = bound
        self.url = url_of(bound)
        self._server = _Loop(
            uvicorn.Config(
                app,
                http=guarded(config.max_connections, config.timeout_seconds),
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,  # nothing here asks where a request came from
                timeout_keep_alive=30,
                timeout_graceful_shutdown=config.stop_seconds,
            )
        )

    @property
    def num_connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    def run(self) -> None:
        """Answer until ``stop``, SIGINT or SIGTERM."""
        with self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests, answer those under way, return from ``run``."""
        self._server.should_exit = True


class _Loop(uvicorn.Server):
    """Looks at its connections now and then: each knows by itself whether it is late."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second Ctrl-C at once. Uvicorn would also raise the signal again at the end.

        Then the process would die before its log is written to the end.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def main_loop(self) -> None:
        """Look at the connections meanwhile."""
        looking = asyncio.create_task(self._look())
        try:
            await super().main_loop()
        finally:
            looking.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for connection in list(self.server_state.connections):
                connection.end_if_late()  # type: ignore[union-attr]


def url_of(bound: socket.socket) -> str:
    """The address that a browser takes."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(config: ServeConfig, *, has_key: bool = False) -> socket.socket:
    """Bind before anything else starts, so that a taken port is the first thing said.

    Raises:
        UserError: the address is not this machine's own and there is no key, or no such address.
        BusyError: the port is in use.
    """
    if not has_key and not _is_loopback(config.host):
        raise UserError(
            "serving at {host!r} lets others in, and there is no key",
            where="serve.host",
            fix="set VOLANO_KEY or serve.key_file, or leave serve.host at 127.0.0.1",
            host=config.host,
        )
    where = f"{config.host}:{config.port}"
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except socket.gaierror as error:
        raise UserError(
            "{host!r} is no address: {why}",
            where="serve.host",
            fix="127.0.0.1",
            host=config.host,
            why=error.strerror,
        ) from None
    except OSError as error:
        raise _unbound(error, where) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _unbound(error: OSError, where: str) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return BusyError(
            "the port is in use by another process",
            where=where,
            fix="stop it, or take another port: --set serve.port=8001 (0 takes any free one)",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UserError(
            "this port needs more rights than you have",
            where=where,
            fix="take a port from 1024 on: --set serve.port=8000",
        )
    return UserError(
        "cannot listen: {why}", where=where, fix="serve.host: 127.0.0.1", why=error.strerror
    )
