"""What an answer costs: time for one request, rows a second in batches, bytes on disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from volano.models import Predictor
    from volano.models.rows import Rows

__all__ = ["measure_cost"]

_WARM_UP = 5
_TEXTS, _TABLE_ROWS = 64, 4096  # in a batch


def measure_cost(
    predictor: Predictor, rows: Rows, folder: Path, num_requests: int
) -> dict[str, Any]:
    """Latency of single requests (ms, p50 and p95), rows a second in batches, size in bytes.

    A batch is 64 texts, or 4,096 rows of a table.
    These depend on the machine and on what else it does; they are no part of a model's identity.
    """
    for row in rows[:_WARM_UP]:
        predictor.predict([row])
    taken = []
    for place in range(num_requests):
        start = time.perf_counter()
        predictor.predict([rows[place % len(rows)]])
        taken.append(1000 * (time.perf_counter() - start))
    batch = rows[: _TEXTS if isinstance(rows, list) else _TABLE_ROWS]
    start = time.perf_counter()
    predictor.predict(batch)
    seconds = time.perf_counter() - start
    return {
        "p50_ms": float(np.quantile(taken, 0.5)),
        "p95_ms": float(np.quantile(taken, 0.95)),
        "rows_per_second": len(batch) / seconds,
        "bytes": sum(path.stat().st_size for path in _weights(folder)),
    }


def _weights(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "card.json"]
