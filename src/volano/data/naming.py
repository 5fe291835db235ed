"""The names of rows: a hash of what each says, or of its key; and hashes that are the same.

A hash takes a processor longer than reading its row, so `hash_part` is run in several processes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import repeat
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.data.columns import hash_rows
from volano.data.spool import ROWS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "DIGEST",
    "Read",
    "digests_of",
    "draws_of",
    "group_digests",
    "hash_part",
    "hashes_of",
    "name_rows",
]

DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True)
class Read:
    """What is known of the rows of a part: ``rows`` but their ids, and what those come from."""

    rows: pa.Table
    contents: NDArray[np.uint8]  # (rows, 32): of what a row says but the label
    said: NDArray[np.uint8] | None  # (rows, 32): the label too, where it was asked for
    keys: pa.ChunkedArray | None
    ids: pa.ChunkedArray | None  # where there is no key: of rows before which none says the same

    @property
    def has_key(self) -> NDArray[np.bool_]:
        """Which of the rows are named by a key."""
        if self.keys is None:
            return np.zeros(self.rows.num_rows, bool)
        found: NDArray[np.bool_] = self.keys.is_valid().to_numpy()
        return found


def hashes_of(key: str, *, said: bool) -> tuple[str, ...]:
    """What `hash_part` is asked for rows that have a key or none.

    Args:
        key: the column that names rows.
        said: whether it has to be known which rows were edited.
    """
    return ("contents", *(() if key else ("ids",)), *(("said",) if said else ()))


def hash_part(table: pa.Table, target: str, *wanted: str) -> pa.Table:
    """The hashes of rows: of their ``contents`` without the target, of all they ``said``, ``ids``.

    Returns:
        The columns that are wanted, hashes as 32 bytes.
    """
    columns = {}
    if "contents" in wanted:
        contents = hash_rows(table, leave_out=target)
        columns["contents"] = _as_column(contents)
    if "said" in wanted:
        columns["said"] = _as_column(hash_rows(table))
    if "ids" in wanted:
        columns["ids"] = pa.array(_content_ids(contents, repeat(0)), pa.string())
    return pa.table(columns)


def _as_column(digests: NDArray[np.uint8]) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(DIGEST), len(digests), [None, pa.py_buffer(np.ascontiguousarray(digests))]
    )


def _content_ids(contents: NDArray[np.uint8], counts: Iterable[int]) -> list[str]:
    """Names of rows that say this, of which so many stand before them.

    Canonical JSON written out: the encoder would take longer than reading the file.
    """
    sha, size = hashlib.sha256, 2 * DIGEST
    content = contents.tobytes().hex()
    return [
        sha(f'["content","{content[at : at + size]}",{count}]'.encode()).hexdigest()
        for at, count in zip(range(0, len(content), size), counts, strict=False)
    ]


def name_rows(parts: Sequence[Read], paths: Sequence[str]) -> list[pa.Table]:
    """Give each row its id: by key where there is one, else by what it says.

    What it says leaves the label out, so a corrected label is an edit; equal rows are counted, so
    that rows added to a file never rename those that were there.
    """
    contents = np.concatenate([part.contents for part in parts])
    ordinals = _ordinals(contents, ~np.concatenate([part.has_key for part in parts]))
    named, start = [], 0
    for part, path in zip(parts, paths, strict=True):
        end = start + part.rows.num_rows
        if part.keys is None:
            ids = _by_content(part, ordinals[start:end])
        else:
            ids = _by_key(part, part.keys, path, ordinals[start:end])
        place = part.rows.schema.get_field_index("id")
        named.append(part.rows.set_column(place, "id", pa.chunked_array(ids, pa.string())))
        start = end
    return named


def _by_content(part: Read, ordinals: NDArray[np.int64]) -> Iterator[pa.Array]:
    again = np.flatnonzero(ordinals)
    names = pa.array(_content_ids(part.contents[again], ordinals[again].tolist()), pa.string())
    ids = pc.replace_with_mask(part.ids, pa.array(ordinals > 0), names)
    # However rows were read, the file of the Dataset has the same bytes, and so the same name.
    for start in range(0, len(ordinals), ROWS_AT_ONCE):
        yield ids.slice(start, ROWS_AT_ONCE).combine_chunks()


def _by_key(
    part: Read, keys: pa.ChunkedArray, path: str, ordinals: NDArray[np.int64]
) -> Iterator[pa.Array]:
    sha, source = hashlib.sha256, encode_basestring(path)
    for start in range(0, len(ordinals), ROWS_AT_ONCE):
        here = keys.slice(start, ROWS_AT_ONCE)
        names = [
            None if key is None else f'["key",{source},{encode_basestring(key)}]'
            for key in here.to_pylist()
        ]
        unnamed = np.flatnonzero(here.is_null().to_numpy()) + start
        by_content = iter(_content_ids(part.contents[unnamed], ordinals[unnamed].tolist()))
        ids = [
            next(by_content) if name is None else sha(name.encode()).hexdigest() for name in names
        ]
        yield pa.array(ids, pa.string())


def _ordinals(contents: NDArray[np.uint8], counts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row that counts, how many with the same content stand before it."""
    found = np.zeros(len(contents), np.int64)
    places = np.flatnonzero(counts)
    order, starts = group_digests(contents[places])
    sizes = np.diff(starts, append=len(order))
    found[places[order]] = np.arange(len(order)) - np.repeat(starts, sizes)
    return found


def group_digests(digests: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order that puts equal digests side by side, each in the order in which they stand.

    Returns:
        Numbers of digests; and where among them each group of equal ones starts.
    """
    words = np.ascontiguousarray(digests).view(np.uint64)
    order = np.argsort(words[:, 0], kind="stable")
    is_next = _differ(words, order)
    first = words[order, 0]
    if (is_next[1:] & (first[1:] == first[:-1])).any():  # 64 bits alike, and yet not equal
        order = np.lexsort(words.T[::-1])
        is_next = _differ(words, order)
    return order, np.flatnonzero(is_next)


def _differ(words: NDArray[np.uint64], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each is another than the one before it."""
    found = np.ones(len(order), bool)
    ranked = words[order]
    found[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    return found


def draws_of(names: pa.ChunkedArray, start: bytes = b"") -> NDArray[np.uint64]:
    """For each name the first 64 bits of the SHA-256 of ``start`` and it: an order of its own."""
    sha = hashlib.sha256
    pieces = (names.slice(at, ROWS_AT_ONCE) for at in range(0, len(names), ROWS_AT_ONCE))
    heads = [
        b"".join([sha(start + name.encode()).digest()[:8] for name in piece.to_pylist()])
        for piece in pieces
    ]
    return np.frombuffer(b"".join(heads), ">u8").astype(np.uint64)


def digests_of(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """A column of hashes of equal length, none of them null, as bytes: (rows, length)."""
    size = column.type.byte_width
    found = [np.zeros((0, size), np.uint8)]
    for chunk in column.chunks:
        raw = np.frombuffer(chunk.buffers()[1], np.uint8)
        found.append(
            raw[chunk.offset * size : (chunk.offset + len(chunk)) * size].reshape(-1, size)
        )
    return np.concatenate(found)
