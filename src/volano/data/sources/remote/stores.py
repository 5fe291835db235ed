"""Object stores, by fsspec: one file, or all files below a folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from volano.core.errors import DataError, MissingExtraError
from volano.data.sources.remote.request import Fetched, UnreachableError
from volano.store.remote import package_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.data.sources.remote.request import Request

__all__ = ["STORES", "fetch_from_store"]

STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory")
_PIECE = 2**20
_MOST_FILES = 10_000
# What the packages behind fsspec raise besides OSError; looked up once they are loaded.
_FAULTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
)


def fetch_from_store(request: Request) -> Fetched | None:
    """Fetch a file, or each file below a folder; None where none has changed.

    Raises:
        DataError: nothing is there, or too much.
        MissingExtraError: the package for this store is not installed.
        UnreachableError: the store does not answer.
    """
    from fsspec.core import url_to_fs

    try:
        filesystem, place = url_to_fs(request.source.path)
    except ImportError as error:
        raise MissingExtraError(
            "{url!r} needs a package that is not installed: {error}",
            fix="pip install {package}",
            url=request.source.path,
            error=error,
            package=package_for(request.source.path),
        ) from None
    except ValueError as error:
        raise DataError(
            "this is no address of an object store: {error}",
            where=request.source.path,
            fix="s3://BUCKET/FOLDER/FILE",
            error=request.hiding(error),
        ) from None
    try:
        return _fetch(request, filesystem, place)
    except FileNotFoundError:
        raise DataError(
            "there is nothing at this address",
            where=request.source.path,
            fix="check the bucket and the name",
        ) from None
    except PermissionError as error:
        raise DataError(
            "the store refuses it: {error}",
            where=request.source.path,
            fix="check the credentials that its own tools use here",
            error=request.hiding(error),
        ) from None
    except _faults() as error:
        raise UnreachableError(
            "the store does not answer: {error}",
            where=request.source.path,
            fix="check the network and the credentials",
            error=request.hiding(error),
        ) from None


def _faults() -> tuple[type[Exception], ...]:
    found = (getattr(sys.modules.get(module), name, None) for module, name in _FAULTS)
    return (OSError, *(kind for kind in found if kind is not None))


def _fetch(request: Request, filesystem: Any, place: str) -> Fetched | None:
    filesystem.invalidate_cache()
    about = filesystem.info(place)
    is_folder = about["type"] == "directory"
    found = filesystem.find(place, detail=True) if is_folder else {about["name"]: about}
    files = {
        name.removeprefix(place).lstrip("/") if is_folder else name.rpartition("/")[2]: one
        for name, one in found.items()
    }
    mark = {name: _version(one) for name, one in sorted(files.items())}
    if mark == request.mark:
        return None
    if not files:
        raise FileNotFoundError(place)
    if len(files) > _MOST_FILES:
        raise DataError(
            "{count} files are there, and the most is {limit}",
            where=request.source.path,
            fix="name a folder with fewer, or one file",
            count=len(files),
            limit=_MOST_FILES,
        )
    request.check_size(sum(int(one.get("size") or 0) for one in files.values()))
    num_bytes = 0
    for name, one in files.items():
        num_bytes += request.write(name, _pieces(filesystem, one["name"]), num_bytes)
    return Fetched(mark)


def _version(about: Any) -> str:
    """What tells one content of a file from another, as far as the store says it."""
    names = ("ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "mtime")
    said = [str(about[name]) for name in (*names, "created", "size") if about.get(name)]
    return " ".join(said)


def _pieces(filesystem: Any, place: str) -> Iterator[bytes]:
    with filesystem.open(place, "rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
