from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from volano.core.errors import DataError
from volano.core.hashing import hash_json
from volano.core.nouns import Prediction
from volano.store import schema
from volano.store.audit import list_audit
from volano.store.ids import prediction_ids
from volano.store.predictions import (
    PredictionRow,
    add_feedback,
    add_predictions,
    append_predictions,
    find_predictions,
    list_feedback,
    list_predictions,
    purge_predictions,
)
from volano.store.reviews import ReviewItem, answered_reviews, file_reviews, open_reviews
from volano.store.subjects import suppress_within

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def prediction(name: str, at: float = 1.0, **fields: Any) -> Prediction:
    output = {"label": "卡", "scores": {"z": 0.9, "a": 0.1}}
    return Prediction(name, at, "m" * 64, {"body": f"卡在哪里 {name}"}, output, **fields)


def test_predictions_come_back_as_they_were_given(ledger: Ledger) -> None:
    given = [
        prediction("p1", subject="客户-1", group="gold", latency_ms=1.5),
        prediction("p2", at=2.0),
        Prediction("p3", 3.0, "m", None, {"label": "x"}),
    ]
    add_predictions(ledger, given)
    add_predictions(ledger, [])
    assert list_predictions(ledger) == tuple(reversed(given))
    assert list_predictions(ledger, since=2.0, limit=1) == (given[2],)
    found = find_predictions(ledger, ["p1", "nobody", "p3"])
    assert found == {"p1": given[0], "p3": given[2]}
    assert list(found["p1"].output["scores"]) == ["z", "a"]


def test_more_ids_than_one_query_takes_are_found(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction(str(n)) for n in range(1200)])
    assert len(find_predictions(ledger, (str(n) for n in range(1300)))) == 1200


def test_an_id_is_used_once(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction("p1")])
    with pytest.raises(DataError, match="not recorded"):
        add_predictions(ledger, [prediction("p2"), prediction("p1")])
    assert [kept.id for kept in list_predictions(ledger)] == ["p1"]


def test_retention_erases_inputs_and_keeps_their_hash(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction("old", at=1.0), prediction("new", at=5.0)])
    assert purge_predictions(ledger, 5.0) == 1
    assert purge_predictions(ledger, 5.0) == 0
    found = find_predictions(ledger, ["old", "new"])
    assert found["old"].input is None
    assert found["old"].output["label"] == "卡"
    assert found["new"].input is not None
    table = schema.predictions
    with ledger.read() as connection:
        kept = connection.execute(select(table.c.input_hash).where(table.c.id == "old"))
        assert kept.scalar_one() == hash_json({"body": "卡在哪里 old"})
    assert [deed.action for deed in list_audit(ledger)] == ["purge-predictions"]


def test_retention_erases_what_people_wrote_and_keeps_what_is_counted(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction("old", subject="ann", group="gold")])
    said = {"label": "卡", "score": 1, "comment": "she called", "output": "退款", "by": "bo"}
    add_feedback(ledger, [{"prediction": "old", **said}])
    purge_predictions(ledger, time.time() + 1)
    kept = find_predictions(ledger, ["old"])["old"]
    assert (kept.subject, kept.group) == (None, None)
    (signal,) = list_feedback(ledger)
    assert (signal.label, signal.score, signal.by) == (("卡",), 1.0, "bo")
    assert (signal.comment, signal.output) == (None, None)
    assert purge_predictions(ledger, time.time() + 1) == 0
    assert len(list_audit(ledger)) == 1


def test_words_about_an_erased_person_are_not_kept(ledger: Ledger) -> None:
    (before,) = prediction_ids(1)
    time.sleep(0.002)
    with ledger.write() as connection:
        suppress_within(connection, "C-0252", reason="asked", by="ann")
    time.sleep(0.002)
    (on_its_way,) = prediction_ids(1)
    row = PredictionRow("theirs", 1.0, "m", "{}", "h", '{"label":"a"}', "C-0252", None, 1.0)
    append_predictions(ledger, [row])
    add_predictions(ledger, [prediction("theirs too", subject="C-0252"), prediction("other")])
    said = {"label": "a", "comment": "she called", "output": "so", "by": "bo"}
    names = ("theirs", "theirs too", before, on_its_way, "other")
    kept = add_feedback(ledger, [{"prediction": name, **said} for name in names])
    words = [(signal.comment, signal.output) for signal in kept]
    assert words == [(None, None)] * 3 + [("she called", "so")] * 2
    assert {(signal.label, signal.by) for signal in kept} == {(("a",), "bo")}
    named = {"prediction": "other", "comment": "C-0252 called", "by": "C-0252", "score": 1}
    (signal,) = add_feedback(ledger, [named])
    assert (signal.comment, signal.by, signal.score) == (None, None, 1.0)


def test_an_erased_input_leaves_no_trace_in_the_file(ledger: Ledger) -> None:
    words = "where is my card "
    given = {"body": words * 100}
    add_predictions(ledger, [Prediction(str(n), 1.0, "m", given, {}) for n in range(20)])
    purge_predictions(ledger, 2.0)
    ledger.close()
    written = b"".join(path.read_bytes() for path in ledger.path.parent.glob("ledger.db*"))
    assert words.encode() not in written


def test_erased_inputs_leave_their_reviews_too(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction("old", at=1.0), prediction("new", at=10.0)])
    fields = {"body": "卡在哪里"}
    file_reviews(
        ledger,
        [ReviewItem("prediction", name, fields, ("卡",), "random", 0.5) for name in ("old", "new")],
    )
    purge_predictions(ledger, 5.0)
    assert [(item.ref, item.fields) for item in open_reviews(ledger)] == [("new", fields)]
    closed = {item.ref: item.fields for item in answered_reviews(ledger, skipped=True)}
    assert closed == {"old": {}}


def test_feedback_is_kept_however_it_comes(ledger: Ledger) -> None:
    add_predictions(ledger, [prediction("p1")])
    recorded = add_feedback(
        ledger,
        [
            {"prediction": "p1", "label": "退款", "by": "ann"},
            {"prediction": "p1", "label": ["a", "b"], "comment": "both"},
            {"prediction": "unheard", "score": 1},
            {"prediction": "p1", "output": "a corrected answer"},
        ],
    )
    assert [kept.status for kept in recorded] == [
        "attached",
        "attached",
        "unknown-prediction",
        "attached",
    ]
    assert [kept.label for kept in recorded] == [("退款",), ("a", "b"), None, None]
    assert isinstance(recorded[2].score, float)
    assert list_feedback(ledger) == tuple(reversed(recorded))
    assert list_feedback(ledger, prediction="p1", limit=1) == (recorded[3],)
    assert list_feedback(ledger, since=recorded[-1].at + 1) == ()
    assert add_feedback(ledger, []) == []


def test_feedback_attaches_to_a_prediction_that_is_written_later(ledger: Ledger) -> None:
    (early,) = add_feedback(ledger, [{"prediction": "p1", "score": 0.5}])
    assert early.status == "unknown-prediction"
    add_predictions(ledger, [prediction("p1")])
    assert [kept.status for kept in list_feedback(ledger)] == ["attached"]
