from __future__ import annotations

import time
from typing import TYPE_CHECKING

from volano.core.nouns import Prediction
from volano.serve.ledger import LedgerLog
from volano.store import predictions
from volano.store.clock import LEAP_SECONDS, confirm_now, leapt_from, trusted_now

if TYPE_CHECKING:
    import pytest

    from volano.store.ledger import Ledger

DAY = 86_400.0
NOW = 20_000 * DAY
YEAR = 365 * DAY


def test_a_clock_that_goes_on_is_trusted(ledger: Ledger) -> None:
    for moment in (NOW, NOW + 3600, NOW + 5 * DAY, NOW + 5 * DAY + LEAP_SECONDS):
        assert trusted_now(ledger, moment) == moment
    assert leapt_from(ledger) is None


def test_a_leap_counts_only_when_it_has_lasted_for_a_day(ledger: Ledger) -> None:
    trusted_now(ledger, NOW)
    assert trusted_now(ledger, NOW + YEAR) == NOW
    assert trusted_now(ledger, NOW + YEAR + 23 * 3600) == NOW
    assert leapt_from(ledger) == NOW
    assert trusted_now(ledger, NOW + YEAR + 25 * 3600) == NOW + YEAR + 25 * 3600
    assert leapt_from(ledger) is None


def test_a_clock_that_is_set_right_again_leaves_no_trace(ledger: Ledger) -> None:
    trusted_now(ledger, NOW)
    assert trusted_now(ledger, NOW + YEAR) == NOW
    assert trusted_now(ledger, NOW + 3600) == NOW + 3600
    assert trusted_now(ledger, NOW + 7200) == NOW + 7200


def test_a_second_leap_begins_the_day_anew(ledger: Ledger) -> None:
    trusted_now(ledger, NOW)
    trusted_now(ledger, NOW + YEAR)
    assert trusted_now(ledger, NOW + 3 * YEAR) == NOW
    assert trusted_now(ledger, NOW + 3 * YEAR + 2 * DAY) == NOW + 3 * YEAR + 2 * DAY


def test_a_clock_set_back_makes_nothing_older(ledger: Ledger) -> None:
    trusted_now(ledger, NOW)
    assert trusted_now(ledger, NOW - YEAR) == NOW - YEAR
    assert trusted_now(ledger, NOW) == NOW - YEAR  # forward again: waits for its day
    assert trusted_now(ledger, NOW + DAY) == NOW + DAY


def test_a_person_may_say_that_the_clock_is_right(ledger: Ledger) -> None:
    trusted_now(ledger, NOW - 50 * YEAR)
    assert trusted_now(ledger, NOW) == NOW - 50 * YEAR
    confirm_now(ledger)
    assert leapt_from(ledger) is None


def test_retention_erases_nothing_because_the_clock_leapt(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"now": NOW}
    monkeypatch.setattr(time, "time", lambda: clock["now"])
    given = Prediction("p1", NOW, "a" * 64, {"text": "x"}, {"label": "x"})
    predictions.add_predictions(ledger, [given])
    log = LedgerLog(ledger)
    assert log.purge(clock["now"] - 90 * DAY) == 0
    clock["now"] = NOW + YEAR
    late = Prediction("p2", clock["now"], "a" * 64, {"text": "x"}, {"label": "x"})
    predictions.add_predictions(ledger, [late])
    assert log.purge(clock["now"] - 90 * DAY) == 0
    clock["now"] += 25 * 3600
    assert log.purge(clock["now"] - 90 * DAY) == 1
    assert predictions.find_predictions(ledger, ["p2"])["p2"].input == {"text": "x"}
