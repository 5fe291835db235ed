"""The HTTP paths of serving: ``/v1/predict``, ``/v1/model``, ``/healthz``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from volano.core.wire import check_json_type, dump_json, read_json
from volano.serve.web import json_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from volano.serve.service import PredictionService

__all__ = ["predict_routes"]


def predict_routes(service: PredictionService) -> list[Route]:
    """The routes of one service; they raise, and ``web_app`` turns errors into answers."""

    def answered(body: bytes) -> bytes:
        return dump_json(service.answer(read_json(body)))

    async def predict(request: Request) -> Response:
        headers = request.headers
        check_json_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
        body = await request.body()
        # Parsing, predicting and writing block; the loop goes on accepting meanwhile.
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(service.pool, answered, body)
        return Response(content, media_type="application/json")

    async def model(request: Request) -> Response:
        return json_response(service.describe())

    async def health(request: Request) -> Response:
        return json_response(service.health())

    return [
        Route("/v1/predict", predict, methods=["POST"]),
        Route("/v1/model", model, methods=["GET"]),
        Route("/healthz", health, methods=["GET"]),
    ]
