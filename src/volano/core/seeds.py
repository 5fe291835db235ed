"""Seeds: one number in the project file gives every stage its own stream of chance."""

from __future__ import annotations

import hashlib

__all__ = ["derive_seed", "unit_interval"]


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed for one purpose, so that adding a stage never shifts another's draws.

    >>> derive_seed(0, "split") == derive_seed(0, "split")
    True
    >>> derive_seed(0, "split") == derive_seed(0, "folds")
    False
    """
    return int.from_bytes(_digest(seed, purpose)[:4], "big")


def unit_interval(seed: int, *purpose: str | int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments: how rows are split."""
    return int.from_bytes(_digest(seed, purpose)[:7], "big") / 2**56


def _digest(seed: int, purpose: tuple[str | int, ...]) -> bytes:
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return hashlib.sha256(text.encode()).digest()
