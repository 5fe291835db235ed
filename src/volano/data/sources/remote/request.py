"""What is to be fetched, how much of it, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from volano.data.config import SourceConfig

__all__ = ["Fetched", "Request", "UnreachableError"]

_PATIENCE = 60  # times the timeout of one answer


class UnreachableError(DataError):
    """Nobody answers there now; what was fetched last may do."""


@dataclass(frozen=True)
class Fetched:
    """What the next fetch compares with, to see whether anything has changed."""

    mark: Any = None


@dataclass(frozen=True)
class Request:
    """One source that is to be fetched.

    Attributes:
        source: the address, and how it is read.
        root: the project folder, which a database file is relative to.
        into: an empty folder for the files.
        secret: the password or token; never written anywhere.
        environment: where the hub's usual variables are looked up.
        allow_hosts: hosts of private networks that may be asked.
        mark: what the last fetch gave to compare with; None where there was none.
        began: when, in seconds of the monotonic clock.
    """

    source: SourceConfig
    root: Path
    into: Path
    secret: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_hosts: tuple[str, ...] = ()
    mark: Any = None
    began: float = field(default_factory=time.monotonic)

    @property
    def most_bytes(self) -> int:
        """The most that may be written."""
        return self.source.fetch.most_megabytes * 2**20

    @property
    def timeout_seconds(self) -> float:
        """How long one answer may take."""
        return self.source.fetch.timeout_seconds

    @property
    def seconds_left(self) -> float:
        """Until the whole has taken too long."""
        return self.began + _PATIENCE * self.timeout_seconds - time.monotonic()

    def check_time(self) -> None:
        """Refuse to go on for ever: a server may send one byte now and then.

        Raises:
            UnreachableError: the time is over.
        """
        if self.seconds_left <= 0:
            raise UnreachableError(
                "fetching took more than {seconds:g} s",
                where=self.source.path,
                fix="fetch: {{timeout_seconds: ...}} at the source gives it longer",
                seconds=_PATIENCE * self.timeout_seconds,
            )

    def check_size(self, num_bytes: int) -> None:
        """Refuse more than was agreed.

        Raises:
            DataError: it is too much.
        """
        if num_bytes > self.most_bytes:
            raise DataError(
                "more than {limit} MB would be fetched",
                where=self.source.path,
                fix="fetch: {{most_megabytes: ...}} at the source allows more",
                limit=self.source.fetch.most_megabytes,
            )

    def hiding(self, said: object) -> str:
        """The first line of what somebody else's error says, without the secret."""
        lines = str(said).strip().splitlines() or [type(said).__name__]
        text = lines[0][:300]
        return text.replace(self.secret, "***") if self.secret else text

    def write(self, name: str, pieces: Iterable[bytes], before: int = 0) -> int:
        """Write a file into the folder, within the limits; how many bytes it took.

        Raises:
            DataError: it is too much, or its name leads out of the folder.
        """
        safe = PurePosixPath(name)
        if safe.is_absolute() or ".." in safe.parts or "\\" in name or "\0" in name:
            raise DataError(
                "a file there is named {name!r}, which leads out of the folder",
                where=self.source.path,
                fix="name the file that you need",
                name=name,
            )
        target = self.into / safe
        target.parent.mkdir(parents=True, exist_ok=True)
        num_bytes = 0
        with target.open("wb") as stream:
            for piece in pieces:
                num_bytes += len(piece)
                self.check_size(before + num_bytes)
                self.check_time()
                stream.write(piece)
        return num_bytes
