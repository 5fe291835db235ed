"""volano: turn your own data into a deployed model, and your users' feedback into a better one.

Everything public is here and loads when it is first used.

>>> import volano as vl
>>> vl.__version__
'0.1.0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volano.core.errors import RefusedError, UserError, VolanoError
    from volano.core.events import Event, Events
    from volano.core.hooks import Hub
    from volano.core.nouns import (
        Answer,
        Dataset,
        Estimate,
        Feedback,
        Model,
        Prediction,
        Release,
        Report,
        Turn,
        Verdict,
    )
    from volano.loop.project import Project
    from volano.loop.start import start_project
    from volano.models.predictor import Predictor

    open = Project.open

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Dataset",
    "Estimate",
    "Event",
    "Events",
    "Feedback",
    "Hub",
    "Model",
    "Prediction",
    "Predictor",
    "Project",
    "RefusedError",
    "Release",
    "Report",
    "Turn",
    "UserError",
    "Verdict",
    "VolanoError",
    "open",
    "start_project",
]

_HOMES = {
    "volano.core.errors": ("RefusedError", "UserError", "VolanoError"),
    "volano.core.events": ("Event", "Events"),
    "volano.core.hooks": ("Hub",),
    "volano.core.nouns": (
        "Answer",
        "Dataset",
        "Estimate",
        "Feedback",
        "Model",
        "Prediction",
        "Release",
        "Report",
        "Turn",
        "Verdict",
    ),
    "volano.loop.project": ("Project",),
    "volano.loop.start": ("start_project",),
    "volano.models.predictor": ("Predictor",),
}


def __getattr__(name: str) -> object:
    if name == "open":
        return import_module("volano.loop.project").Project.open
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
