"""Requests for rows of a table: what must come, what is refused, and what is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest
from tests.serve.tables import ROW, predictor_of_labels, predictor_of_numbers

from volano.core.errors import UserError
from volano.models.table_features import TableFeaturiser
from volano.serve import Columns, PredictionService, ServeConfig
from volano.serve.ledger import LedgerLog, LedgerModels
from volano.store.predictions import list_predictions
from volano.store.releases import promote
from volano.tasks import TabularClassification, TabularRegression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volano.models import Predictor
    from volano.store.ledger import Ledger

LABELS, NUMBERS, NARROW = "a" * 64, "b" * 64, "c" * 64
Ask = "Callable[..., Any]"


@pytest.fixture(scope="session")
def models() -> dict[str, Predictor]:
    return {
        LABELS: predictor_of_labels(),
        NUMBERS: predictor_of_numbers(),
        NARROW: predictor_of_labels(["tenure", "plan"]),
    }


@pytest.fixture
def table_service(ledger: Ledger, models: dict[str, Predictor]) -> Callable[..., PredictionService]:
    def made(model: str = LABELS, task: Any = None, **settings: object) -> PredictionService:
        promote(ledger, model, because="first", by="test")
        config = ServeConfig.model_validate({"port": 0, "poll_seconds": 0.05, **settings})
        return PredictionService(
            task=task or (TabularRegression() if model == NUMBERS else TabularClassification()),
            columns=Columns((), subject="customer", group="active"),
            source=LedgerModels(ledger, models.__getitem__),
            store=LedgerLog(ledger),
            config=config,
        )

    return made


@pytest.fixture
def url(table_service: Callable[..., PredictionService], serve: Any) -> Iterator[str]:
    with serve(table_service()) as address:
        yield address


def test_a_row_is_answered_and_logged_as_it_came(
    table_service: Any, ledger: Ledger, ask: Ask, models: dict[str, Predictor]
) -> None:
    row = ROW | {"customer": 7, "note": "columns that no model reads are let pass"}
    with table_service() as service:
        (answer,) = ask(service, {"inputs": [row]})["predictions"]
    (expected,) = models[LABELS].predict([ROW])
    assert answer["label"] == expected.labels[0]
    assert answer["scores"] == expected.scores
    (logged,) = list_predictions(ledger)
    assert (logged.input, logged.subject, logged.group) == (row, "7", "True")


def test_a_number_is_answered_with_its_interval(
    table_service: Any, ledger: Ledger, ask: Ask, models: dict[str, Predictor]
) -> None:
    with table_service(NUMBERS) as service:
        said = ask(service, {"inputs": [ROW, ROW | {"tenure": None}]})["predictions"]
        assert service.describe()["labels"] == []
    expected = models[NUMBERS].predict([ROW, ROW | {"tenure": None}])
    assert [set(answer) for answer in said] == [{"id", "value", "low", "high"}] * 2
    assert [answer["value"] for answer in said] == [answer.value for answer in expected]
    assert all(answer["low"] < answer["value"] < answer["high"] for answer in said)
    logged = {p.id: p.output["value"] for p in list_predictions(ledger)}
    assert logged == {answer["id"]: answer["value"] for answer in said}


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("tenure", "two", "'two'"),
        ("tenure", [2], "[2]"),
        ("tenure", {"years": 2}, "'years'"),
        ("tenure", 10**400, "000"),
        ("since", "yesterday", "2024-03-05"),
        ("since", 3, "2024-03-05"),
        ("active", "perhaps", "yes"),
        ("active", 2, "yes"),
        ("plan", ["basic"], "['basic']"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_with_what_is_expected(
    column: str, cell: object, said: str, table_service: Any, ledger: Ledger
) -> None:
    with table_service() as service:
        for _ in range(2):  # the second time nothing is taken as read
            with pytest.raises(UserError) as caught:
                service.read({"inputs": [ROW, ROW | {column: cell}]})
            assert caught.value.where == f"inputs[1].{column}"
            assert said in caught.value.what and repr(column) in caught.value.what
            assert caught.value.fix
    assert list_predictions(ledger) == ()


def test_a_column_that_is_absent_is_named_and_not_taken_as_missing(table_service: Any) -> None:
    with table_service() as service:
        row = {name: cell for name, cell in ROW.items() if name not in ("plan", "city")}
        with pytest.raises(UserError) as caught:
            service.read({"inputs": [row]})
        assert caught.value.what == "inputs[0] lacks 'plan', 'city'"
        assert caught.value.where == "inputs[0].plan"
        assert caught.value.to_dict("zh")["what"] == "inputs[0] 缺少 'plan', 'city'"
        service.read({"inputs": [ROW | dict.fromkeys(ROW)]})  # null says that a cell is missing
        # A name for each row moves no answer, so nobody has to send one.
        assert "customer_id" not in service.describe()["inputs"]
        with pytest.raises(UserError, match="true or false, not a name"):
            service.read({"inputs": [ROW], "subject": True})


@pytest.mark.parametrize(
    "same", [{"tenure": " 2 "}, {"tenure": 2.0}, {"tenure": "2.0"}, {"active": "yes"},
             {"since": "2024/3/5"}, {"plan": "BASIC"}]
)  # fmt: skip
def test_a_cell_may_be_written_as_in_a_file(
    same: dict[str, object], table_service: Any, ask: Ask
) -> None:
    with table_service() as service:
        first, second, third = ask(service, {"inputs": [ROW, ROW | same, ROW | same]})[
            "predictions"
        ]
    assert first["scores"] == second["scores"] == third["scores"]


def test_levels_that_training_never_saw_are_answered(table_service: Any, ask: Ask) -> None:
    with table_service() as service:
        said = ask(service, {"inputs": [ROW | {"plan": "gold", "city": 3}]})["predictions"]
    assert said[0]["label"] in ("no", "yes")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reasons_are_told_in_the_language_that_is_asked_for(url: str, language: str) -> None:
    asked = {"inputs": [ROW], "explain": True}
    headers = {"accept-language": {"en": "en-GB,en", "zh": "zh-CN,zh;q=0.9"}[language]}
    said = httpx.post(f"{url}/v1/predict", json=asked, headers=headers).json()["predictions"][0]
    reasons = said["reasons"]
    words = {reason["text"]: reason["says"] for reason in reasons}
    raises = {reason["text"]: reason["weight"] > 0 for reason in reasons}
    verb = {
        "en": {True: "raises", False: "lowers"},
        "zh": {True: "升高", False: "降低"},
    }[language]
    for text, is_raised in raises.items():
        assert verb[is_raised] in words[text] or "nothing" in words[text] or "没有" in words[text]
        assert said["label"] in words[text] or "nothing" in words[text] or "没有" in words[text]
    assert "tenure = 2" in words
    assert words["(base)"].startswith({"en": "the starting point: ", "zh": "起点："}[language])
    assert words["tenure = 2"].startswith({"en": "tenure = 2: ", "zh": "tenure = 2："}[language])


def test_reasons_of_a_number_add_up_to_it(table_service: Any, ask: Ask) -> None:
    with table_service(NUMBERS) as service:
        (said,) = ask(service, {"inputs": [ROW], "explain": True})["predictions"]
    assert sum(reason["weight"] for reason in said["reasons"]) == pytest.approx(said["value"])
    assert any(reason["says"].endswith("raises the number") for reason in said["reasons"])


def test_reasons_speak_of_a_label_by_todays_name(table_service: Any, ask: Ask) -> None:
    from volano.tasks import LabelsConfig

    task = TabularClassification(LabelsConfig(rename={"yes": "leaves", "no": "stays"}))
    with table_service(task=task) as service:
        (said,) = ask(service, {"inputs": [ROW], "explain": True})["predictions"]
    assert said["label"] in ("leaves", "stays")
    assert said["label"] in said["reasons"][0]["says"]


def test_the_document_is_made_from_the_model_that_answers(
    table_service: Any, serve: Any, ledger: Ledger
) -> None:
    service = table_service(NARROW)
    with serve(service) as address:

        def row() -> Any:
            document = httpx.get(f"{address}/v1/openapi.json").json()
            body = document["paths"]["/v1/predict"]["post"]["requestBody"]
            return body["content"]["application/json"]

        narrow = row()["schema"]["properties"]["inputs"]["items"]
        assert narrow["required"] == ["tenure", "plan"]
        promote(ledger, LABELS, because="better", by="test")
        service.refresh()
        wide = row()
        cells = wide["schema"]["properties"]["inputs"]["items"]
        assert cells["required"] == list(ROW)
        assert cells["properties"]["tenure"]["type"] == ["number", "null"]
        assert cells["properties"]["since"]["format"] == "date"
        assert set(cells["properties"]["city"]["examples"]) == {"北京", "上海", "成都"}
        again = httpx.post(f"{address}/v1/predict", json=wide["example"])
        assert again.status_code == 200, again.text
        page = httpx.get(f"{address}/docs").text
        assert "tenure" in page and "since" in page


def test_the_document_of_a_number_says_what_its_interval_is(table_service: Any, serve: Any) -> None:
    with serve(table_service(NUMBERS)) as address:
        document = httpx.get(f"{address}/v1/openapi.json").json()
        answer = document["paths"]["/v1/predict"]["post"]["responses"]["200"]
    one = answer["content"]["application/json"]["schema"]["properties"]["predictions"]["items"]
    assert one["required"] == ["id", "value", "low", "high"]


def test_a_row_that_another_model_was_to_read_is_checked_again(
    table_service: Any, ledger: Ledger
) -> None:
    with table_service(NARROW) as service:
        request = service.read({"inputs": [{"tenure": 2, "plan": "basic"}]})
        promote(ledger, LABELS, because="better", by="test")
        service.refresh()
        with pytest.raises(UserError, match="lacks 'since', 'active', 'city'"):
            service.answer([request])
        with pytest.raises(UserError, match="lacks"):
            service.read({"inputs": [{"tenure": 2, "plan": "basic"}]})


def test_an_example_row_holds_typical_numbers() -> None:
    table = pa.table({
        "since": [f"2024-{1 + n % 12:02}-05" for n in range(60)],
        "is_new": [n % 3 == 0 for n in range(60)],
        "plan": ["basic" if n % 3 else "plus" for n in range(60)],
        "age": [30 + n % 21 for n in range(60)],
        "income": [27_345.5 + n for n in range(60)],
    })  # fmt: skip
    fitted = TableFeaturiser.fit(table, table.column_names)
    row = Columns(tuple(table.column_names), table=fitted).example_row()
    assert json.dumps(row) == (
        '{"since": "2024-03-05", "is_new": true, "plan": "basic", "age": 40, "income": 27400}'
    )


@pytest.mark.parametrize(
    ("header", "is_chinese"), [(None, True), ("*", True), ("en", False), ("zh-CN", True)]
)
def test_who_asks_for_no_language_is_answered_in_the_projects(
    table_service: Any, serve: Any, header: str | None, is_chinese: bool
) -> None:
    service = table_service()
    service.language = "zh"
    headers = {} if header is None else {"accept-language": header}
    with serve(service) as address, httpx.Client(base_url=address) as client:
        for name in set(client.headers) & {"accept-language"}:
            del client.headers[name]
        asked = {"inputs": [ROW], "explain": True}
        said = client.post("/v1/predict", json=asked, headers=headers).json()["predictions"][0]
        assert ("升高" in json.dumps(said, ensure_ascii=False)) is is_chinese
        wrong = client.post("/v1/predict", json={}, headers=headers).json()["error"]["what"]
        assert ("不是" in wrong) is is_chinese
        lost = client.get("/nowhere", headers=headers).json()["error"]["what"]
        assert lost.startswith("there is nothing") is not is_chinese


def test_many_columns_that_are_absent_are_not_all_named(table_service: Any) -> None:
    columns = Columns(tuple(f"c{n}" for n in range(30)))
    assert json.loads(columns.example())["inputs"][0]["c29"] == "..."


def test_answers_do_not_depend_on_who_else_asks(url: str, models: dict[str, Predictor]) -> None:
    rows = [ROW | {"tenure": n} for n in range(70)]
    both = httpx.post(f"{url}/v1/predict", json={"inputs": rows}).json()["predictions"]
    alone = [
        httpx.post(f"{url}/v1/predict", json={"inputs": [row]}).json()["predictions"][0]
        for row in rows[:10]
    ]
    assert [answer["scores"] for answer in both[:10]] == [answer["scores"] for answer in alone]
