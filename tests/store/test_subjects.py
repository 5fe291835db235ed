from __future__ import annotations

from typing import TYPE_CHECKING

from volano.store.audit import list_audit
from volano.store.checks import indexed_rows
from volano.store.subjects import (
    bury_rows,
    hash_subject,
    index_subjects,
    list_tombstones,
    suppress_within,
    suppressed,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def bury(ledger: Ledger, subject: str, **places: int) -> None:
    with ledger.write() as connection:
        found = {f"dataset:{name}": count for name, count in places.items()}
        bury_rows(connection, subject, found, reason="asked", by="me")


def suppress(ledger: Ledger, subject: str) -> None:
    with ledger.write() as connection:
        suppress_within(connection, subject, reason="asked", by="me")


def test_the_index_says_how_many_rows_of_people_a_place_holds(ledger: Ledger) -> None:
    index_subjects(ledger, {"客户-1": 3, "ann": 1}, "dataset:aa")
    index_subjects(ledger, {"客户-1": 2}, "dataset:bb")
    places = ("dataset:aa", "dataset:bb", "dataset:cc")
    assert [indexed_rows(ledger, place) for place in places] == [4, 2, 0]


def test_indexing_a_place_again_replaces_what_was_said_of_it(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann": 1, "bob": 1}, "dataset:aa")
    index_subjects(ledger, {"ann": 5}, "dataset:aa")
    assert indexed_rows(ledger, "dataset:aa") == 5
    index_subjects(ledger, {}, "dataset:aa")
    assert indexed_rows(ledger, "dataset:aa") == 0


def test_the_index_never_holds_a_name(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann@example.org": 1}, "dataset:aa")
    bury(ledger, "ann@example.org", aa=1)
    suppress(ledger, "ann@example.org")
    ledger.close()
    written = b"".join(path.read_bytes() for path in ledger.path.parent.glob("ledger.db*"))
    assert b"ann@example.org" not in written
    assert hash_subject("ann@example.org").encode() in written


def test_an_erasure_leaves_a_tombstone_and_takes_the_rows_out_of_the_index(ledger: Ledger) -> None:
    index_subjects(ledger, {"ann": 3, "bob": 1}, "dataset:aa")
    index_subjects(ledger, {"ann": 2}, "dataset:bb")
    bury(ledger, "ann", aa=3)
    assert indexed_rows(ledger, "dataset:aa") == 1
    assert indexed_rows(ledger, "dataset:bb") == 2
    (tombstone,) = list_tombstones(ledger)
    assert (tombstone.subject, tombstone.count) == (hash_subject("ann"), 3)
    assert tombstone.to_dict()["place"] == "dataset:aa"
    assert [deed.action for deed in list_audit(ledger)] == ["erase"]


def test_suppressing_twice_is_suppressing_once(ledger: Ledger) -> None:
    assert suppressed(ledger) == set()
    for name in ("ann", "ann", "bob"):
        suppress(ledger, name)
    assert suppressed(ledger) == {hash_subject("ann"), hash_subject("bob")}
