"""A tiny real model that counts keywords, a real ledger, and real servers."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from volano.core.nouns import Answer
from volano.models.bundle import Spec
from volano.serve import Columns, PredictionService, ServeConfig
from volano.serve.door import open_door
from volano.serve.ledger import LedgerLog, LedgerModels
from volano.serve.routes import Figures, service_routes
from volano.serve.server import Server, listen
from volano.serve.web import Gate, web_app
from volano.store.ledger import Ledger
from volano.tasks import TextClassification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from starlette.routing import BaseRoute


class KeywordPredictor:
    def __init__(self, words: Mapping[str, str], text: str = "body") -> None:
        self.words = dict(words)
        self.text = text
        self.labels = tuple(sorted(set(self.words.values())))
        self.spec = Spec("text-classification", "keywords", (text,), self.labels)
        self.featuriser = None

    def predict(
        self, rows: Sequence[Mapping[str, object]], *, explain: bool = False
    ) -> list[Answer]:
        return [self._answer(str(row[self.text]), explain) for row in rows]

    def _answer(self, text: str, explain: bool) -> Answer:
        hits = [(word, label) for word, label in self.words.items() if word in text.lower()]
        counts = {name: 1 + 3 * sum(label == name for _, label in hits) for name in self.labels}
        total = sum(counts.values())
        scores = {name: count / total for name, count in counts.items()}
        best = max(scores, key=lambda name: (scores[name], name))
        reasons = tuple((word, 1.0) for word, _ in hits) if explain else ()
        return Answer((best,), scores[best], not hits, scores, reasons)


MODELS = {
    "a" * 64: KeywordPredictor({"card": "card", "卡": "card", "loan": "loan", "贷款": "loan"}),
    "b" * 64: KeywordPredictor({"card": "plastic", "loan": "loan"}),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def open_model(model: str) -> KeywordPredictor:
    return MODELS[model]


@pytest.fixture
def make_service(ledger: Ledger) -> Callable[..., PredictionService]:
    def made(load: Callable[[str], object] = open_model, **settings: object) -> PredictionService:
        config = ServeConfig.model_validate({"port": 0, "poll_seconds": 0.05, **settings})
        return PredictionService(
            task=TextClassification(),
            columns=Columns(("body",), subject="customer", group="tier"),
            source=LedgerModels(ledger, load),  # type: ignore[arg-type]
            store=LedgerLog(ledger),
            config=config,
        )

    return made


def answer(service: PredictionService, body: object) -> Any:
    """What ``POST /v1/predict`` answers, without HTTP, once it is in the ledger."""
    (said,) = service.answer([service.read(body)])
    service.log.flush()
    return json.loads(said)


@pytest.fixture
def ask() -> Callable[[PredictionService, object], Any]:
    return answer


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The url of a server that answers in a thread until the block ends."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


@pytest.fixture
def serve() -> Callable[..., object]:
    """``with serve(service, keys=...) as url``: the service over HTTP, following promotions."""

    @contextmanager
    def served(service: PredictionService, *, keys: Sequence[str] = ()) -> Iterator[str]:
        routes = service_routes(Figures(service), has_keys=bool(keys))
        app, bound = open_door(service, routes, keys), listen(service.config)
        with service, running(Server(app, service.config, bound)) as url:
            yield url

    return served


@pytest.fixture
def run_app() -> Callable[..., object]:
    """``with run_app(routes) as url``: any routes over HTTP."""

    @contextmanager
    def ran(routes: Sequence[BaseRoute]) -> Iterator[str]:
        config = ServeConfig(port=0)
        app = web_app(routes, Gate(config))
        with running(Server(app, config, listen(config))) as url:
            yield url

    return ran
