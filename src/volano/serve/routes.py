"""The paths of serving beside ``/v1/predict``: about the model, the process, and the API itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from volano.serve.metrics import Board
from volano.serve.openapi import describe_api, docs_page
from volano.serve.web import json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from volano.serve.metrics import Sample
    from volano.serve.rows import Columns
    from volano.serve.service import PredictionService

__all__ = ["Figures", "service_routes"]


@dataclass
class Figures:
    """All figures of one worker at this moment, and the board it shares with the others."""

    service: PredictionService
    board: Board = field(default_factory=Board)
    num_connections: Callable[[], int] = lambda: 0

    def publish(self) -> None:
        """Leave them on the board, where other workers look at it."""
        if self.board.folder is not None:
            self.board.publish(self.counters(), self.gauges())

    def text(self) -> str:
        """What ``GET /metrics`` says."""
        return self.board.text(self.counters(), self.gauges())

    def counters(self) -> list[Sample]:
        """What only grows, the restarts of this worker included."""
        log = self.service.log
        told: list[Sample] = [
            *self.service.metrics.counters(),
            ("volano_log_rows_total", "", log.num_written),
            ("volano_log_groups_total", "", log.num_groups),
            ("volano_log_seconds_total", "", log.seconds),
        ]
        return self.board.with_earlier(told)

    def gauges(self) -> list[Sample]:
        """What is so now."""
        service, serving = self.service, self.service.serving
        told: list[Sample] = [
            ("volano_waiting_rows", "", service.num_waiting),
            ("volano_log_waiting_rows", "", service.log.num_waiting),
            ("volano_connections", "", self.num_connections()),
            ("volano_ready", "", int(service.is_ready)),
            *service.metrics.gauges(),
        ]
        if serving is not None:
            told.append(("volano_model_info", f'model="{serving.release.model}"', 1))
        return told


def service_routes(
    figures: Figures,
    more_paths: Mapping[str, dict[str, Any]] | None = None,
    *,
    has_keys: bool = False,
) -> list[Route]:
    """The routes of one service; they raise, and ``web`` turns errors into answers.

    Args:
        figures: the service and its figures.
        more_paths: what the OpenAPI document says of other rooms' paths.
        has_keys: whether the server asks for keys.
    """
    service = figures.service

    @lru_cache(1)  # until another model answers
    def document(columns: Columns) -> dict[str, Any]:
        is_number = service.task.answers == "number"
        paths = more_paths or {}
        return describe_api(columns, service.config, paths, has_keys=has_keys, is_number=is_number)

    async def model(request: Request) -> Response:
        return json_response(service.describe())

    async def health(request: Request) -> Response:
        return json_response(service.health())

    async def ready(request: Request) -> Response:
        return json_response(service.health(), 200 if service.is_ready else 503)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(figures.text(), headers={"cache-control": "no-store"})

    async def openapi(request: Request) -> Response:
        return json_response(document(service.columns_now))

    async def docs(request: Request) -> Response:
        described = document(service.columns_now)
        return HTMLResponse(docs_page(described, str(request.base_url).rstrip("/")))

    return [
        Route("/v1/model", model, methods=["GET"]),
        Route("/v1/openapi.json", openapi, methods=["GET"]),
        Route("/healthz", health, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
    ]
