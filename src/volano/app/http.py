"""The HTTP face: the routes of ``serve`` and of ``feedback``, mounted as one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.nouns import Model
from volano.feedback.routes import feedback_routes
from volano.models import Predictor
from volano.serve import Columns, PredictionService
from volano.serve.ledger import LedgerLog, LedgerModels
from volano.serve.routes import predict_routes
from volano.serve.web import web_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette

    from volano.loop.project import Project

__all__ = ["make_app", "make_service"]


def make_service(project: Project) -> PredictionService:
    """What answers requests of this project; enter it, so that promotions are followed."""
    fields = project.config.data.fields

    def open_model(name: str) -> Predictor:
        return Predictor.load(project.store.open(Model, name).folder)

    return PredictionService(
        project.task,
        Columns(text=fields.texts, subject=fields.subject, group=fields.group),
        LedgerModels(project.ledger, open_model),
        LedgerLog(project.ledger),
        project.config.serve,
        project.events.of("serve"),
    )


def make_app(project: Project, service: PredictionService, keys: Sequence[str] = ()) -> Starlette:
    """``/v1/predict``, ``/v1/feedback``, ``/v1/model`` and ``/healthz``."""
    routes = [
        *predict_routes(service),
        *feedback_routes(project.ledger, project.task, project.config.feedback),
    ]
    return web_app(routes, project.config.serve, keys=keys)
