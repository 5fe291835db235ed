from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import BusyError
from volano.store.locks import project_lock

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

HOLD = """
    import sys
    from pathlib import Path
    from volano.store.locks import project_lock

    with project_lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
"""


def test_the_second_is_told_who_holds_it_and_since_when(tmp_path: Path, start: Start) -> None:
    path = tmp_path / ".volano" / "turn.lock"
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(BusyError) as caught, project_lock(path):
        pass
    assert re.search(rf"process {process.pid}, since \d{{4}}-\d\d-\d\dT", caught.value.what)
    assert caught.value.where == str(path)
    assert str(process.pid) in caught.value.fix
    process.communicate()
    with project_lock(path):
        pass


def test_a_killed_holder_frees_the_lock(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "turn.lock"
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    with project_lock(path):
        pass


def test_the_lock_is_free_after_an_error_and_excludes_its_own_process(tmp_path: Path) -> None:
    path = tmp_path / "turn.lock"
    with pytest.raises(RuntimeError, match="stop"), project_lock(path):
        with pytest.raises(BusyError, match=str(os.getpid())), project_lock(path):
            pass
        raise RuntimeError("stop")
    with project_lock(path):
        assert (tmp_path / "turn.lock.holder").exists()
    assert not (tmp_path / "turn.lock.holder").exists()


def test_a_holder_that_has_not_written_its_name_yet_is_busy_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "turn.lock"
    with project_lock(path):
        (tmp_path / "turn.lock.holder").write_text("{", "utf-8")
        with pytest.raises(BusyError, match="began just now"), project_lock(path):
            pass


def test_one_may_wait_for_the_lock(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "turn.lock"
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    process.stdin.close()
    with project_lock(path, wait_seconds=20):
        pass
