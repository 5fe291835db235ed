"""Text classification: one label, several labels, or none of these.

An Example holds one or several text fields and a list of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volano.tasks.labelled import Labelled

__all__ = ["TextClassification"]


@dataclass(frozen=True)
class TextClassification(Labelled):
    """Which label, or labels, a text carries."""

    name: str = "text-classification"
    input: Literal["text", "columns"] = "text"
    learners: tuple[str, ...] = (
        "linear", "bayes", "blend", "probe", "finetune", "lora", "ensemble",
    )  # fmt: skip

    @property
    def default_metric(self) -> str:
        """Stated costs; else accuracy for one label, macro F1 for several."""
        if self.labels.costs:
            return "cost"
        return "macro_f1" if self.is_multiple else "accuracy"
