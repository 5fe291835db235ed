from __future__ import annotations

from typing import TYPE_CHECKING

from volano.store.audit import list_audit, record

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def test_deeds_are_listed_newest_first_with_their_detail(ledger: Ledger) -> None:
    record(ledger, "ann", "promote", {"model": "m1"})
    record(ledger, "回滚者", "rollback", {"because": "太慢"})
    deeds = list_audit(ledger)
    assert [(deed.actor, deed.action) for deed in deeds] == [
        ("回滚者", "rollback"),
        ("ann", "promote"),
    ]
    assert deeds[0].to_dict()["detail"] == {"because": "太慢"}
    assert list_audit(ledger, action="promote") == (deeds[1],)
    assert list_audit(ledger, limit=1) == (deeds[0],)
