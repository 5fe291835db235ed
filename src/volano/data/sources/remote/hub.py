"""Data sets on the Hugging Face hub, by its public addresses; no package is needed.

``hf://datasets/OWNER/NAME`` is the whole set, ``.../PATH`` a file or folder of it, and
``NAME@REVISION`` one state of it; ``@~parquet`` is the copy in Parquet that the hub makes.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from volano.core.errors import ConfigError, DataError
from volano.data.sources.remote.request import Fetched
from volano.data.sources.remote.web import download, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from volano.data.sources.remote.request import Request

__all__ = ["fetch_from_hub"]

_HUB = "https://huggingface.co"
_ADDRESS = re.compile(
    r"hf:(?://datasets/)?(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>~parquet|[\w.-]+))?(?:/(?P<path>.*))?"
)
_CONVERTED = "refs/convert/parquet"
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_MOST_PAGES = 50
_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".csv", ".tsv", ".csv.gz", ".jsonl.gz", ".xlsx")
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORDS = re.compile(r"[^a-z0-9]+")


class _DataSet(NamedTuple):
    name: str
    revision: str
    path: str


def fetch_from_hub(request: Request) -> Fetched | None:
    """Fetch the files of one split; None where none has changed.

    Raises:
        DataError: there is no such data set or split, or several splits and none is named.
        UnreachableError: the hub does not answer.
    """
    if not request.secret and request.environment.get("HF_TOKEN"):
        request = replace(request, secret=request.environment["HF_TOKEN"])
    wanted = _parsed(request)
    files = _chosen(request, _listed(request, wanted), wanted)
    if not files and not wanted.path and wanted.revision == "main":
        wanted = wanted._replace(revision=_CONVERTED)
        files = _chosen(request, _listed(request, wanted), wanted)
    if not files:
        raise DataError(
            "the data set has no table that can be read there",
            where=request.source.path,
            fix="name a file of it: hf://datasets/OWNER/NAME/PATH",
        )
    mark = {one["path"]: one["oid"] for one in files}
    if mark == request.mark:
        return None
    request.check_size(sum(int(one.get("size") or 0) for one in files))
    num_bytes = 0
    for one in files:
        num_bytes += _download(request, wanted, one, num_bytes)
    return Fetched(mark)


def _parsed(request: Request) -> _DataSet:
    found = _ADDRESS.fullmatch(request.source.path)
    if found is None:
        raise ConfigError(
            "{path!r} names no data set of the hub",
            where="data.sources",
            fix="hf://datasets/OWNER/NAME, or hf://datasets/OWNER/NAME/FILE",
            path=request.source.path,
        )
    revision = found["revision"] or "main"
    revision = _CONVERTED if revision == "~parquet" else revision
    return _DataSet(found["name"], revision, (found["path"] or "").strip("/"))


def _hub(request: Request) -> str:
    return request.environment.get("HF_ENDPOINT", "").rstrip("/") or _HUB


def _listed(request: Request, wanted: _DataSet) -> list[dict[str, Any]]:
    """Every file of the data set: path, size, oid, and for large ones their SHA-256."""
    revision = quote(wanted.revision, safe="")
    url = f"{_hub(request)}/api/datasets/{wanted.name}/tree/{revision}?recursive=true"
    found: list[dict[str, Any]] = []
    for _ in range(_MOST_PAGES):
        page, headers = read_json(request, url)
        found += [one for one in page if one.get("type") == "file"]
        following = _NEXT.search(headers.get("link", ""))
        if following is None:
            return found
        url = following[1]
    raise DataError(
        "the data set has too many files to list",
        where=request.source.path,
        fix="name a file of it: hf://datasets/OWNER/NAME/PATH",
    )


def _chosen(
    request: Request, files: Iterable[dict[str, Any]], wanted: _DataSet
) -> list[dict[str, Any]]:
    """The files of one kind and one split, by name."""
    below = [one for one in files if _is_below(one["path"], wanted.path)]
    if wanted.path and len(below) == 1:
        return below
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in below:
        ending = next((end for end in _ENDINGS if one["path"].lower().endswith(end)), "")
        kinds[ending].append(one)
    tables = next((kinds[ending] for ending in _ENDINGS if kinds[ending]), [])
    splits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sorted(tables, key=lambda one: str(one["path"])):
        splits[_split_of(one["path"].removeprefix(wanted.path))].append(one)
    split = request.source.fetch.split
    if split:
        split = next((name for name, words in _SPLITS.items() if split in words), split)
        return splits.get(split) or [one for one in tables if split in _words(one["path"])]
    if len(splits) > 1:
        raise DataError(
            "the data set has several splits, and none is named",
            where=request.source.path,
            fix="fetch: {{split: ...}} at the source, one of {known}",
            known=", ".join(sorted(name for name in splits if name)),
        )
    return next(iter(splits.values()), [])


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _words(path: str) -> set[str]:
    return set(_WORDS.split(path.lower()))


def _split_of(path: str) -> str:
    words = _words(path)
    return next((name for name, known in _SPLITS.items() if words & set(known)), "")


def _download(request: Request, wanted: _DataSet, one: dict[str, Any], before: int) -> int:
    revision, path = quote(wanted.revision, safe=""), quote(one["path"])
    url = f"{_hub(request)}/datasets/{wanted.name}/resolve/{revision}/{path}"
    written = 0
    promised = (one.get("lfs") or {}).get("oid", "")

    def keep(answer: Any) -> None:
        nonlocal written
        checksum = hashlib.sha256()
        written = request.write(one["path"], _summed(answer.body, checksum), before)
        if promised and checksum.hexdigest() != promised:
            raise DataError(
                "{name!r} is not what the hub says it is: its checksum is another",
                where=request.source.path,
                fix="try again",
                name=one["path"],
            )

    download(request, url, keep)
    return written


def _summed(pieces: Iterator[bytes], checksum: Any) -> Iterator[bytes]:
    for piece in pieces:
        checksum.update(piece)
        yield piece
