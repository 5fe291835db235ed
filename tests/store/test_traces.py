from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.erasure import occurrences

from volano.core.nouns import Prediction
from volano.store import audit, erasing, subjects, traces
from volano.store.predictions import add_feedback, add_predictions, find_predictions, list_feedback
from volano.store.reviews import (
    ReviewAnswer,
    ReviewItem,
    answer_reviews,
    file_reviews,
    open_reviews,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def ask(ledger: Ledger, name: str, who: str | None, **fields: object) -> None:
    add_predictions(ledger, [Prediction(name, 1.0, "m", fields, {"label": "x"}, who)])


def erase(ledger: Ledger, name: str, *examples: str, column: str = "") -> traces.Rows:
    rows = traces.find_rows(ledger, name, [column] if column else [], examples)
    with ledger.write() as connection:
        traces.delete_rows(connection, rows)
        traces.strike_out(connection, name)
    return rows


def test_rows_of_a_person_go_with_all_that_was_said_of_them(ledger: Ledger) -> None:
    ask(ledger, "p1", "ann-7", body="quizzle one")
    ask(ledger, "p2", "ann-77", body="another")
    add_feedback(ledger, [{"prediction": "p1", "comment": "quizzle two", "by": "bo"}])
    add_feedback(ledger, [{"prediction": "p2", "comment": "quizzle three", "by": "ann-7"}])
    add_feedback(ledger, [{"prediction": "p2", "comment": "says ann-7; not ann-77", "by": "cy"}])
    filed = file_reviews(
        ledger,
        [
            ReviewItem("prediction", "p1", {"body": "quizzle four"}, None, "random"),
            ReviewItem("example", "e1", {"body": "quizzle five"}, None, "suspect-label"),
            ReviewItem("example", "e2", {"body": "another"}, None, "suspect-label"),
        ],
    )
    answer_reviews(ledger, [ReviewAnswer(filed[0].id, ("x",), "bo", "quizzle six")])
    rows = erase(ledger, "ann-7", "e1")
    assert traces.count_rows(rows) == {"predictions": 1, "feedback": 2, "reviews": 2}
    assert set(find_predictions(ledger, ["p1", "p2"])) == {"p2"}
    (left,) = list_feedback(ledger)
    assert left.comment == "says (erased); not ann-77"
    assert [item.ref for item in open_reviews(ledger)] == ["e2"]
    erasing.compact(ledger.path)
    assert occurrences(ledger.path.parent, ["quizzle"]) == []


def test_a_person_is_found_in_a_column_that_was_named_later(ledger: Ledger) -> None:
    ask(ledger, "p1", None, body="a", customer=7.0)
    ask(ledger, "p2", None, body="7", customer=77)
    ask(ledger, "p3", None, body="b", customer="7")
    assert traces.find_rows(ledger, "7", ["customer"], ()).predictions == {"p1", "p3"}
    assert traces.find_rows(ledger, "7", [], ()).predictions == set()


def test_many_rows_go_at_once(ledger: Ledger) -> None:
    rows = [Prediction(f"p{n}", 1.0, "m", None, {}, "ann") for n in range(1201)]
    add_predictions(ledger, rows)
    assert len(erase(ledger, "ann").predictions) == 1201


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "张三-7741", "O'Neil", "50%_off"])
def test_names_that_json_or_sql_would_escape_are_struck_out(name: str, ledger: Ledger) -> None:
    audit.record(ledger, name, "deed", {"why": f"of {name}", name: [name]})
    erase(ledger, name)
    (deed,) = audit.list_audit(ledger)
    assert deed.actor == traces.MARK
    assert deed.detail == {"why": f"of {traces.MARK}", traces.MARK: [traces.MARK]}


def test_a_short_name_is_struck_out_only_where_it_stands_alone(ledger: Ledger) -> None:
    audit.record(ledger, "7", "deed", {"days": "7 days", "who": "7"})
    erase(ledger, "7")
    (deed,) = audit.list_audit(ledger)
    assert (deed.actor, deed.detail) == (traces.MARK, {"days": "7 days", "who": traces.MARK})


@pytest.mark.parametrize(
    "raw",
    [
        "R1,too,many,cells,ann-7",
        'R1,"ann-7","unclosed',
        "R1;ann-7;x",
        '{"id": 1, "customer": "ann-7", ',
        '{"id": 1, "customer": "ann-7"}',
        "客户ann-7说，包裹丢了",
        "asked by ann-7.",
    ],
)
def test_a_subject_is_found_in_raw_text_as_a_cell_or_a_word(raw: str) -> None:
    assert subjects.is_named_in(raw, {subjects.hash_subject("ann-7")})
    assert not subjects.is_named_in(raw, {subjects.hash_subject("ann")})
    assert not subjects.is_named_in(raw, {subjects.hash_subject("ann-77")})


def test_a_text_that_is_nested_without_end_is_looked_through() -> None:
    assert subjects.is_named_in('C-0252,{"a":', {subjects.hash_subject("C-0252")})
    assert not subjects.is_named_in('{"a":' + "[" * 100_000, {subjects.hash_subject("C-0252")})


def test_chinese_names_and_numbers_are_found_as_cells() -> None:
    assert subjects.is_named_in("R1,张三,退款", {subjects.hash_subject("张三")})
    assert subjects.is_named_in('{"customer": 7.0}', {subjects.hash_subject("7")})
