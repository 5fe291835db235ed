"""The contract of an engine: decision values for texts or rows, from a bundle's arrays and files.

A row's decision values must not depend on the batch it comes in, to the last digit: a report, a
batch file and a single request then agree exactly. Products over sparse rows keep this; BLAS does
not, so an engine of a network asks it one text, or one fixed number of rows, at a time.
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

    def decide(self, inputs: Sequence[Any], /) -> NDArray[np.float64]:
        """Decision values, shape (inputs, labels); larger means more likely.

        Args:
            inputs: texts; or rows, as mappings or ``ArrowRows``. A column that a row lacks is
                missing there.

        Returns:
            Of a number its values, shape (inputs, 1).
        """
        ...

    def reasons(self, asked: Any, label: int, /, *, is_rival: bool) -> list[tuple[str, float]]:
        """What moved the label's decision value.

        Args:
            asked: one input, as in ``decide``.
            label: column of the label.
            is_rival: whether labels exclude each other, so that what speaks for all says nothing.

        Returns:
            Pieces of a text, strongest first. Of a row every column that moves answers, and
            last ``("(base)", b)``: they add up to the value, of rivals to its lead over their mean.
        """
        ...
