"""Settings of serving, and the keys that come from outside the project file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from volano.core.config import Config
from volano.core.errors import UserError

__all__ = ["LogInputs", "ServeConfig", "read_keys"]

LogInputs = Literal["full", "masked", "none"]
_MAKE_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
_KEY = re.compile(r"[\x21-\x7e]{16,512}")


class ServeConfig(Config):
    """Where answers are served, what is kept of a request, and how much one may hold.

    Attributes:
        host: where to listen; anything but this machine needs a key.
        port: where to listen; 0 takes any free one.
        key_file: a file with one key on each line; the variable VOLANO_KEY works too.
        log_inputs: ``full``, ``masked`` (identifiers are replaced) or ``none``.
        retention_days: after so many days what people wrote is erased; hashes and labels stay.
        max_batch: rows in one request.
        max_body_bytes: bytes in one request.
        max_waiting: rows that may wait for their answer at once; more are asked to come again.
        max_connections: connections at once, in each worker; more are asked to come again.
        timeout_seconds: how long a request may take to come in, and how long it may wait.
        workers: processes that answer at the same address; one for each core that it may use.
        threads: slow requests (large, or explained) that one worker answers at the same time.
        poll_seconds: how soon a promotion is followed.
        stop_seconds: how long a stop waits for requests under way.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    key_file: str = ""
    log_inputs: LogInputs = "full"
    retention_days: Annotated[int, Field(ge=1, strict=True)] | Literal["forever"] = "forever"
    max_batch: int = Field(default=256, ge=1, le=100_000)
    max_body_bytes: int = Field(default=4_000_000, ge=1_000, le=1_000_000_000)
    max_waiting: int = Field(default=2048, ge=1, le=1_000_000)
    max_connections: int = Field(default=800, ge=1, le=100_000)
    timeout_seconds: float = Field(default=10, ge=0.1, le=3600)
    workers: int = Field(default=1, ge=1, le=256)
    threads: int = Field(default=4, ge=1, le=256)
    poll_seconds: float = Field(default=0.5, ge=0.05, le=60)
    stop_seconds: int = Field(default=10, ge=1, le=600)


def read_keys(text: str, *, where: str, is_needed: bool = False) -> tuple[str, ...]:
    r"""The keys of a key file or of an environment variable, one per line; ``#`` begins a comment.

    >>> read_keys("# for the website\nA-long-and-random-key\n", where="keys.txt")
    ('A-long-and-random-key',)

    Args:
        text: what the file or the variable holds.
        where: its name, for errors.
        is_needed: whether no key at all is a mistake; for a file that somebody named it is.

    Raises:
        UserError: a key is short or holds spaces (the error never shows it), or there is none.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    kept = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if is_needed and not kept:
        raise UserError("it holds no key", where=where, fix=_MAKE_KEY)
    for number, line in kept:
        if not _KEY.fullmatch(line):
            raise UserError(
                "a key is 16 to 512 characters of ASCII without spaces",
                where=f"{where}:{number}",
                fix=_MAKE_KEY,
            )
    return tuple(dict.fromkeys(line for _, line in kept))
