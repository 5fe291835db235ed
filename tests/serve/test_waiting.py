from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from volano.serve.waiting import QueueFullError, TooLateError, WaitingRoom
from volano.store.predictions import list_predictions
from volano.store.releases import promote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volano.serve import PredictionService
    from volano.store.ledger import Ledger

A = "a" * 64
Make = "Callable[..., PredictionService]"


class Slow:
    """Answers as a model does, when it is let."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.spec, self.featuriser = inner, inner.spec, None
        self.go, self.sizes = threading.Event(), []

    def predict(self, rows: Sequence[Any], *, explain: bool = False) -> Any:
        self.sizes.append(len(rows))
        self.go.wait(10)
        if any("poison" in row["body"] for row in rows):
            raise ZeroDivisionError("poison")
        return self.inner.predict(rows, explain=explain)


@pytest.fixture
def slow(make_service: Make, ledger: Ledger) -> Callable[..., tuple[PredictionService, Slow]]:
    def made(**settings: object) -> tuple[PredictionService, Slow]:
        promote(ledger, A, because="first", by="test")
        model = Slow(make_service().source.load(A))
        return make_service(lambda name: model, **settings), model

    return made


async def gathered(room: WaitingRoom, bodies: Sequence[Any], until: Callable[[], Any]) -> list[Any]:
    tasks = [asyncio.ensure_future(room.answer(room.service.read(body))) for body in bodies]
    await asyncio.sleep(0.1)
    until()
    return await asyncio.gather(*tasks, return_exceptions=True)


def one(text: str = "card", **more: object) -> dict[str, object]:
    return {"inputs": [{"body": text}], **more}


def test_all_that_waits_is_one_batch_and_each_gets_its_own_answer(slow: Any) -> None:
    service, model = slow()
    bodies = [one("card" if n % 3 else "loan") for n in range(40)]
    with service:
        answers = asyncio.run(gathered(WaitingRoom(service), bodies, model.go.set))
    labels = [json.loads(answer)["predictions"][0]["label"] for answer in answers]
    assert labels == ["card" if n % 3 else "loan" for n in range(40)]
    assert sum(model.sizes) == 40
    assert len(model.sizes) <= 2
    assert service.num_waiting == 0


def test_a_row_that_the_model_fails_over_fails_its_own_request_only(slow: Any) -> None:
    service, model = slow()
    bodies = [one(), one("poison"), one("loan")]
    with service:
        answers = asyncio.run(gathered(WaitingRoom(service), bodies, model.go.set))
    assert [isinstance(answer, bytes) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], ZeroDivisionError)


def test_more_than_may_wait_are_asked_to_come_again(slow: Any, ledger: Ledger) -> None:
    service, model = slow(max_waiting=5)
    with service:
        answers = asyncio.run(gathered(WaitingRoom(service), [one()] * 9, model.go.set))
    refused = [answer for answer in answers if isinstance(answer, QueueFullError)]
    assert (len(refused), refused[0].http_status) == (4, 503)
    assert len(list_predictions(ledger)) == 5


def test_who_waits_too_long_is_told_and_not_predicted(slow: Any, ledger: Ledger) -> None:
    service, model = slow(timeout_seconds=0.3)

    async def asked() -> tuple[bytes, Any]:
        room = WaitingRoom(service)
        first = asyncio.ensure_future(room.answer(service.read(one())))
        await asyncio.sleep(0.05)
        (late,) = await asyncio.gather(room.answer(service.read(one())), return_exceptions=True)
        model.go.set()
        return await first, late

    with service:
        began = time.monotonic()
        answer, late = asyncio.run(asked())
        assert time.monotonic() - began < 5
    assert isinstance(late, TooLateError)
    assert json.loads(answer)["predictions"]
    assert len(list_predictions(ledger)) == 1


def test_a_large_or_explained_request_does_not_hold_up_the_others(slow: Any) -> None:
    service, model = slow()
    large = {"inputs": [{"body": "card"}] * 200}
    model.go.set()
    with service:
        bodies = [large, one(explain=True), one()]
        answers = [json.loads(a) for a in asyncio.run(gathered(WaitingRoom(service), bodies, int))]
    assert [len(answer["predictions"]) for answer in answers] == [200, 1, 1]
    assert answers[1]["predictions"][0]["reasons"]
    assert sorted(model.sizes) == [1, 1, 200]
