from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from volano.core.errors import MissingExtraError, StoreError, UserError
from volano.core.events import Event, Events
from volano.serve import NotReadyError, ServeConfig
from volano.serve.ledger import LedgerModels
from volano.store.predictions import find_predictions, list_predictions
from volano.store.releases import promote, rollback

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.store.ledger import Ledger

A, B, MISSING = "a" * 64, "b" * 64, "c" * 64
Make = "Callable[..., PredictionService]"
Ask = "Callable[..., Any]"


def until(is_true: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_true():
            return True
        time.sleep(0.01)
    return False


def test_without_a_champion_it_says_how_to_get_one(make_service: Make, ask: Ask) -> None:
    with make_service() as service, pytest.raises(NotReadyError, match="promoted") as caught:
        ask(service, {"inputs": [{"body": "card"}]})
    assert (caught.value.http_status, caught.value.fix) == (
        503,
        "turn the wheel first: volano turn",
    )


def test_an_answer_is_in_the_ledger_before_it_is_given(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    row = {"body": "我的卡丢了", "customer": 12, "tier": "gold", "channel": {"app": 3}}
    with make_service() as service:
        said = ask(service, {"inputs": [row], "explain": True})
    (answer,) = said["predictions"]
    assert said["model"] == A[:12]
    assert answer["label"] == "card"
    assert answer["reasons"] == [{"text": "卡", "weight": 1.0}]
    logged = find_predictions(ledger, [answer["id"]])[answer["id"]]
    assert (logged.model, logged.input, logged.subject, logged.group) == (A, row, "12", "gold")
    assert logged.output["scores"] == answer["scores"]
    assert "reasons" not in logged.output
    assert logged.latency_ms > 0


def test_subject_and_group_of_the_request_stand_where_a_row_names_none(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    rows = [{"body": "card"}, {"body": "loan", "customer": "u2", "tier": ""}]
    with make_service() as service:
        ask(service, {"inputs": rows, "subject": "u1", "group": "free"})
    found = {p.input["body"]: (p.subject, p.group) for p in list_predictions(ledger)}  # type: ignore[index]
    assert found == {"card": ("u1", "free"), "loan": ("u2", "free")}


def test_ids_are_sortable_by_time_and_never_the_same(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    ids: list[str] = []
    with make_service() as service:
        for _ in range(3):
            said = ask(service, {"inputs": [{"body": "card"}] * 50})
            ids += [answer["id"] for answer in said["predictions"]]
            time.sleep(0.002)
    assert ids == sorted(set(ids))


def test_masked_inputs_hold_no_identifier_and_are_marked(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    with make_service(log_inputs="masked") as service:
        rows = [{"body": "card, call 13812345678"}, {"body": "贷款"}]
        ask(service, {"inputs": rows})
    logged = {str(p.input): p.output.get("input_masked") for p in list_predictions(ledger)}
    assert logged == {"{'body': 'card, call <phone>'}": True, "{'body': '贷款'}": None}


def test_inputs_are_not_kept_where_the_project_says_so(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    with make_service(log_inputs="none") as service:
        ask(service, {"inputs": [{"body": "card"}]})
    assert [p.input for p in list_predictions(ledger)] == [None]


def test_retention_erases_old_inputs(make_service: Make, ledger: Ledger, ask: Ask) -> None:
    promote(ledger, A, because="first", by="test")
    with make_service(retention_days=30) as service:
        ask(service, {"inputs": [{"body": "card"}]})
        assert service.purge(time.time() + 29 * 86400) == 0
        assert service.purge(time.time() + 31 * 86400) == 1
    assert [p.input for p in list_predictions(ledger)] == [None]


@pytest.mark.parametrize("days", [0, -1, True, "30", 1.5, "never"])
def test_retention_is_days_from_one_on_or_forever(days: object) -> None:
    with pytest.raises(ValidationError):
        ServeConfig.model_validate({"retention_days": days})
    assert ServeConfig(retention_days=1).retention_days == 1
    assert ServeConfig(retention_days="forever").retention_days == "forever"


def test_a_promotion_and_a_rollback_are_followed_while_running(
    make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    with make_service() as service:
        promote(ledger, B, because="better", by="test")
        assert until(lambda: service.describe()["hash"] == B)
        said = ask(service, {"inputs": [{"body": "card"}]})
        assert said["predictions"][0]["label"] == "plastic"
        rollback(ledger, because="worse", by="test")
        assert until(lambda: service.describe()["hash"] == A)


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(
    ledger: Ledger, make_service: Make, ask: Ask
) -> None:
    def load(model: str) -> object:
        if model == MISSING:
            raise StoreError("the bundle is damaged", fix="volano doctor")
        return make_service().source.load(model)

    promote(ledger, A, because="first", by="test")
    with make_service(load) as service:
        promote(ledger, MISSING, because="forced", by="test", forced=True)
        assert until(lambda: service.failed is not None)
        said = ask(service, {"inputs": [{"body": "card"}]})
        assert said["model"] == A[:12]
        assert service.describe()["failed"] == {
            "model": MISSING[:12],
            "what": "the bundle is damaged",
            "try": "volano doctor",
        }
        rollback(ledger, because="damaged", by="test")
        assert until(lambda: service.describe()["failed"] is None)


def test_an_unexpected_fault_of_one_round_is_said_and_the_watch_goes_on(
    ledger: Ledger, make_service: Make
) -> None:
    class Odd(LedgerModels):
        rounds = 0

        def version(self) -> int:
            Odd.rounds += 1
            if 1 < Odd.rounds <= 5:
                raise RuntimeError("/home/ann/secret")
            return super().version()

    promote(ledger, A, because="first", by="test")
    heard: list[Event] = []
    service = make_service()
    service.source = Odd(ledger, service.source.load)
    service.events = Events((heard.append,), "serve")
    with service:
        assert until(
            lambda: service.health()["status"] == "promotions are not followed: RuntimeError"
        )
        promote(ledger, B, because="better", by="test")
        assert until(lambda: service.describe()["hash"] == B)
        assert until(lambda: service.health()["status"] == "ok")
    warned = [event.text for event in heard if event.kind == "warning"]
    assert warned == ["promotions are not followed, RuntimeError: /home/ann/secret"]
    assert service.health()["status"] == "promotions are not followed"  # the watch has ended


def test_an_unexpected_fault_of_a_load_does_not_end_the_watch(
    ledger: Ledger, make_service: Make, ask: Ask
) -> None:
    def load(model: str) -> object:
        if model == MISSING:
            raise ZeroDivisionError("odd")
        return make_service().source.load(model)

    promote(ledger, MISSING, because="first", by="test")
    with make_service(load) as service:
        with pytest.raises(NotReadyError, match="ZeroDivisionError: odd"):
            ask(service, {"inputs": [{"body": "card"}]})
        promote(ledger, A, because="second", by="test")
        assert until(lambda: service.serving is not None)


def test_a_model_that_lacks_a_library_says_what_to_install(
    ledger: Ledger, make_service: Make, ask: Ask
) -> None:
    remedy = "pip install 'volano[encoder]'  # {once}"

    def load(model: str) -> object:
        raise MissingExtraError("this model needs onnxruntime", fix=remedy)

    promote(ledger, MISSING, because="first", by="test")
    with make_service(load) as service, pytest.raises(NotReadyError) as caught:
        ask(service, {"inputs": [{"body": "card"}]})
    assert caught.value.what.endswith("could not be loaded: this model needs onnxruntime")
    assert caught.value.fix == caught.value.to_dict("zh")["try"] == remedy


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        ([], "body", "a list"),
        ({}, "inputs", "missing"),
        ({"inputs": []}, "inputs", "empty"),
        ({"inputs": {"body": "x"}}, "inputs", "an object"),
        ({"inputs": [{"body": "x"}] * 9}, "inputs", "8 are allowed"),
        ({"inputs": [{"body": "x"}, "y"]}, "inputs[1]", "a text"),
        ({"inputs": [{"body": "x"}, {"text": "y"}]}, "inputs[1].body", "it holds 'text'"),
        ({"inputs": [{"body": None}]}, "inputs[0].body", "null"),
        ({"inputs": [{"body": 3}]}, "inputs[0].body", "a number"),
        ({"inputs": [{"body": "x"}], "explain": "yes"}, "explain", "a text"),
        ({"inputs": [{"body": "x"}], "expl": True}, "body", "'expl'"),
        ({"inputs": [{"body": "x", "customer": ["a"]}]}, "inputs[0].customer", "a list"),
        ({"inputs": [{"body": "x", "customer": "a\0"}]}, "inputs[0].customer", "NUL"),
        ({"inputs": [{"body": "x"}], "subject": True}, "subject", "true or false"),
    ],
)
def test_a_wrong_input_is_named(
    body: object, where: str, said: str, make_service: Make, ledger: Ledger, ask: Ask
) -> None:
    promote(ledger, A, because="first", by="test")
    with make_service(max_batch=8) as service, pytest.raises(UserError, match=None) as caught:
        ask(service, body)
    assert caught.value.where == where
    assert said in caught.value.what
    assert caught.value.fix
    assert list_predictions(ledger) == ()
