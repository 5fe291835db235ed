"""Kinds of work, one file each.

In: labels and answers. Out: what an Example must hold, what an Answer says, how both are scored,
and the intervals around those scores. Never: how a model is trained, stored or served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.tasks.anomaly_detection import AnomalyDetection
from volano.tasks.tabular_classification import TabularClassification
from volano.tasks.tabular_regression import TabularRegression
from volano.tasks.task import LabelsConfig, Task
from volano.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from volano.core.hooks import Hub

__all__ = [
    "AnomalyDetection",
    "LabelsConfig",
    "TabularClassification",
    "TabularRegression",
    "Task",
    "TextClassification",
    "register",
]


def register(hub: Hub) -> None:
    """The built-in kinds of work."""
    hub.add_task("text-classification", TextClassification)
    hub.add_task("tabular-classification", TabularClassification)
    hub.add_task("tabular-regression", TabularRegression)
    hub.add_task("anomaly-detection", AnomalyDetection)
