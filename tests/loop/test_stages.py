from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from volano.core.errors import StageError, StoreError, UserError
from volano.core.events import Event, Events
from volano.loop.stages import StageRun, WouldRunError, stage_key
from volano.store import turns
from volano.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def run_of(ledger: Ledger, **changed: Any) -> StageRun:
    return StageRun(
        **{"ledger": ledger, "events": Events(), "config": {"a": 1}, "seed": 0, **changed}
    )


def gives(value: object) -> Any:
    return lambda _: {"value": value}


def never(_: Events) -> dict[str, Any]:
    raise AssertionError("this stage was known")


def test_a_key_covers_inputs_and_room() -> None:
    assert stage_key("data", {"a": 1}) == stage_key("data", {"a": 1})
    assert stage_key("data", {"a": 1}) != stage_key("data", {"a": 2})
    assert stage_key("data", {"a": 1}) != stage_key("evals", {"a": 1})


def test_a_known_stage_is_not_run_again(ledger: Ledger) -> None:
    run_of(ledger).run("collect", "k1", gives(1))
    second = run_of(ledger)
    assert second.run("collect", "k1", never) == {"value": 1}
    assert not second.has_run and second.number is None


def test_a_known_stage_whose_result_is_damaged_is_run_again_with_a_warning(ledger: Ledger) -> None:
    run_of(ledger).run("collect", "k1", gives(1))
    heard: list[Event] = []

    def damaged(_: dict[str, Any]) -> object:
        raise StoreError("a file is missing")

    again = run_of(ledger, events=Events((heard.append,)))
    assert again.run("collect", "k1", gives(2), damaged) == {"value": 2}
    assert "a file is missing" in heard[0].text


def test_an_unfinished_turn_of_the_same_settings_is_continued(ledger: Ledger) -> None:
    first = run_of(ledger)
    first.run("collect", "k1", gives(1))
    same, other = run_of(ledger), run_of(ledger, config={"a": 2})
    assert same.resumed is not None and same.resumed.number == first.number
    assert other.resumed is None
    assert same.begin() == first.number
    assert other.begin() != first.number


def test_a_continued_turn_tells_the_cost_of_both_processes(ledger: Ledger) -> None:
    run_of(ledger).run("collect", "k1", gives(1))
    second = run_of(ledger)
    second.run("collect", "k1", never)
    second.run("train.linear", "k2", gives(1))
    spent = second.close()
    assert list(spent.seconds) == ["collect", "train"]
    assert spent.skipped == ()


def test_a_room_is_skipped_only_where_every_part_was(ledger: Ledger) -> None:
    first = run_of(ledger)
    for key in ("collect", "train.linear", "train.bayes"):
        first.run(key, key, gives(1))
    turns.finish_turn(ledger, first.begin(), "finished", {})
    second = run_of(ledger)
    second.run("collect", "collect", never)
    second.run("train.linear", "train.linear", never)
    second.run("train.bayes", "other settings", gives(1))
    spent = second.close()
    assert spent.skipped == ("collect",)
    record = turns.find_turn(ledger, 2)
    assert record is not None
    assert {stage.name: stage.skipped for stage in record.stages} == {
        "collect": True,
        "train.linear": True,
        "train.bayes": False,
    }


def test_whatever_a_stage_raises_becomes_a_stage_error_with_its_place(ledger: Ledger) -> None:
    def fails(_: Events) -> dict[str, Any]:
        raise AttributeError("no such thing")

    with pytest.raises(StageError, match="AttributeError: no such thing") as failed:
        run_of(ledger).run("train.linear", "k", fails)
    assert failed.value.where == "turn 1, stage train.linear"
    assert turns.find_stage(ledger, "k") is None


def test_a_users_mistake_inside_a_stage_stays_one(ledger: Ledger) -> None:
    def fails(_: Events) -> dict[str, Any]:
        raise UserError("the column is missing")

    with pytest.raises(UserError, match="the column is missing"):
        run_of(ledger).run("collect", "k", fails)


def test_what_is_said_is_kept_at_the_end_of_the_stage_and_progress_is_not(ledger: Ledger) -> None:
    def speaks(events: Events) -> dict[str, Any]:
        events.note("worth reading")
        events.progress("rows", 1, 2)
        return {"value": 1}

    run = run_of(ledger)
    run.run("collect", "k", speaks)
    said = turns.list_events(ledger, run.begin())
    assert [(event.kind, event.text) for event in said] == [
        ("stage", "collect"),
        ("note", "worth reading"),
        ("stage", "collect"),
    ]


def test_a_rehearsal_stops_at_the_first_stage_that_would_run(ledger: Ledger) -> None:
    run_of(ledger).run("collect", "k1", gives(1))
    rehearsal = run_of(ledger, is_rehearsal=True)
    rehearsal.run("collect", "k1", never)
    with pytest.raises(WouldRunError) as first:
        rehearsal.run("train.linear", "k2", never)
    assert first.value.stage == "train"
    assert rehearsal.number is None
