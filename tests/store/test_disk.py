"""Real disks that refuse: a tmpfs of a few megabytes in a mount namespace, without being root.

Where the system offers no such namespace the tests say so and are skipped.
"""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import StoreError
from volano.core.nouns import Model
from volano.store.artifacts import ArtifactStore
from volano.store.disk import DiskError, disk_fault, require_space, telling_disk
from volano.store.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

_COMMON = """
    import subprocess, sys, time
    from pathlib import Path
    from volano.core.errors import StoreError
    from volano.core.nouns import Model, Prediction
    from volano.store import ArtifactStore, Ledger, predictions

    disk = Path(sys.argv[1])
    store = ArtifactStore(str(disk / "artifacts"), disk / "cache")

    def keep(size):
        with store.draft() as draft:
            (draft / "weights.bin").write_bytes(bytes([size % 251]) * size)
            return store.keep(Model, draft, {})

    def answer(name, size=10):
        given = Prediction(name, time.time(), "a" * 64, {"text": "x" * size}, {"label": "x"})
        predictions.add_predictions(ledger, [given])

    def refused(work, *arguments):
        try:
            work(*arguments)
        except StoreError as error:
            print(type(error).__name__, "|", error.what, "|", error.fix)
        else:
            raise SystemExit("it was not refused")

    ledger = Ledger.open(disk / "ledger.db")
"""


def on_small_disk(tmp_path: Path, code: str, megabytes: int = 4) -> list[str]:
    """What code prints in a process that sees an empty disk of its own; the path is argv[1]."""
    disk = tmp_path / "disk"
    disk.mkdir()
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size={megabytes}m none {disk}"
    inside = ["sh", "-c", f'{mount} && exec "$@"', "sh"]
    if (
        unshare is None
        or subprocess.run(
            [unshare, "-rm", *inside, "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("this system gives no mount namespace (unshare -rm): no small disk to fill")
    program = textwrap.dedent(_COMMON) + textwrap.dedent(code)
    ran = subprocess.run(
        [unshare, "-rm", *inside, sys.executable, "-W", "error", "-c", program, str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_full_disk_is_told_and_what_was_kept_before_stays_whole(tmp_path: Path) -> None:
    lines = on_small_disk(
        tmp_path,
        """
        first = keep(100_000)
        answer("before")
        refused(keep, 8_000_000)
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        refused(keep, 3_000)
        refused(answer, "large", 100_000)
        (disk / "ballast").unlink()
        second = keep(50_000)
        answer("after")
        assert not store.verify(), store.verify()
        assert {model.hash for model in store.list(Model)} == {first.hash, second.hash}
        assert set(predictions.find_predictions(ledger, ["before", "large", "after"])) == {
            "before", "after"}
        with ledger.read() as connection:
            print(connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())
        """,
    )
    assert [line.partition(" | ")[0] for line in lines] == ["DiskError"] * 3 + ["ok"]
    assert all("the disk is full" in line and "free some space" in line for line in lines[:3])


def test_a_read_only_disk_is_told_and_taken_up_again_where_it_stopped(tmp_path: Path) -> None:
    lines = on_small_disk(
        tmp_path,
        """
        first = keep(1_000)
        answer("before")
        ledger.close()
        def mount(how):
            subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)
        mount("ro")
        refused(keep, 2_000)
        refused(Ledger.open, disk / "ledger.db")
        assert store.open(Model, first.hash) == first
        mount("rw")
        ledger = Ledger.open(disk / "ledger.db")
        answer("after")
        keep(2_000)
        print(*sorted(predictions.find_predictions(ledger, ["before", "during", "after"])))
        """,
    )
    assert "the disk is read-only" in lines[0]
    assert "the ledger cannot be used" in lines[1]
    assert "writable" in lines[1]
    assert lines[2] == "after before"


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DiskError, match="grew past the size"), store.draft() as draft:
            (draft / "weights.bin").write_bytes(b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.verify() == ()


def test_only_what_speaks_of_the_disk_becomes_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), telling_disk(tmp_path):
        (tmp_path / "none").read_bytes()
    with pytest.raises(DiskError, match="does not allow") as caught, telling_disk(tmp_path):
        raise OSError(errno.EACCES, "Permission denied", "/data/x")
    assert caught.value.where == "/data/x"
    assert caught.value.exit_code == 4
    assert disk_fault(OSError("no number")) is None
    with pytest.raises(DiskError, match="1000000.0 GB"):
        require_space(tmp_path / "not" / "there", 10**15)
    require_space(tmp_path, 1)


def test_a_ledger_that_was_cut_off_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    whole = path.read_bytes()
    for size in (100, 5000, len(whole) // 2):
        path.write_bytes(whole[:size])
        with (
            pytest.raises(StoreError, match="ledger") as caught,
            Ledger.open(path) as ledger,
            ledger.read() as connection,
        ):
            said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
            raise StoreError(f"the ledger is damaged: {said}", fix="volano restore FILE")
        assert "volano" in caught.value.fix
        assert path.read_bytes()[:100] == whole[:100]


def test_a_damaged_artifact_names_the_file_by_one_bit(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")
    with store.draft() as draft:
        (draft / "weights.bin").write_bytes(b"1234" * 1000)
        model = store.keep(Model, draft, {})
    path = model.folder / "weights.bin"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"'weights.bin'.*damaged"):
        store.open(Model, model.hash)
    assert [fault.kind for fault in store.verify()] == ["damaged"]
