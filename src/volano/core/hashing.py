"""Content addresses: the same content has the same name, on every machine.

SHA-256 because it ships with Python, runs at over 1 GB/s where the processor helps, and a name that
people compare by eye must not be forgeable.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

__all__ = ["SHORT", "code_hash", "hash_bytes", "hash_file", "hash_json", "to_json"]

SHORT = 12  # characters of a hash that people see; 48 bits

_SOURCE = Path(__file__).parents[1]


def to_json(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN, Unicode as it is."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def hash_bytes(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hash_json(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return hash_bytes(to_json(value).encode())


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_hash(rooms: tuple[str, ...]) -> str:
    """SHA-256 of the Python source of ``rooms``, so that a changed stage is run again."""
    return hash_json({room: _room_hash(room) for room in rooms})


@lru_cache
def _room_hash(room: str) -> str:
    sources = sorted((_SOURCE / room).rglob("*.py"))
    return hash_json({path.relative_to(_SOURCE).as_posix(): hash_file(path) for path in sources})
