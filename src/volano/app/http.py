"""The HTTP face: the routes of ``serve`` and of ``feedback``, behind one door."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from volano.core.nouns import Model
from volano.feedback.routes import feedback_paths, feedback_routes
from volano.loop.batch import precision_of
from volano.models import Predictor
from volano.models.routing import explained
from volano.serve import Columns, PredictionService
from volano.serve.door import open_door
from volano.serve.ledger import LedgerLog, LedgerModels, settle
from volano.serve.routes import Figures, service_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.loop.project import Project
    from volano.serve.door import Door

__all__ = ["make_app", "make_service"]


def make_service(project: Project) -> PredictionService:
    """What answers requests of this project; enter it, so that promotions are followed.

    Raises:
        ConfigError: the project names a precision, and its answers are numbers.
    """
    fields, target = project.config.data.fields, precision_of(project)
    events = project.events.of("serve")

    def open_model(name: str) -> Predictor:
        predictor = Predictor.load(project.store.open(Model, name).folder)
        if target != "off":
            told = explained(predictor.calibration.curve, target)
            events.note(f"automatic answers, precision {target:g}: {told}")
        return predictor.routed(target)

    return PredictionService(
        project.task,
        Columns(fields.texts or fields.columns, subject=fields.subject, group=fields.group),
        LedgerModels(project.ledger, open_model),
        LedgerLog(project.ledger),
        project.config.serve,
        events,
        project.config.language,
    )


def make_app(
    project: Project,
    service: PredictionService,
    keys: Sequence[str] = (),
    figures: Figures | None = None,
) -> Door:
    """Every path that a project answers; ``figures`` are the ones that workers share."""

    def noted(num_signals: int) -> None:
        service.metrics.num_feedback += num_signals

    feedback, alone = project.config.feedback, project.config.serve.workers == 1
    routes = [
        *service_routes(
            figures or Figures(service),
            feedback_paths(project.task, feedback),
            has_keys=bool(keys),
        ),
        *feedback_routes(
            project.ledger,
            project.task,
            feedback,
            settle=partial(settle, project.ledger, service.log, alone=alone),
            note=noted,
        ),
    ]
    return open_door(service, routes, keys)
