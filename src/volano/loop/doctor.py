"""The doctor looks at machine, project, artifacts and ledger, and says how to mend each fault.

Asked to repair, it mends what can be mended without losing anything; the only things it ever
removes are drafts and notes of processes that are gone.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from volano.compute import describe_machine
from volano.store.disk import free_bytes
from volano.store.state import STATE

if TYPE_CHECKING:
    from volano.loop.project import Project

__all__ = ["Finding", "examine"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "sqlalchemy", "starlette")
_OF_EXTRAS = ("torch", "transformers", "tokenizers", "accelerate", "peft", "onnx", "onnxscript",
              "nncf", "onnxruntime", "openvino")  # fmt: skip
_LOW_DISK = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; damage is a fault of what volano itself keeps."""

    what: str
    state: str
    is_fault: bool = False
    fix: str = ""
    is_damage: bool = False
    is_mended: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def examine(project: Project | None, *, repair: bool = False) -> list[Finding]:
    """Everything that can be looked at; without a project only the machine.

    Raises:
        BusyError: a repair is asked for while a turn of this project is running.
    """
    machine = describe_machine()
    found = [
        Finding("machine", f"{machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB memory"),
        Finding("system", f"{machine.system}, Python {machine.python}"),
    ]
    found += [Finding(name, importlib.metadata.version(name)) for name in ("volano", *_LIBRARIES)]
    found.append(_encoders())
    if project is None:
        return found
    from volano.loop.health import examine_state

    free = free_bytes(project.root / STATE)
    low = free < _LOW_DISK
    fix = "free some space, or prune: volano prune --dry-run" if low else ""
    found.append(Finding("disk", f"{free / 1e9:.1f} GB free", low, fix))
    return [*found, *_sources(project), *examine_state(project, repair=repair)]


def _encoders() -> Finding:
    """Whether encoders can be trained and served here; neither is needed for the light learners."""
    there = {name: version for name in _OF_EXTRAS if (version := _version(name))}
    told = ", ".join(f"{name} {version}" for name, version in there.items())
    if len(there) == len(_OF_EXTRAS):
        return Finding("encoders", told)
    missing = ", ".join(name for name in _OF_EXTRAS if name not in there)
    fix = "to train encoders: pip install 'volano[deep]'; to serve them: 'volano[encoders]'"
    return Finding("encoders", f"{told}; not installed: {missing}".removeprefix("; "), fix=fix)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _sources(project: Project) -> list[Finding]:
    found = []
    for source in project.config.data.sources:
        path = project.root / source.path
        there = path.exists()
        state = f"{path.stat().st_size:,} bytes" if path.is_file() else "a folder"
        fix = "" if there else "correct data.sources in volano.yaml"
        found.append(
            Finding(f"source {source.path}", state if there else "missing", not there, fix)
        )
    return found
