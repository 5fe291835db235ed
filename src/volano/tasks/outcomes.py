"""What a task makes of truth and answers: arrays that metrics, slices and the judge look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Outcomes"]


class Outcomes(Protocol):
    """Truth and answers on the same examples, a row each."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of both; none where a number is asked for."""
        ...

    def __len__(self) -> int: ...

    def at(self, rows: slice | NDArray[Any], /) -> Self:
        """Those of these rows: their places, a mask, or a slice."""
        ...

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether each answer counts as right."""
        ...

    @property
    def credit_N(self) -> NDArray[np.float64]:
        """Credit of each answer, from 0 to 1."""
        ...

    def differs_N(self, other: Self, /) -> NDArray[np.bool_]:
        """Where another model on the same examples answered otherwise."""
        ...

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Everything but the labels, as arrays of a row for each example."""
        ...
