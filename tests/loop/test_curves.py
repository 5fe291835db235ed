from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.events import Event, Events
from volano.loop import stages
from volano.loop.curves import curves_of, read_curves, tell_curve
from volano.loop.stages import StageRun
from volano.store.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import pytest


def point(name: str, step: int, value: float) -> Event:
    return Event("scalar", "train.finetune", name, done=step, value=value)


def test_points_that_are_told_again_after_a_kill_count_once() -> None:
    said = [point("loss", 1, 3.0), point("loss", 2, 2.5), point("loss", 3, 9.9)]
    resumed = [point("loss", 3, 2.0), point("loss", 4, 1.5), Event("note", "train", "hello")]
    assert curves_of([*said, *resumed]) == {
        "train.finetune": {"loss": [(1, 3.0), (2, 2.5), (3, 2.0), (4, 1.5)]}
    }


def test_a_curve_is_told_in_a_line() -> None:
    curves = curves_of(
        [
            point("loss", 1, 4.125),
            point("loss", 900, 0.311),
            point("valid_loss", 300, 2.0),
            point("valid_loss", 900, 0.25),
            point("valid_score", 900, 0.9312),
            point("tokens_per_second", 900, 5120.4),
        ]
    )
    assert tell_curve(curves["train.finetune"]) == (
        "loss 4.12 to 0.311 in 900 steps; validation loss 2 to 0.25; score 0.931; "
        "5,120 tokens a second"
    )


def test_a_curve_is_in_the_ledger_while_its_stage_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_FLUSH_SECONDS", 0.0)
    with Ledger.open(tmp_path / "ledger.db") as ledger:

        def trains(events: Events) -> dict[str, Any]:
            events.scalar("loss", 2.0, 1)
            assert read_curves(ledger, 1) == {"train.finetune": {"loss": [(1, 2.0)]}}
            events.scalar("loss", 1.0, 2)
            return {"value": 1}

        StageRun(ledger, Events(), {"a": 1}, 0).run("train.finetune", "k", trains)
        assert read_curves(ledger, 1)["train.finetune"]["loss"] == [(1, 2.0), (2, 1.0)]
