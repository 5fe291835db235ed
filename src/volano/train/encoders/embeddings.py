"""Vectors of texts by a frozen encoder: each text once, over folds, turns and interruptions.

A vector is kept under the hash of the text's token numbers, for one base, pooling and arithmetic:
a text that is cut elsewhere counts as another one, and no text is kept. The cache is a folder of
segments, each written whole under the hash of its content, so a killed run goes on behind its last
segment, and two processes at once at worst do the same work. A run that goes on makes the batches
that it would have made: the last bits of a vector depend on the batch it was made in.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from volano.compute.machine import describe_machine
from volano.core.errors import reason_of
from volano.core.hashing import code_hash

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.events import Events
    from volano.models.encoder import Encoder
    from volano.train.encoders.base import Pooling
    from volano.train.learner import Base

__all__ = ["MOST_BYTES", "Embedded", "Frozen"]

Tokenised = Sequence[NDArray[np.int32]]
Arrays = Mapping[str, NDArray[Any]]
Known = dict[bytes, NDArray[np.float32]]  # a vector for each key

MOST_BYTES = 2 * 1024**3  # of the whole cache; what was used longest ago goes first
_BATCH_TOKENS = 2048  # more spill out of a core's own cache
_BATCH_ROWS = 256
_SEGMENT_SECONDS = 5.0  # of work that a kill may cost
_ABANDONED_SECONDS = 3600.0  # after which half a file has no writer any more


@dataclass(frozen=True)
class Embedded:
    """Vectors, shape (texts, width), before any normalisation, and how many texts were new."""

    vectors_ND: NDArray[np.float32]
    num_fresh: int
    num_cached: int


@dataclass
class Frozen:
    """An encoder whose weights stay as they are; it computes on the processor.

    Attributes:
        base: the encoder.
        pooling: from token vectors to one.
        precision: of products.
        cache: a folder for vectors; None keeps nothing. One that cannot be written becomes None:
            what can be computed again stops no training.
        log: hears how far it is, and of a cache that cannot be written.
    """

    base: Base
    pooling: Pooling
    precision: Literal["auto", "bfloat16", "float32"]
    cache: Path | None
    log: Events = field(repr=False)

    def embed(self, tokens_N: Tokenised) -> Embedded:
        """A vector for each text; torch is loaded only where a text is new.

        Raises:
            ConfigError: transformers cannot read the base.
        """
        keys = [_key_of(tokens) for tokens in tokens_N]
        texts = dict(zip(keys, tokens_N, strict=True))
        known = self._known(texts)
        batches = [[key for key in batch if key not in known] for batch in _batches(texts)]
        batches = [batch for batch in batches if batch]
        total, num_cached = len(texts), len(known)
        fresh: Known = {}
        began = time.monotonic()
        self.log.progress("texts are encoded", num_cached, total)
        for number, batch in enumerate(batches):
            found = self._encode([texts[key] for key in batch])
            fresh |= dict(zip(batch, found, strict=True))
            is_last = number == len(batches) - 1
            if is_last or time.monotonic() - began > _SEGMENT_SECONDS:
                self._keep(self._folder, _segment_of(fresh))
                known |= fresh
                fresh, began = {}, time.monotonic()
            self.log.progress("texts are encoded", len(known) + len(fresh), total)
        vectors = np.stack([known[key] for key in keys])
        return Embedded(vectors, total - num_cached, num_cached)

    def body(self) -> Arrays:
        """The encoder's weights in float32 as its module names them, for a bundle."""
        folder = None if self.cache is None else self.cache / f"body-{self._versions()}"
        for arrays in _segments(folder):
            return arrays
        state = self._module.body.state_dict()
        arrays = {name: tensor.float().numpy() for name, tensor in state.items()}
        self._keep(folder, arrays)
        return arrays

    def _known(self, wanted: Mapping[bytes, Any]) -> Known:
        """What the cache holds of them."""
        known: Known = {}
        for arrays in _segments(self._folder):
            vectors = arrays["vectors"]
            for row, key in enumerate(arrays["keys"]):
                if (found := key.tobytes()) in wanted:
                    known[found] = vectors[row]
        return known

    def _keep(self, folder: Path | None, arrays: Arrays) -> None:
        """Write a segment for later turns; a disk that refuses is told of once."""
        if folder is None or self.cache is None:
            return
        from safetensors.numpy import save

        try:
            _write(folder, save(dict(arrays)))
            _prune(self.cache)
        except OSError as error:
            self.log.warn(
                "vectors of texts are not kept, so the next turn computes them again: "
                f"{reason_of(error)} ({self.cache})"
            )
            self.cache = None

    @property
    def _folder(self) -> Path | None:
        if self.cache is None:
            return None
        # One processor's bfloat16 is another's float32, and versions move last bits.
        told = [self._versions(), self.pooling, self.precision, describe_machine().processor]
        return self.cache / f"vectors-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]}"

    def _versions(self) -> str:
        code = code_hash(("train", "models"))
        told = [self.base.hash, code, *map(version, ("torch", "transformers"))]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    @cached_property
    def _module(self) -> Encoder:
        from volano.models.encoder import Shape
        from volano.train.encoders.pretrained import load_pretrained
        from volano.train.loop.precision import bound_threads

        bound_threads()
        return load_pretrained(self.base, Shape(self.pooling, "linear", 1, 1))

    def _encode(self, texts: Tokenised) -> NDArray[np.float32]:
        """One batch, padded to its longest text."""
        import torch

        from volano.train.loop.precision import choose_arithmetic

        arithmetic = choose_arithmetic(self.precision, torch.device("cpu"))
        ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        with torch.inference_mode(), arithmetic.routed(), arithmetic.forward():
            pooled = self._module.pool(torch.from_numpy(ids), torch.from_numpy(mask))
        vectors: NDArray[np.float32] = pooled.float().numpy()
        return vectors


def _segment_of(fresh: Known) -> Arrays:
    keys = np.frombuffer(b"".join(fresh), np.uint8).reshape(len(fresh), -1)
    return {"keys": keys, "vectors": np.stack(list(fresh.values()))}


def _key_of(tokens: NDArray[np.int32]) -> bytes:
    return hashlib.blake2b(tokens.astype("<i4").tobytes(), digest_size=16).digest()


def _batches(texts: Mapping[bytes, NDArray[np.int32]]) -> Iterator[list[bytes]]:
    """Texts of like length together; the same texts always give the same batches."""
    batch: list[bytes] = []
    for key in sorted(texts, key=lambda key: (len(texts[key]), key)):
        is_full = len(batch) == _BATCH_ROWS or len(texts[key]) * (len(batch) + 1) > _BATCH_TOKENS
        if batch and is_full:
            yield batch
            batch = []
        batch.append(key)
    if batch:
        yield batch


def _segments(folder: Path | None) -> Iterator[Arrays]:
    """What each whole segment holds; one that was damaged is taken away."""
    from safetensors.numpy import load

    for path in sorted(folder.glob("*.safetensors")) if folder is not None else []:
        try:
            content = path.read_bytes()
        except OSError:  # another process has pruned it
            continue
        if hashlib.sha256(content).hexdigest() != path.stem:
            with contextlib.suppress(OSError):
                path.unlink()
            continue
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used now
        yield load(content)


def _write(folder: Path, content: bytes) -> None:
    """A segment, whole or not at all, named by its hash."""
    path = folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
    fresh = path.with_suffix(f".{os.getpid()}.new")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()  # half a file would keep a full disk full, for the ledger too
        raise


def _prune(cache: Path) -> None:
    """Segments that were used longest ago go, until all are within ``MOST_BYTES``."""
    found = []
    for path in cache.glob("*/*"):
        try:
            told = path.stat()
        except OSError:  # another process was quicker
            continue
        if path.suffix == ".new":
            if time.time() - told.st_mtime > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)
        else:
            found.append((told.st_mtime_ns, told.st_size, path))
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)
