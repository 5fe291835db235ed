"""Kinds of work, one file each.

In: labels and answers. Out: what an Example must hold, what an Answer says, how both are scored,
and the intervals around those scores. Never: how a model is trained, stored or served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.tasks.task import LabelsConfig, Task
from volano.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from volano.core.hooks import Hub

__all__ = ["LabelsConfig", "Task", "TextClassification", "register"]


def register(hub: Hub) -> None:
    """The built-in kinds of work."""
    hub.add_task("text-classification", TextClassification)
