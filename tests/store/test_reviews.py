from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from volano.core.errors import DataError
from volano.store.audit import list_audit
from volano.store.reviews import (
    ReviewAnswer,
    ReviewItem,
    answer_reviews,
    answered_reviews,
    file_reviews,
    open_reviews,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def asked(ref: str, **fields: Any) -> ReviewItem:
    given: dict[str, Any] = {"why": "unsure", "probability": 1.0, **fields}
    return ReviewItem("prediction", ref, {"body": f"退款 {ref}"}, ("refund",), **given)


def test_what_is_filed_is_open_with_all_it_carries(ledger: Ledger) -> None:
    filed = file_reviews(
        ledger, [asked("p1"), asked("p2", why="random", probability=0.02), asked("p3")]
    )
    assert open_reviews(ledger) == filed
    assert [(item.ref, item.why, item.probability) for item in filed] == [
        ("p1", "unsure", 1.0),
        ("p2", "random", 0.02),
        ("p3", "unsure", 1.0),
    ]
    assert filed[0].fields == {"body": "退款 p1"}
    assert filed[0].target == ("refund",)
    assert filed[0].to_dict()["state"] == "open"
    assert isinstance(filed[0].probability, float)


def test_one_thing_has_one_open_item(ledger: Ledger) -> None:
    file_reviews(ledger, [asked("p1"), asked("p1", why="conflict")])
    assert file_reviews(ledger, [asked("p1", why="suspect-label")]) == ()
    assert [item.why for item in open_reviews(ledger)] == ["unsure"]
    example = ReviewItem("example", "p1", {}, None, "unsure")
    assert [item.what for item in file_reviews(ledger, [example])] == ["example"]


def test_a_random_pick_of_an_open_item_makes_it_random(ledger: Ledger) -> None:
    (first,) = file_reviews(ledger, [asked("p1")])
    (again,) = file_reviews(ledger, [asked("p1", why="random", probability=0.1)])
    assert (again.id, again.why, again.probability) == (first.id, "random", 0.1)
    assert file_reviews(ledger, [asked("p1", why="random", probability=0.5)]) == ()
    assert file_reviews(ledger, [asked("p1", why="unsure")]) == ()
    assert open_reviews(ledger) == (again,)


def test_answers_close_items_and_may_skip(ledger: Ledger) -> None:
    first, second = file_reviews(ledger, [asked("p1"), asked("p2")])
    answer_reviews(
        ledger,
        [ReviewAnswer(first.id, ("转账", "卡"), "ann"), ReviewAnswer(second.id, None, "ann")],
    )
    assert open_reviews(ledger) == ()
    (answered,) = answered_reviews(ledger)
    assert (answered.ref, answered.label, answered.by) == ("p1", ("转账", "卡"), "ann")
    assert answered.answered_at is not None
    assert [item.state for item in answered_reviews(ledger, skipped=True)] == [
        "answered",
        "skipped",
    ]
    assert len(file_reviews(ledger, [asked("p1")])) == 1


def test_a_second_answer_replaces_the_first_and_the_audit_keeps_it(ledger: Ledger) -> None:
    (item,) = file_reviews(ledger, [asked("p1")])
    answer_reviews(ledger, [ReviewAnswer(item.id, ("a",), "ann")])
    (same,) = answer_reviews(ledger, [ReviewAnswer(item.id, ("a",), "bob")])
    assert same.by == "ann"
    assert list_audit(ledger) == ()
    answer_reviews(ledger, [ReviewAnswer(item.id, ("b",), "bob")])
    assert [(kept.label, kept.by) for kept in answered_reviews(ledger)] == [(("b",), "bob")]
    (deed,) = list_audit(ledger, action="change-review")
    assert deed.detail == {"item": item.id, "label": ["b"], "was": ["a"], "from": "ann"}


def test_an_answer_to_nothing_records_none_of_the_sheet(ledger: Ledger) -> None:
    (item,) = file_reviews(ledger, [asked("p1")])
    answers = [ReviewAnswer(item.id, ("a",), "ann"), ReviewAnswer(99, ("a",), "ann")]
    with pytest.raises(DataError, match="no review item 99"):
        answer_reviews(ledger, answers)
    assert open_reviews(ledger) == (item,)


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1, float("nan")])
def test_a_probability_is_above_zero_and_at_most_one(ledger: Ledger, probability: float) -> None:
    with pytest.raises(DataError, match="probability"):
        file_reviews(ledger, [asked("p1"), asked("p2", probability=probability)])
    assert open_reviews(ledger) == ()
