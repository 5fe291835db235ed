"""Checkpoints: what a training must remember to go on, bit by bit, after a kill.

A snapshot copies the tensors that change into memory that is already there, beside the next step's
gradients; a thread writes it in safetensors' form, syncs it and renames it, so the file of
before stays whole until the new one is. A checkpoint of another training, or a damaged one, is
never used. Importing this file imports torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from volano.core.errors import VolanoError, reason_of
from volano.core.hashing import to_json
from volano.store.durable import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from volano.core.events import Events

__all__ = ["FILE", "Checkpoint", "Keeper", "read_checkpoint", "write_checkpoint"]

FILE = "checkpoint.safetensors"
_PIECE = 4 << 20  # bytes
_Piece = tuple[NDArray[np.uint8], NDArray[np.uint8]]
_DTYPES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and ``told``: the rest, as JSON can carry it."""

    tensors: Mapping[str, Tensor]
    told: Mapping[str, Any]


@dataclass
class Keeper:
    """Writes checkpoints of one training beside it.

    Attributes:
        folder: where; None keeps nothing.
        fingerprint: of all that shapes the training; a checkpoint with another is foreign.
        seconds: time between checkpoints; 0 is after every step.
        log: hears of a checkpoint that is not used, or cannot be written.
        stalls: milliseconds that the training waited, one for each checkpoint.
    """

    folder: Path | None
    fingerprint: str
    seconds: float
    log: Events
    stalls: list[float] = field(default_factory=list)
    _memory: dict[str, Tensor] = field(default_factory=dict)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "checkpoint"))
    _pieces: deque[_Piece] = field(default_factory=deque)
    _copying: Future[None] | None = None
    _content: Checkpoint = field(default_factory=lambda: Checkpoint({}, {}))
    _writing: Future[None] | None = None
    _last: float = field(default_factory=time.monotonic)

    def find(self) -> Checkpoint | None:
        """The checkpoint to go on from; None where there is none that fits."""
        if self.folder is None:
            return None
        path = self.folder / FILE
        try:
            return read_checkpoint(path, self.fingerprint)
        except FileNotFoundError:
            return None
        except (VolanoError, OSError) as error:
            why = error.what if isinstance(error, VolanoError) else str(reason_of(error))
            self.log.warn(f"the checkpoint is not used: {why}; training begins anew")
            return None

    def prepare(self, changing: Mapping[str, Tensor]) -> None:
        """Set memory aside for what changes; a thread touches it, so that no snapshot has to."""
        if self.folder is None or self._memory.keys() == changing.keys():
            return
        self.wait()
        self._memory = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            for name, tensor in changing.items()
        }
        self._writing = self._writer.submit(_touch, list(self._memory.values()))

    @property
    def is_due(self) -> bool:
        """Whether it is time; never while one is being written, unless each step has its own."""
        if self.folder is None:
            return False
        if self.seconds == 0:
            return True
        waited = time.monotonic() - self._last
        is_idle = self._copying is None and (self._writing is None or self._writing.done())
        return waited >= self.seconds and is_idle

    def save(
        self, changing: Mapping[str, Tensor], kept: Mapping[str, Tensor], told: Mapping[str, Any]
    ) -> None:
        """Begin a checkpoint of ``changing``, and of ``kept``, which nobody changes.

        Gradients leave weights as they are, so a thread copies while the next ones are computed.
        Whoever is about to change a weight calls ``settle`` before.
        """
        if self.folder is None:
            return
        begun = time.perf_counter()
        self.prepare(changing)
        self.wait()
        self._pieces = deque(_pieces(self._memory, changing))
        self._copying = self._writer.submit(_copy, self._pieces)
        self._content = Checkpoint({**self._memory, **kept}, dict(told))
        self._last = time.monotonic()
        self.stalls.append((time.perf_counter() - begun) * 1e3)

    def settle(self) -> None:
        """Copy what is left of a snapshot, and begin to write it."""
        if self._copying is None or self.folder is None:
            return
        begun = time.perf_counter()
        _copy(self._pieces)
        if not self._copying.cancel():  # it has begun
            self._copying.result()
        self._copying = None
        path = self.folder / FILE
        self._writing = self._writer.submit(write_checkpoint, path, self._content, self.fingerprint)
        self.stalls[-1] += (time.perf_counter() - begun) * 1e3

    def wait(self) -> None:
        """Wait until all is written; a disk that refuses costs the checkpoint, not the training."""
        self.settle()
        if self._writing is None:
            return
        try:
            self._writing.result()
        except OSError as error:
            self.log.warn(f"no checkpoint is kept: {reason_of(error)}")
        self._writing = None

    def close(self) -> None:
        """Wait, and end the thread."""
        self.wait()
        self._writer.shutdown()


def _pieces(memory: Mapping[str, Tensor], changing: Mapping[str, Tensor]) -> Iterator[_Piece]:
    """What to copy from where to where: arrays of bytes, in pieces.

    Small tensors and others than plain memory are copied at once: among them are running means,
    which change before the step does.
    """
    for name, tensor in changing.items():
        source, target = tensor.detach(), memory[name]
        is_plain = source.device.type == "cpu" and source.is_contiguous()
        if not is_plain or not tensor.requires_grad and name.startswith("module."):
            target.copy_(source)
            continue
        source_B, target_B = _flat(source), _flat(target)
        for begin in range(0, len(source_B), _PIECE):
            yield target_B[begin : begin + _PIECE], source_B[begin : begin + _PIECE]


def _copy(pieces: deque[_Piece]) -> None:
    """Copy until none is left.

    Two threads share the pieces, by NumPy, which lets go of the interpreter's lock. Torch's own
    threads wait for each other: where others use the cores, its copy takes three times as long.
    """
    while True:
        try:
            target_B, source_B = pieces.pop()
        except IndexError:
            return
        np.copyto(target_B, source_B)


def _touch(tensors: list[Tensor]) -> None:
    """Write into memory for the first time, by NumPy.

    Torch would give this thread a team of its own; with more threads than cores, OpenMP's threads
    sleep at every barrier instead of spinning, and the training takes twice as long.
    """
    for tensor in tensors:
        _flat(tensor).fill(0)


def write_checkpoint(path: Path, checkpoint: Checkpoint, fingerprint: str) -> None:
    """Replace ``path`` at once by a checkpoint, in safetensors' form.

    Written here and not by ``safetensors.torch.save_file``, which holds the interpreter's lock
    while it copies; reading goes by safetensors. Widest numbers come first, so all lie aligned.
    """
    names = sorted(checkpoint.tensors, key=lambda n: (-checkpoint.tensors[n].itemsize, n))
    places, end = {}, 0
    for name in names:
        tensor = checkpoint.tensors[name]
        begin, end = end, end + tensor.nbytes
        kind, shape = _DTYPES[tensor.dtype], list(tensor.shape)
        places[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    pieces = [_bytes_of(checkpoint.tensors[name]) for name in names]
    told = json.dumps(checkpoint.told)
    digest = _digest(fingerprint, told, to_json(places))
    for piece in pieces:
        digest.update(piece)
    facts = {"fingerprint": fingerprint, "told": told, "digest": digest.hexdigest()}
    header = json.dumps({"__metadata__": facts} | places).encode()
    header += b" " * (-len(header) % 8)
    fresh = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with fresh.open("wb") as stream:
            stream.write(struct.pack("<Q", len(header)) + header)
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()  # half a file would keep a full disk full, for the ledger too
        raise
    sync_folder(path.parent)


def read_checkpoint(path: Path, fingerprint: str) -> Checkpoint:
    """Read a whole checkpoint of the training with this fingerprint.

    Raises:
        VolanoError: it is damaged, or of another training.
        FileNotFoundError, OSError: there is none, or the disk does not give it.
    """
    content = path.read_bytes()
    damaged = VolanoError("it is damaged", where=str(path), fix="train again")
    try:
        (length,) = struct.unpack("<Q", content[:8])
        places = json.loads(content[8 : 8 + length])
        facts = places.pop("__metadata__")
        found, told, expected = facts["fingerprint"], facts["told"], facts["digest"]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        raise damaged from None
    digest = _digest(found, told, to_json(places))
    digest.update(memoryview(content)[8 + length :])
    if digest.hexdigest() != expected:
        raise damaged
    if found != fingerprint:
        fix = "train again"
        raise VolanoError("it is of another training", where=str(path), fix=fix)
    try:
        return Checkpoint(load(content), json.loads(told))
    except (SafetensorError, ValueError):
        raise damaged from None


def _digest(*texts: str) -> hashlib._Hash:
    return hashlib.sha256(to_json(texts).encode())


def _bytes_of(tensor: Tensor) -> memoryview:
    return memoryview(_flat(tensor.detach().contiguous()))  # type: ignore[arg-type]


def _flat(tensor: Tensor) -> NDArray[np.uint8]:
    return tensor.flatten().view(torch.uint8).numpy()
