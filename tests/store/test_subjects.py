from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.nouns import Prediction
from volano.store.audit import list_audit
from volano.store.predictions import add_predictions
from volano.store.subjects import (
    add_tombstone,
    hash_subject,
    index_subjects,
    list_tombstones,
    suppress,
    suppressed,
    where_is,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def test_the_index_says_where_the_data_of_a_person_is(ledger: Ledger) -> None:
    index_subjects(ledger, {"客户-1": 3, "ann": 1}, "dataset:aa")
    index_subjects(ledger, {"客户-1": 2}, "dataset:bb")
    add_predictions(ledger, [Prediction("p1", 1.0, "m", None, {"label": "x"}, subject="客户-1")])
    assert where_is(ledger, "客户-1") == {"dataset:aa": 3, "dataset:bb": 2, "predictions": 1}
    assert where_is(ledger, "nobody") == {}


def test_indexing_a_place_again_replaces_what_was_said_of_it(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann": 1, "bob": 1}, "dataset:aa")
    index_subjects(ledger, {"ann": 5}, "dataset:aa")
    assert where_is(ledger, "ann") == {"dataset:aa": 5}
    assert where_is(ledger, "bob") == {}
    index_subjects(ledger, {}, "dataset:aa")
    assert where_is(ledger, "ann") == {}


def test_the_index_never_holds_a_name(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann@example.org": 1}, "dataset:aa")
    add_tombstone(ledger, "ann@example.org", where="dataset:aa", count=1, reason="asked", by="me")
    with ledger.write() as connection:
        connection.exec_driver_sql("SELECT 1")
    ledger.close()
    written = b"".join(path.read_bytes() for path in ledger.path.parent.glob("ledger.db*"))
    assert b"ann@example.org" not in written
    assert hash_subject("ann@example.org").encode() in written


def test_an_erasure_leaves_a_tombstone_and_keeps_the_person_out(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann": 3}, "dataset:aa")
    index_subjects(ledger, {"ann": 2}, "dataset:bb")
    add_tombstone(ledger, "ann", where="dataset:aa", count=3, reason="asked", by="me")
    assert where_is(ledger, "ann") == {"dataset:bb": 2}
    (tombstone,) = list_tombstones(ledger)
    assert (tombstone.subject, tombstone.count) == (hash_subject("ann"), 3)
    assert tombstone.to_dict()["place"] == "dataset:aa"
    assert suppressed(ledger) == {hash_subject("ann")}
    assert [deed.action for deed in list_audit(ledger)] == ["erase"]


def test_suppressing_twice_is_suppressing_once(ledger: Ledger) -> None:
    assert suppressed(ledger) == set()
    suppress(ledger, "ann", reason="asked", by="me")
    suppress(ledger, "ann", reason="asked again", by="me")
    suppress(ledger, "bob", reason="asked", by="me")
    assert suppressed(ledger) == {hash_subject("ann"), hash_subject("bob")}
