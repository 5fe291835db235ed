from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import BusyError, UserError
from volano.core.nouns import Model
from volano.store.audit import list_audit
from volano.store.releases import ANY, champion, list_releases, promote, rollback

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from volano.store.ledger import Ledger

    Start = Callable[..., subprocess.Popen[str]]

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_there_is_no_champion_at_first(ledger: Ledger) -> None:
    assert champion(ledger) is None
    with pytest.raises(UserError, match="no earlier champion"):
        rollback(ledger, because="?", by="me")


def test_a_promotion_is_the_champion_and_is_audited(ledger: Ledger, tmp_path: Path) -> None:
    model = Model(A, tmp_path)
    release = promote(ledger, model, because="第一个模型", by="me", forced=True, expected=None)
    assert champion(ledger) == release
    assert (release.model, release.role, release.forced, release.by) == (A, "champion", True, "me")
    assert isinstance(release.share, float)
    assert release.because == "第一个模型"
    (deed,) = list_audit(ledger)
    assert (deed.actor, deed.action, deed.detail["forced"]) == ("me", "promote", True)


def test_a_champion_that_changed_meanwhile_is_not_replaced(ledger: Ledger) -> None:
    promote(ledger, A, because="1", by="me", expected=None)
    for expected in (None, B):
        with pytest.raises(BusyError, match="the champion changed from .* to model:aaaaaaaaaaaa"):
            promote(ledger, C, because="2", by="me", expected=expected)
    promote(ledger, C, because="2", by="me", expected=A)
    promote(ledger, B, because="3", by="me", expected=ANY)
    assert [release.model for release in list_releases(ledger)] == [B, C, A]


def test_promoting_the_champion_again_changes_nothing(ledger: Ledger) -> None:
    first = promote(ledger, A, because="1", by="me", expected=None)
    assert promote(ledger, A, because="again, after a kill", by="me", expected=None) == first
    assert list_releases(ledger) == (first,)


def test_rolling_back_goes_one_champion_back_each_time(ledger: Ledger) -> None:
    for model in (A, B, C):
        promote(ledger, model, because="better", by="me")
    assert rollback(ledger, because="slow", by="me").model == B
    assert rollback(ledger, because="slow", by="me").model == A
    with pytest.raises(UserError, match="no earlier champion"):
        rollback(ledger, because="slow", by="me")
    promote(ledger, C, because="mended", by="me")
    assert rollback(ledger, because="slow", by="me").model == A
    assert [deed.action for deed in list_audit(ledger, limit=2)] == ["rollback", "promote"]


PROMOTE = """
    import sys
    from volano.core.errors import BusyError
    from volano.store import releases
    from volano.store.ledger import Ledger

    with Ledger.open(sys.argv[1]) as ledger:
        print("ready", flush=True)
        for number, line in enumerate(sys.stdin):
            expected = line.strip()
            model = f"{number}-{sys.argv[2]}"
            try:
                releases.promote(ledger, model, because="race", by="me", expected=expected)
                print("won", flush=True)
            except BusyError:
                print("lost", flush=True)
"""


@pytest.mark.slow
def test_of_processes_promoting_at_once_exactly_one_wins(ledger: Ledger, start: Start) -> None:
    promote(ledger, A, because="first", by="me", expected=None)
    processes = [start(PROMOTE, ledger.path, number) for number in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for _ in range(20):
        present = champion(ledger)
        assert present is not None
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{present.model}\n")
        for process in processes:
            assert process.stdin is not None
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in processes if process.stdout]
        assert sorted(said) == ["lost", "lost", "won"]
    assert len(list_releases(ledger)) == 21
