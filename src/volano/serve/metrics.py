"""What is counted while serving, as Prometheus reads it (text format 0.0.4).

Each worker counts for itself, on its loop, and leaves its figures on a board (a file each) about
once a second; whichever worker is asked adds its own of this moment to what the others left.
Counters are summed, and survive the restart of a worker; gauges carry the worker's number.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Board", "Metrics", "Sample", "render"]

# (name, labels as Prometheus writes them, value)
Sample = tuple[str, str, float]

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KINDS: Mapping[str, tuple[str, str]] = {
    "volano_requests_total": ("counter", "Requests answered, by path and status."),
    "volano_request_seconds": ("histogram", "From a request's arrival to its answer, /v1/predict."),
    "volano_rows_total": ("counter", "Rows predicted."),
    "volano_batches_total": ("counter", "Batches in which they were predicted."),
    "volano_feedback_total": ("counter", "Signals of feedback that were kept."),
    "volano_log_rows_total": ("counter", "Answers written to the log."),
    "volano_log_groups_total": ("counter", "Transactions in which they were written."),
    "volano_log_seconds_total": ("counter", "Time that these transactions took."),
    "volano_waiting_rows": ("gauge", "Rows that wait for their answer."),
    "volano_log_waiting_rows": ("gauge", "Answers that wait to be written to the log."),
    "volano_connections": ("gauge", "Open connections."),
    "volano_ready": ("gauge", "1 where /readyz answers 200."),
    "volano_model_info": ("gauge", "The model that answers."),
    "process_resident_memory_bytes": ("gauge", "Memory of the worker."),
    "process_cpu_seconds_total": ("counter", "Processor time of the worker."),
    "process_start_time_seconds": ("gauge", "When the worker began, since 1970."),
}


@dataclass
class Metrics:
    """The counters of one worker."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    num_rows: int = 0
    num_batches: int = 0
    num_feedback: int = 0
    began: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """One request to ``/v1/predict``."""
        self.requests["/v1/predict", status] += 1
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def counters(self) -> list[Sample]:
        """What only grows."""
        samples: list[Sample] = [
            ("volano_requests_total", f'path="{path}",status="{status}"', count)
            for (path, status), count in sorted(self.requests.items())
        ]
        total = 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += count
            samples.append(("volano_request_seconds_bucket", f'le="{bound}"', total))
        return [
            *samples,
            ("volano_request_seconds_sum", "", self._seconds),
            ("volano_request_seconds_count", "", total),
            ("volano_rows_total", "", self.num_rows),
            ("volano_batches_total", "", self.num_batches),
            ("volano_feedback_total", "", self.num_feedback),
        ]

    def gauges(self) -> list[Sample]:
        """What is so now, of the process."""
        return [
            ("process_resident_memory_bytes", "", _resident_bytes()),
            ("process_cpu_seconds_total", "", time.process_time()),
            ("process_start_time_seconds", "", self.began),
        ]


class Board:
    """A folder in which each worker of one server leaves its figures; alone, nothing is written."""

    def __init__(self, folder: Path | None = None, worker: int = 0) -> None:
        self.folder = folder
        self.worker = worker
        self._before, _ = self._left_by(worker)

    def with_earlier(self, counters: Iterable[Sample]) -> list[Sample]:
        """Counters of this worker and of those that had its number before it died."""
        return _summed([*self._before, *counters])

    def publish(self, counters: list[Sample], gauges: list[Sample]) -> None:
        """Leave this worker's figures for the others."""
        if self.folder is None:
            return
        path = self.folder / f"{self.worker}.json"
        draft = path.with_suffix(".new")
        # Figures are worth no failure: where the folder is gone or full, they are old.
        with suppress(OSError):
            draft.write_text(json.dumps({"c": counters, "g": gauges}), "utf-8")
            draft.replace(path)

    def text(self, counters: list[Sample], gauges: list[Sample]) -> str:
        """Figures of all workers; those given are this worker's own."""
        told = list(counters)
        shown = _of_worker(self.worker, gauges)
        for other in self._workers() - {self.worker}:
            counted, now = self._left_by(other)
            told += counted
            shown += _of_worker(other, now)
        return render([*_summed(told), *shown])

    def _workers(self) -> set[int]:
        if self.folder is None:
            return {self.worker}
        return {int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdigit()}

    def _left_by(self, worker: int) -> tuple[list[Sample], list[Sample]]:
        """Counters and gauges, of one moment."""
        if self.folder is None:
            return [], []
        try:
            left: dict[str, Any] = json.loads((self.folder / f"{worker}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return [], []
        counters, gauges = ([(name, labels, n) for name, labels, n in left[k]] for k in "cg")
        return counters, gauges


def render(samples: Iterable[Sample]) -> str:
    """The text that Prometheus reads; samples of one name stand together.

    >>> print(render([("volano_rows_total", "", 3)]))
    # HELP volano_rows_total Rows predicted.
    # TYPE volano_rows_total counter
    volano_rows_total 3
    <BLANKLINE>
    """
    families: dict[str, list[str]] = {name: [] for name in _KINDS}
    for name, labels, value in samples:
        family = name if name in _KINDS else name.rpartition("_")[0]
        inside = f"{{{labels}}}" if labels else ""
        families[family].append(f"{name}{inside} {value!r}")
    lines: list[str] = []
    for name, found in families.items():
        if found:
            kind, what = _KINDS[name]
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", *found]
    return "\n".join(lines) + "\n"


def _summed(samples: Iterable[Sample]) -> list[Sample]:
    sums: dict[tuple[str, str], float] = {}
    for name, labels, value in samples:
        sums[name, labels] = sums.get((name, labels), 0) + value
    return [(name, labels, value) for (name, labels), value in sums.items()]


def _of_worker(worker: int, samples: Iterable[Sample]) -> list[Sample]:
    number = f'worker="{worker}"'
    return [(n, f"{number},{labels}" if labels else number, value) for n, labels, value in samples]


def _resident_bytes() -> int:
    with suppress(OSError, ValueError, IndexError):
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # no /proc: the peak is what there is
    return most if sys.platform == "darwin" else most * 1024
