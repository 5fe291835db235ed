"""What this machine has: cores, memory, and how much of it a process has used.

A container that may use two cores of sixty-four sees all of them; what it may use stands in the
files of its cgroup alone.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["SHARE", "Machine", "describe_machine", "is_of_memory", "peak_bytes", "usable_cores"]

SHARE = "VOLANO_CORES"  # the cores of this process, where whoever started it started several
_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


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


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """The cores that this process may keep busy: part of one counts as one.

    Args:
        cgroups: where the system shows groups of processes and their limits.
        own: the file that names the groups of this process.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with suppress(KeyError, ValueError):
        cores = min(cores, int(os.environ[SHARE]))
    return max(1, math.ceil(min(cores, _quota(cgroups, own))))


def is_of_memory(error: Exception) -> bool:
    """Whether it says that there is too little; torch has no type for that on processors."""
    told = str(error)
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(one in told for one in words)


def _quota(cgroups: Path, own: Path) -> float:
    """The least of what this process's group and those above it may use, in cores."""
    groups = [cgroups, cgroups / "cpu"]  # in a container these two are its own, of v2 and v1
    with suppress(OSError, ValueError):
        for line in own.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "cpu" in controllers.split(","):
                group = groups[bool(controllers)] / path.lstrip("/")
                groups += [group, *group.parents]
    return min(map(_limit, groups))


def _limit(group: Path) -> float:
    """The cores that a group may keep busy; infinite where it has no limit, or is not there."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        with suppress(OSError, ValueError):  # ValueError: "max", which is no limit
            quota, period = " ".join((group / name).read_text("ascii") for name in names).split()
            if float(quota) > 0:  # v1 says -1 for no limit
                return float(quota) / float(period)
    return math.inf


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
