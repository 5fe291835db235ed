"""The contract of an engine: decision values for texts, from a bundle's arrays and files.

A row's decision values must not depend on the batch it comes in, to the last digit: a report, a
batch file and a single request then agree exactly. Products over sparse rows keep this; BLAS does
not, so an engine of a network asks it one text at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Engine"]


class Engine(Protocol):
    """What answers from one bundle."""

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Engine:
        """Make it ready to answer from ``model.json``'s engine settings, the arrays and files.

        Args:
            folder: the bundle, for engines with files of their own.
            settings: the part of ``model.json`` that is the engine's.
            arrays: everything in ``weights.safetensors``.

        Raises:
            MissingExtraError: the library that it answers by is not installed.
            KeyError, OSError, TypeError, ValueError: the parts do not fit together.
        """
        ...

    def decide(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Decision values, shape (texts, labels); larger means more likely."""
        ...

    def reasons(self, text: str, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """Which pieces of the text moved the label's decision value, strongest first.

        Args:
            text: as in ``decide``.
            label: column of the label.
            is_rival: whether labels exclude each other, so that what speaks for all says nothing.
        """
        ...
