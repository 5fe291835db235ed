"""The doctor looks at machine, project, artifacts and ledger, and says how to mend each fault."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from volano.compute import describe_machine
from volano.core.errors import VolanoError

if TYPE_CHECKING:
    from volano.loop.project import Project

__all__ = ["Finding", "examine"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "sqlalchemy", "starlette")
_LOW_DISK = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; damage is a fault of what volano itself keeps."""

    what: str
    state: str
    is_fault: bool = False
    fix: str = ""
    is_damage: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def examine(project: Project | None) -> list[Finding]:
    """Everything that can be looked at; without a project only the machine."""
    machine = describe_machine()
    found = [
        Finding("machine", f"{machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB memory"),
        Finding("system", f"{machine.system}, Python {machine.python}"),
    ]
    found += [Finding(name, importlib.metadata.version(name)) for name in ("volano", *_LIBRARIES)]
    if project is None:
        return found
    free = shutil.disk_usage(project.root).free
    low = free < _LOW_DISK
    fix = "free some space: a turn writes datasets and models" if low else ""
    found.append(Finding("disk", f"{free / 1e9:.1f} GB free", low, fix))
    return [*found, *_sources(project), *_state(project)]


def _sources(project: Project) -> list[Finding]:
    found = []
    for source in project.config.data.sources:
        path = project.root / source.path
        there = path.is_file()
        state = f"{path.stat().st_size:,} bytes" if there else "missing"
        fix = "" if there else "correct data.sources in volano.yaml"
        found.append(Finding(f"source {source.path}", state, not there, fix))
    return found


def _state(project: Project) -> list[Finding]:
    if not project.state.exists():
        return [Finding("state", "no turn yet", fix="volano turn")]
    found = []
    try:
        with project.ledger.read() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        found.append(Finding("ledger", str(said), said != "ok", "", said != "ok"))
    except VolanoError as error:
        found.append(Finding("ledger", error.what, True, error.fix, is_damage=True))
    faults = project.store.verify()
    if not faults:
        found.append(Finding("artifacts", "every file is what its hash says"))
    found += [Finding(f"{f.kind}: {f.path}", f.what, True, f.fix, is_damage=True) for f in faults]
    return found
