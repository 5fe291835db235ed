"""Classification of rows of a table: which label the columns of a row speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from volano.core.errors import ConfigError
from volano.tasks.labelled import Labelled
from volano.tasks.ranking import AVERAGE_PRECISION, ROC_AUC
from volano.tasks.scoring import CLASSIFICATION_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.tasks.scoring import Metric

__all__ = ["TabularClassification"]


@dataclass(frozen=True)
class TabularClassification(Labelled):
    """Which label a row of a table carries."""

    name: str = "tabular-classification"
    input: Literal["text", "columns"] = "columns"
    learners: tuple[str, ...] = ("linear", "trees", "blend", "mlp")
    scored_by: ClassVar[Mapping[str, Metric]] = {
        **CLASSIFICATION_METRICS,
        ROC_AUC.name: ROC_AUC,
        AVERAGE_PRECISION.name: AVERAGE_PRECISION,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_multiple:
            raise ConfigError(
                "a row of a table carries one label",
                where="labels.separator",
                fix="take it out; or make a column for each label, and a project for each",
            )

    @property
    def default_metric(self) -> str:
        """Stated costs; else the order of scores, which scoring credit or churn is about."""
        return "cost" if self.labels.costs else "roc_auc"
