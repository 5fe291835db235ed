"""Classification of rows of a table: which label the columns of a row speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from volano.core.errors import ConfigError
from volano.tasks.labelled import Labelled
from volano.tasks.ranking import AVERAGE_PRECISION, ROC_AUC
from volano.tasks.scoring import CLASSIFICATION_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def read_target(self, cell: object, names: Sequence[str] = ()) -> tuple[str, ...] | None:
        """The label of a cell; None where it holds none, in any of the ways that this is written.

        A label that looks so stays one where ``labels`` names it: ``rename: {NA: namibia}``.

        >>> TabularClassification().read_target("yes"), TabularClassification().read_target("?")
        (('yes',), None)
        """
        return None if self._leaves_open(cell) else super().read_target(cell, names)

    @property
    def default_metric(self) -> str:
        """Stated costs; else the order of scores, which scoring credit or churn is about."""
        return "cost" if self.labels.costs else "roc_auc"
