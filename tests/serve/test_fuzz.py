"""The server against schemathesis, from its own OpenAPI document: no 500, answers as described."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from tests.serve.tables import predictor_of_labels, predictor_of_numbers

from volano.feedback.routes import feedback_paths, feedback_routes
from volano.serve import Columns, PredictionService, ServeConfig
from volano.serve.door import open_door
from volano.serve.ledger import LedgerLog, LedgerModels
from volano.serve.routes import Figures, service_routes
from volano.serve.server import Server, listen
from volano.store.releases import promote
from volano.tasks import TabularClassification, TabularRegression, TextClassification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volano.store.ledger import Ledger

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the libraries that schemathesis brings
]


@pytest.fixture(params=["text", "labels", "number"])
def schema(
    request: pytest.FixtureRequest, make_service: Callable[..., Any], ledger: Ledger
) -> Iterator[Any]:
    promote(ledger, "a" * 64, because="first", by="test")
    limits = {"max_batch": 8, "max_body_bytes": 200_000}
    task: Any = TextClassification()
    service = make_service(**limits)
    if request.param != "text":
        is_number = request.param == "number"
        task = TabularRegression() if is_number else TabularClassification()
        predictor = predictor_of_numbers() if is_number else predictor_of_labels()
        models = LedgerModels(ledger, lambda model: predictor)
        config = ServeConfig.model_validate({"port": 0, **limits})
        service = PredictionService(task, Columns(()), models, LedgerLog(ledger), config)
    routes = [
        *service_routes(Figures(service), feedback_paths(task)),
        *feedback_routes(ledger, task),
    ]
    server = Server(open_door(service, routes), service.config, listen(service.config))
    thread = threading.Thread(target=server.run)
    with service:
        thread.start()
        yield schemathesis.openapi.from_url(f"{server.url}/v1/openapi.json")
        server.stop()
        thread.join()


def test_every_path_keeps_to_its_description_whatever_is_sent(schema: Any) -> None:
    asked: set[str] = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        def check(case: Any) -> None:
            asked.add(case.path)
            case.call_and_validate(timeout=20)

        bounded = settings(
            max_examples=60,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        bounded(given(case=operation.as_strategy())(check))()
    assert {"/v1/predict", "/v1/feedback", "/metrics"} <= asked
