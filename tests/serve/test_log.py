from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import StoreError
from volano.core.events import Event, Events
from volano.serve.ledger import LedgerLog, settle
from volano.serve.log import GroupLog, LogFullError
from volano.store.ids import prediction_ids, seconds_of
from volano.store.predictions import (
    PredictionRow,
    append_predictions,
    find_predictions,
    list_predictions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.store.ledger import Ledger


def rows(*ids: str) -> list[PredictionRow]:
    output = '{"label":"卡","scores":{"卡":0.1}}'
    return [PredictionRow(n, 1.0, "m", '{"b":"x"}', "h", output, "u", None, 0.5) for n in ids]


def test_rows_reach_the_ledger_in_groups_and_a_flush_waits_for_them(ledger: Ledger) -> None:
    ids = [f"p{n:04}" for n in range(700)]  # more than one statement holds
    with GroupLog(LedgerLog(ledger)) as log:
        for name in ids:
            log.add(rows(name))
        log.flush()
        assert (log.num_waiting, log.num_written) == (0, 700)
        assert log.num_groups < 100
        found = find_predictions(ledger, ids)
    assert sorted(found) == ids
    assert (found["p0000"].output["label"], found["p0000"].input) == ("卡", {"b": "x"})


def test_leaving_it_writes_what_still_waits(ledger: Ledger) -> None:
    with GroupLog(LedgerLog(ledger)) as log:
        log.add(rows("p1", "p2"))
    assert set(find_predictions(ledger, ["p1", "p2"])) == {"p1", "p2"}


def test_a_group_that_is_sent_again_is_there_once(ledger: Ledger) -> None:
    append_predictions(ledger, rows("p1"))
    append_predictions(ledger, rows("p1", "p2"))
    assert sorted(found.id for found in list_predictions(ledger)) == ["p1", "p2"]


class Failing:
    def __init__(self) -> None:
        self.is_broken, self.kept = True, []

    def write(self, group: Sequence[PredictionRow]) -> None:
        if self.is_broken:
            raise StoreError("the disk is full")
        self.kept += [row.id for row in group]

    def purge(self, before: float) -> int:
        return 0


def test_what_cannot_be_written_is_said_once_and_written_later_in_its_order() -> None:
    heard: list[Event] = []
    store = Failing()
    with GroupLog(store, Events((heard.append,)), max_rows=3) as log:
        log.add(rows("p1"))
        log.add(rows("p2", "p3"))
        with pytest.raises(LogFullError, match="the disk is full"):
            log.flush(0.3)
        with pytest.raises(LogFullError, match="3 wait there: the disk is full"):
            log.require_room()
        store.is_broken = False
        log.flush()
        log.require_room()
    assert store.kept == ["p1", "p2", "p3"]
    said = [(event.kind, event.text) for event in heard]
    assert [kind for kind, _ in said] == ["warning", "note"], said


def test_answers_that_were_never_written_are_said_at_the_end() -> None:
    heard: list[Event] = []
    with GroupLog(Failing(), Events((heard.append,))) as log:
        log.add(rows("p1"))
    assert "1 answers were never written to the log: the disk is full" in heard[-1].text


def test_an_answer_of_another_worker_is_waited_for_and_a_made_up_id_is_not(ledger: Ledger) -> None:
    (fresh,) = prediction_ids(1)
    with GroupLog(LedgerLog(ledger)) as log:
        writer = threading.Timer(0.2, append_predictions, (ledger, rows(fresh)))
        writer.start()
        settle(ledger, log, [fresh], alone=False)
        assert fresh in find_predictions(ledger, [fresh])
        began = time.monotonic()
        settle(ledger, log, ["nobody", "01890000-0000-7000-8000-000000000000"], alone=False)
        assert time.monotonic() - began < 0.5
        settle(ledger, log, prediction_ids(1), alone=False)  # never comes: given up after a second
        assert 0.9 < time.monotonic() - began < 5


def test_an_id_says_when_it_was_given() -> None:
    assert abs((seconds_of(prediction_ids(1)[0]) or 0) - time.time()) < 5
    assert seconds_of("x" * 36) is seconds_of("") is seconds_of("z" * 14 + "7" + "z" * 21) is None
