"""The project file: one section a room, each defined where it is used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from volano.core.config import Config, Effort
from volano.data.config import DataConfig, PrepareConfig
from volano.evals.config import EvaluateConfig
from volano.export.config import ExportConfig
from volano.feedback.config import FeedbackConfig
from volano.loop.gate import GateConfig
from volano.serve.config import ServeConfig
from volano.tasks.task import LabelsConfig
from volano.train.config import TrainConfig

__all__ = ["ProjectConfig"]


class ProjectConfig(Config):
    """``volano.yaml``: the kind of work, the data, one dial, and whatever else a team wants to say.

    Attributes:
        task: the kind of work.
        data: where rows come from and what their columns mean.
        language: of reports.
        seed: where all chance comes from.
        effort: the one dial: ``quick``, ``normal`` or ``thorough``.
        automatic_precision: answers that held-out rows show to be right this often are marked
            ``automatic`` and may go out alone, the rest is for a ``person``; ``off`` marks none.
        labels: how labels are read, and what became of old ones.
        prepare: what happens to rows between collecting and training.
        train: how candidates are trained.
        export: how a trained model becomes the bundle that is served.
        evaluate: what a report looks at.
        gate: the gate between a candidate and its users.
        serve: where answers are served, and what is kept of a request.
        feedback: which signals become examples.
    """

    task: str
    data: DataConfig
    language: Literal["en", "zh"] = "en"
    seed: int = 0
    effort: Effort = "normal"
    automatic_precision: Annotated[float, Field(gt=0, lt=1)] | Literal["off"] = "off"
    labels: LabelsConfig = LabelsConfig()
    prepare: PrepareConfig = PrepareConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    serve: ServeConfig = ServeConfig()
    feedback: FeedbackConfig = FeedbackConfig()
