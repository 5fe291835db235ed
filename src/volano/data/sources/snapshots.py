"""Snapshots: what lies elsewhere becomes a file of this machine, once, before anything reads it.

Each address has a folder of its own under ``sources`` in the cache: the file or files, and
``about.json`` (address, checksum, size, when, and what the server calls this version). A snapshot
is swapped in whole; deleting the cache only means that all is fetched again.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from volano.core.errors import ConfigError
from volano.core.hashing import SHORT, hash_json
from volano.data.sources.batch import require_file, stat_source
from volano.data.sources.files import hash_source, size_of
from volano.data.sources.remote import Request, UnreachableError, fetcher, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from volano.core.events import Events
    from volano.data.config import DataConfig, SourceConfig

__all__ = ["facts_about", "fetch", "fetch_source", "is_address", "source_fingerprint"]

_ABOUT, _NEW, _DATA = "about.json", "new-", "data-"


def fetch(
    config: DataConfig, root: Path, cache: Path, environment: Mapping[str, str], events: Events
) -> dict[str, Path]:
    """The local copy of each source that is no file of this machine.

    Args:
        config: the sources.
        root: the project folder.
        cache: where snapshots are kept.
        environment: where secrets are looked up.
        events: told of what is fetched, and of what could not be reached.

    Raises:
        DataError: a source cannot be fetched, and nothing may stand in for it.
        ConfigError: an address is none, or its secret is not set.
    """
    remote = [source for source in config.sources if is_address(source.path)]
    found = {}
    for number, source in enumerate(remote):
        events.progress(f"fetching {source.path}", number, len(remote))
        hosts = config.allow_hosts
        found[source.path] = fetch_source(source, root, cache, environment, hosts, events)
    return found


def fetch_source(
    source: SourceConfig,
    root: Path,
    cache: Path,
    environment: Mapping[str, str],
    allow_hosts: tuple[str, ...],
    events: Events,
) -> Path:
    """The local copy of one source, fetched where it has changed.

    Raises:
        DataError: it cannot be fetched, and nothing may stand in for it.
        ConfigError: the address is none, or its secret is not set.
    """
    name = hash_json([source.path, source.fetch.query, source.fetch.split])[:SHORT]
    folder = cache / "sources" / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        about = _read_about(folder)
        for left in folder.glob(f"{_NEW}*"):  # of a fetch that was killed
            shutil.rmtree(left)
        into = folder / f"{_NEW}{os.getpid()}"
        into.mkdir()
        request = Request(
            source=source,
            root=root,
            into=into,
            secret=_secret(source, environment),
            environment=environment,
            allow_hosts=allow_hosts,
            mark=about.get("mark"),
        )
        try:
            fetched = fetcher(source)(request)
            if fetched is not None:
                about = _swap(folder, into, source.path, fetched.mark)
        except UnreachableError as error:
            if not about:
                raise
            _require_use_last(source, about, error, events)
        finally:
            shutil.rmtree(into, ignore_errors=True)
    found: Path = folder / about["file"]
    return found


def _secret(source: SourceConfig, environment: Mapping[str, str]) -> str:
    name = source.fetch.secret
    if name and not environment.get(name):
        raise ConfigError(
            "the environment variable {name} is not set, which {path!r} needs",
            where="data.sources, fetch.secret",
            fix="export {name}=...",
            name=name,
            path=source.path,
        )
    return environment[name] if name else ""


def _require_use_last(
    source: SourceConfig, about: Mapping[str, Any], error: UnreachableError, events: Events
) -> None:
    when = about["fetched_at"]
    if source.fetch.offline == "error":
        raise UnreachableError(
            "{error}; what was fetched at {when} is still here",
            where=error.where,
            fix="try again, or go on with that: fetch: {{offline: use-last}}",
            error=error,
            when=when,
        )
    events.warn(f"{source.path}: {error.what}; using what was fetched at {when}")


def _swap(folder: Path, into: Path, address: str, mark: Any) -> dict[str, Any]:
    """Make what was fetched the snapshot; whoever reads ``about.json`` sees the old or the new."""
    files = [file for file in into.rglob("*") if file.is_file()]
    is_one = len(files) == 1
    whole = files[0] if is_one else into
    sha256 = hash_source(whole)
    place = folder / f"{_DATA}{sha256[:SHORT]}"
    about = {
        "address": address,
        "file": f"{place.name}/{files[0].relative_to(into).as_posix()}" if is_one else place.name,
        "sha256": sha256,
        "num_bytes": size_of(whole),
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "mark": mark,
    }
    if place.exists():
        shutil.rmtree(place)
    into.replace(place)
    fresh = folder / f"{_ABOUT}.new"
    fresh.write_text(json.dumps(about, ensure_ascii=False, indent=2), "utf-8")
    fresh.replace(folder / _ABOUT)
    for old in folder.glob(f"{_DATA}*"):
        if old != place:
            shutil.rmtree(old, ignore_errors=True)
    return about


def _read_about(folder: Path) -> dict[str, Any]:
    """What was fetched last; nothing where it is not whole any more."""
    try:
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text("utf-8"))
        is_whole = size_of(folder / about["file"]) == about["num_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return about if is_whole else {}


def facts_about(path: Path) -> dict[str, Any]:
    """What a card says of a source's files: size, and when they were fetched."""
    facts: dict[str, Any] = {"num_bytes": size_of(path)}
    for folder in (path, *path.parents):
        if folder.name.startswith(_DATA):
            about = _read_about(folder.parent)
            return facts | {"fetched_at": about["fetched_at"]} if about else facts
    return facts


def source_fingerprint(
    config: DataConfig, root: Path, *, names: str = "", paths: Mapping[str, Path] | None = None
) -> dict[str, str]:
    """The hash of each source, and of the label names file: part of the stage's key.

    Args:
        config: the sources.
        root: the project folder.
        names: the file that names labels; empty for none.
        paths: the local copy of each source that is no file of this machine.

    Raises:
        DataError: a file is missing, empty, or cannot be read.
    """
    found = {}
    for source in config.sources:
        path = (paths or {}).get(source.path, root / source.path)
        if not stat.S_ISDIR(stat_source(path).st_mode):
            require_file(path)
        found[source.path] = hash_source(path)
    if names:
        require_file(root / names)
        found[names] = hash_source(root / names)
    return found
