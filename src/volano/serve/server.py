"""A listening socket and the process around it: who may reach it, how it begins and ends."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from volano.core.errors import BusyError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

    from volano.serve.config import ServeConfig

__all__ = ["Server"]


class Server:
    """A bound socket: it holds its port from construction, and answers while it runs."""

    def __init__(self, app: ASGIApp, config: ServeConfig, *, keys: Sequence[str] = ()) -> None:
        self._socket = _listen(config, has_key=bool(keys))
        host, self.port = self._socket.getsockname()[:2]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=config.stop_seconds,
            )
        )

    def run(self) -> None:
        """Answer until ``stop``, SIGINT or SIGTERM."""
        # uvicorn stops gracefully and then raises Ctrl-C again; asking to stop is no failure.
        with self._socket, suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests, answer those under way, return from ``run``."""
        self._server.should_exit = True


def _listen(config: ServeConfig, *, has_key: bool) -> socket.socket:
    """Bind before anything else starts, so that a taken port is the first thing said.

    Raises:
        UserError: the address is not this machine's own and there is no key, or no such address.
        BusyError: the port is in use.
    """
    if not has_key and not _is_loopback(config.host):
        raise UserError(
            f"serving at {config.host!r} lets others in, and there is no key",
            where="serve.host",
            fix="set VOLANO_KEY or serve.key_file, or leave serve.host at 127.0.0.1",
        )
    where = f"{config.host}:{config.port}"
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except socket.gaierror as error:
        raise UserError(
            f"{config.host!r} is no address: {error.strerror}", where="serve.host", fix="127.0.0.1"
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
    return UserError(f"cannot listen: {error.strerror}", where=where, fix="serve.host: 127.0.0.1")
