from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from volano.app.cli import screen
from volano.app.cli.live import LiveTraining
from volano.core.events import Event

if TYPE_CHECKING:
    import pytest

    from volano.core.events import Events


class Terminal(io.StringIO):
    """A terminal that shows every character."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def train(log: Events) -> None:
    """What the loop says of a training of 100 steps, up to the 60th."""
    for step in range(1, 61):
        log.progress("steps", step, 100)
        if step % 10 == 0:
            log.scalar("loss", 4.0 / step, step)
    log.scalar("epoch", 1.5, 60)
    log.scalar("valid_score", 0.931, 50)
    log.scalar("tokens_per_second", 5120.4, 60)
    log.progress("steps", 61, 100)


def test_a_training_is_one_line_with_its_curve_its_pace_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(screen, "_REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    train(screen.progress().of("train.finetune"))
    last = terminal.getvalue().rpartition("\x1b[2K")[2]
    assert last.startswith(
        "  train.finetune: epoch 1.5, step 61 of 100, █▄▂▂▁▁ loss 0.0667, score 0.931, "
        "5,120 tokens/s, 0:0"
    )
    assert last.endswith(" left")
    assert "\n" not in terminal.getvalue()


def test_the_line_is_never_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(screen, "_REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "40")
    train(screen.progress().of("train.finetune"))
    drawn = terminal.getvalue().split("\r\x1b[2K")
    assert max(len(line) for line in drawn) == 39


def test_a_terminal_without_unicode_has_its_curve_in_plain_characters() -> None:
    live = LiveTraining()
    for step, loss in enumerate((4.0, 2.0, 1.0), start=1):
        live.hear(Event("scalar", "t", "loss", done=step, value=loss))
    line = live.line(Event("progress", "t", "steps", done=3, total=9), is_plain=True)
    assert line.isascii()
    assert line == "step 3 of 9, #._ loss 1"


def test_a_log_file_has_a_line_a_minute_of_a_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(screen.progress().of("train.finetune"))
    assert capsys.readouterr() == ("", ""), "it was over within a minute"
    monkeypatch.setattr(screen, "_LOG_SECONDS", 0.0)
    train(screen.progress().of("train.finetune"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("    epoch 1.5, step 61 of 100, ")
    assert "\r" not in err and "\x1b" not in err
