"""Sources that are no files of this machine: the web, object stores, the hub, databases.

In: an address, and what was fetched from it last. Out: files in a folder, or word that nothing has
changed. Never: an address of a private network that nobody allowed, more bytes than were agreed, or
a secret in a file, a log or an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.errors import ConfigError
from volano.data.sources.remote.database import DIALECTS, fetch_query
from volano.data.sources.remote.hub import fetch_from_hub
from volano.data.sources.remote.request import Fetched, Request, UnreachableError
from volano.data.sources.remote.stores import STORES, fetch_from_store
from volano.data.sources.remote.web import fetch_from_web

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.data.config import SourceConfig

__all__ = ["Fetched", "Request", "UnreachableError", "fetcher", "is_address"]


def is_address(path: str) -> bool:
    """Whether a source is fetched from elsewhere."""
    return "://" in path or path.startswith("hf:")


def fetcher(source: SourceConfig) -> Callable[[Request], Fetched | None]:
    """What fetches from an address of this kind.

    Raises:
        ConfigError: nothing fetches from there, or a key is missing.
    """
    scheme = source.path.partition(":")[0].lower()
    kind = scheme.partition("+")[0]
    if kind in DIALECTS or source.fetch.query:
        return fetch_query
    if scheme in ("http", "https"):
        return fetch_from_web
    if scheme == "hf":
        return fetch_from_hub
    if scheme in STORES:
        return fetch_from_store
    if scheme == "file":
        raise ConfigError(
            "{path!r} names a file of this machine as a web address",
            where="data.sources",
            fix="write the path alone: /folder/file.csv",
            path=source.path,
        )
    raise ConfigError(
        "nothing is fetched from {scheme}:// addresses",
        where="data.sources",
        fix="https, hf, {stores}, or a database with fetch: {{query: TABLE}}",
        scheme=scheme,
        stores=", ".join(STORES),
    )
