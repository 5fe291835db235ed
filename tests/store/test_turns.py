from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import StoreError, UnknownNameError
from volano.core.events import Event
from volano.store.turns import (
    StageRecord,
    add_events,
    begin_turn,
    find_stage,
    find_turn,
    finish_turn,
    list_events,
    list_turns,
    record_stage,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger


def test_an_unfinished_turn_with_the_same_config_is_resumed(ledger: Ledger) -> None:
    first = begin_turn(ledger, {"task": "text-classification", "b": 1}, 0)
    assert begin_turn(ledger, {"b": 1, "task": "text-classification"}, 0) == first
    assert begin_turn(ledger, {"task": "text-classification", "b": 1}, 1) != first


def test_another_config_abandons_what_was_unfinished(ledger: Ledger) -> None:
    first = begin_turn(ledger, {"a": 1}, 0)
    second = begin_turn(ledger, {"a": 2}, 0)
    assert [(turn.number, turn.state) for turn in list_turns(ledger)] == [
        (second, "running"),
        (first, "abandoned"),
    ]
    assert begin_turn(ledger, {"a": 1}, 0) == second + 1


def test_a_finished_turn_is_not_resumed(ledger: Ledger) -> None:
    first = begin_turn(ledger, {"a": 1}, 0)
    finish_turn(ledger, first, "done", {"verdict": "HOLD", "因为": "样本太少"})
    assert begin_turn(ledger, {"a": 1}, 0) == first + 1
    turn = find_turn(ledger, first)
    assert turn is not None
    assert turn.state == "done"
    assert turn.result == {"verdict": "HOLD", "因为": "样本太少"}
    assert turn.ended_at is not None
    assert turn.ended_at >= turn.started_at
    with pytest.raises(UnknownNameError, match="no turn named '9'"):
        finish_turn(ledger, 9, "done", {})


def test_turns_are_found_by_state(ledger: Ledger) -> None:
    first = begin_turn(ledger, {"a": 1}, 0)
    finish_turn(ledger, first, "finished", {})
    second = begin_turn(ledger, {"a": 2}, 0)
    latest = find_turn(ledger, "latest", state="finished")
    assert latest is not None
    assert latest.number == first
    assert find_turn(ledger, second, state="finished") is None
    assert [turn.number for turn in list_turns(ledger, state="running")] == [second]
    assert [turn.number for turn in list_turns(ledger, limit=1)] == [second]


def test_a_turn_is_found_by_number_and_as_the_latest(ledger: Ledger) -> None:
    assert find_turn(ledger, "latest") is None
    number = begin_turn(ledger, {"a": 1}, 7)
    record_stage(ledger, StageRecord(number, "collect", "k1", {"dataset": "d1"}, 1.5, 1 << 33))
    record_stage(ledger, StageRecord(number, "prepare", "k2", {"dataset": "d2"}, skipped=True))
    latest = find_turn(ledger, "latest")
    assert latest == find_turn(ledger, number)
    assert latest is not None
    assert (latest.config, latest.seed) == ({"a": 1}, 7)
    assert [(s.name, s.seconds, s.peak_bytes, s.skipped) for s in latest.stages] == [
        ("collect", 1.5, 1 << 33, False),
        ("prepare", 0.0, 0, True),
    ]
    assert latest.to_dict()["stages"][0]["output"] == {"dataset": "d1"}
    assert find_turn(ledger, 9) is None


def test_a_key_finds_the_run_that_made_the_output(ledger: Ledger) -> None:
    assert find_stage(ledger, "k1") is None
    first = begin_turn(ledger, {"a": 1}, 0)
    record_stage(ledger, StageRecord(first, "train", "k1", {"model": "m"}, 12.0))
    second = begin_turn(ledger, {"a": 2}, 0)
    record_stage(ledger, StageRecord(second, "train", "k1", {"model": "m"}, skipped=True))
    found = find_stage(ledger, "k1")
    assert found is not None
    assert (found.turn, found.seconds, found.skipped) == (first, 12.0, False)


def test_a_stage_needs_its_turn(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        record_stage(ledger, StageRecord(5, "train", "k", {}))


def test_events_are_read_as_they_were_said(ledger: Ledger) -> None:
    number = begin_turn(ledger, {"a": 1}, 0)
    said = (
        Event("note", "collect", "读取 300 行"),
        Event("progress", "train", "folds", done=2, total=5),
        Event("scalar", "train", "loss", done=10, value=0.25),
    )
    add_events(ledger, number, said[:1])
    add_events(ledger, number, iter(said[1:]))
    add_events(ledger, number, [])
    assert list_events(ledger, number) == said
    assert list_events(ledger, 9) == ()
