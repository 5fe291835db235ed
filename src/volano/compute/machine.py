"""What this machine has: cores, memory, and how much of it a process has used."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Machine", "describe_machine", "peak_bytes"]


@dataclass(frozen=True)
class Machine:
    """Cores this process may use, memory in bytes (0 where unknown), and names."""

    cores: int
    memory_bytes: int
    system: str
    processor: str
    python: str

    def to_dict(self) -> dict[str, object]:
        """As JSON can carry it."""
        return asdict(self)


def describe_machine() -> Machine:
    """The machine as this process sees it."""
    return Machine(
        cores=usable_cores(),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        python=platform.python_version(),
    )


def peak_bytes() -> int:
    """The most memory that this process has held so far, in bytes; 0 where it cannot be read."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
