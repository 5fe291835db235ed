"""The HTTP path of feedback: ``POST /v1/feedback``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from volano.core.wire import check_json_type, dump_json, read_json
from volano.feedback.config import FeedbackConfig
from volano.feedback.intake import record_feedback

if TYPE_CHECKING:
    from starlette.requests import Request

    from volano.store.ledger import Ledger
    from volano.tasks.task import Task

__all__ = ["feedback_routes"]


def feedback_routes(
    ledger: Ledger, task: Task, config: FeedbackConfig | None = None
) -> list[Route]:
    """The route into one ledger; it raises, and the application turns errors into answers."""
    settings = config or FeedbackConfig()

    def recorded(body: bytes) -> bytes:
        rows = record_feedback(ledger, task, read_json(body), max_batch=settings.max_batch)
        return dump_json({"recorded": rows})

    async def feedback(request: Request) -> Response:
        headers = request.headers
        check_json_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
        content = await run_in_threadpool(recorded, await request.body())
        return Response(content, media_type="application/json")

    return [Route("/v1/feedback", feedback, methods=["POST"])]
