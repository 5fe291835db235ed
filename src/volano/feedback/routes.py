"""The HTTP path of feedback: ``POST /v1/feedback``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from volano.core.wire import check_json_type, dump_json, read_json
from volano.feedback.config import FeedbackConfig
from volano.feedback.intake import describe_feedback, record_feedback

if TYPE_CHECKING:
    from starlette.requests import Request

    from volano.store.ledger import Ledger
    from volano.tasks.task import Task

__all__ = ["Settle", "feedback_paths", "feedback_routes"]

Settle = Callable[[Sequence[str]], None]


def feedback_routes(
    ledger: Ledger,
    task: Task,
    config: FeedbackConfig | None = None,
    *,
    settle: Settle | None = None,
    note: Callable[[int], None] = lambda num_signals: None,
) -> list[Route]:
    """The route into one ledger; it raises, and the application turns errors into answers.

    Args:
        ledger: where signals are kept.
        task: the kind of work.
        config: how many may come at once.
        settle: brings the answers of these ids into the ledger, if they are still on their way.
        note: is told how many signals were kept.
    """
    settings = config or FeedbackConfig()

    def recorded(body: bytes) -> tuple[bytes, int]:
        rows = record_feedback(
            ledger, task, read_json(body), max_batch=settings.max_batch, settle=settle
        )
        return dump_json({"recorded": rows}), len(rows)

    async def feedback(request: Request) -> Response:
        headers = request.headers
        check_json_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
        content, num_signals = await run_in_threadpool(recorded, await request.body())
        note(num_signals)
        return Response(content, media_type="application/json")

    return [Route("/v1/feedback", feedback, methods=["POST"])]


def feedback_paths(task: Task, config: FeedbackConfig | None = None) -> dict[str, dict[str, Any]]:
    """What an OpenAPI document says of the route."""
    settings = config or FeedbackConfig()
    return {"/v1/feedback": {"post": describe_feedback(task, settings.max_batch)}}
