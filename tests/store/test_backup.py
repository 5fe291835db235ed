from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import time
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError, StoreError, UserError, VolanoError
from volano.core.nouns import Model, Prediction
from volano.store import predictions
from volano.store.artifacts import ArtifactStore
from volano.store.backup import read_backup, write_backup
from volano.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Edit = Callable[[str, bytes], tuple[str, bytes] | None]


def project(tmp_path: Path) -> tuple[Path, Path]:
    """A project folder with one artifact, one page and one prediction; its state and settings."""
    root = tmp_path / "tickets"
    state = root / ".volano"
    store = ArtifactStore(str(state / "artifacts"), state / "cache")
    with store.draft() as draft:
        (draft / "weights.bin").write_bytes(b"1234" * 1000)
        store.keep(Model, draft, {"learner": "linear"})
    for name in ("reports/turn-1/模型.html", "cache/copy.bin", "turn.lock", "a.part"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text(name, "utf-8")
    with Ledger.open(state / "ledger.db") as ledger:
        answer(ledger, "p0")
    settings = root / "volano.yaml"
    settings.write_text("task: text-classification\n", "utf-8")
    return state, settings


def answer(ledger: Ledger, name: str) -> None:
    given = Prediction(name, time.time(), "a" * 64, {"text": "你好"}, {"label": "x"})
    predictions.add_predictions(ledger, [given])


def rewritten(file: Path, edit: Edit) -> Path:
    """The same tar with members changed."""
    other = file.with_name(f"other-{file.name}")
    with tarfile.open(file) as tar, tarfile.open(other, "w") as out:
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            found = edit(member.name, stream.read())
            if found is not None:
                about = tarfile.TarInfo(found[0])
                about.size = len(found[1])
                out.addfile(about, io.BytesIO(found[1]))
    return other


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz"])
def test_a_backup_put_back_is_the_same_state(tmp_path: Path, name: str) -> None:
    state, settings = project(tmp_path)
    made = write_backup(state, settings, tmp_path / "away" / name)
    assert made.damaged == ()
    root = tmp_path / "restored"
    root.mkdir()
    found = read_backup(tmp_path / "away" / name, root / ".volano", root / "volano.yaml")
    assert (found.num_files, found.num_bytes) == (made.num_files, made.num_bytes)
    assert (root / "volano.yaml").read_bytes() == settings.read_bytes()
    here = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    assert ".volano/reports/turn-1/模型.html" in here
    assert not any("cache" in name or "lock" in name or ".part" in name for name in here)
    store = ArtifactStore(str(root / ".volano" / "artifacts"), root / "cache")
    assert store.verify() == ()
    assert len(store.list(Model)) == 1
    with Ledger.open(root / ".volano" / "ledger.db") as ledger:
        assert "p0" in predictions.find_predictions(ledger, ["p0"])
        answer(ledger, "p1")
        with ledger.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_backup_is_taken_while_others_write(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    done, kept = threading.Event(), list[str]()

    def write() -> None:
        with Ledger.open(state / "ledger.db") as ledger:
            while not done.is_set():
                answer(ledger, f"q{len(kept)}")
                kept.append(f"q{len(kept)}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(kept) < 20:
            time.sleep(0.001)
        before = list(kept)
        write_backup(state, settings, tmp_path / "b.tar")
        after = len(kept)
    finally:
        done.set()
        writer.join()
    assert after > len(before)
    read_backup(tmp_path / "b.tar", tmp_path / "state", tmp_path / "volano.yaml")
    with Ledger.open(tmp_path / "state" / "ledger.db") as ledger:
        assert set(before) <= set(predictions.find_predictions(ledger, before))


def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    file = tmp_path / "b.tar"
    write_backup(state, settings, file)
    with pytest.raises(UserError, match="a file of that name already"):
        write_backup(state, settings, file)
    with pytest.raises(UserError, match="within the state"):
        write_backup(state, settings, state / "b.tar")
    before = sorted(p.name for p in state.rglob("*"))
    with pytest.raises(UserError, match="has state already"):
        read_backup(file, state, settings)
    assert sorted(p.name for p in state.rglob("*")) == before


def _escaping(name: str, content: bytes) -> tuple[str, bytes]:
    return (name.replace("a.html", "../../../evil"), content)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda n, c: (n, c.replace(b"1234", b"1235", 1)), "weights.bin"),
        (lambda n, c: None if "weights" in n else (n, c), "weights.bin"),
        (lambda n, c: None if n == "hashes.json" else (n, c), "hashes.json"),
        (lambda n, c: None if n == "volano-backup.json" else (n, c), "volano-backup.json"),
        (lambda n, c: (n, b"[" * 100_000) if n == "hashes.json" else (n, c), "recursion"),
        (lambda n, c: ("state/../../evil", c) if "weights" in n else (n, c), "evil"),
        (lambda n, c: ("/evil", c) if "weights" in n else (n, c), "evil"),
        (lambda n, c: ("state/ledger.db", c) if "weights" in n else (n, c), "ledger.db"),
    ],
)
def test_a_tar_that_is_no_whole_backup_changes_nothing(
    tmp_path: Path, edit: Edit, match: str
) -> None:
    state, settings = project(tmp_path)
    write_backup(state, settings, tmp_path / "b.tar")
    root = tmp_path / "restored"
    root.mkdir()
    with pytest.raises(DataError, match=match):
        read_backup(rewritten(tmp_path / "b.tar", edit), root / ".volano", root / "volano.yaml")
    assert list(root.iterdir()) == []
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    write_backup(state, settings, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar", "a") as tar:
        link = tarfile.TarInfo("state/passwords")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="passwords"):
        read_backup(tmp_path / "b.tar", tmp_path / "r", tmp_path / "volano.yaml")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_backup_that_was_cut_off_changes_nothing(tmp_path: Path, name: str) -> None:
    state, settings = project(tmp_path)
    file = tmp_path / name
    write_backup(state, settings, file)
    whole = file.read_bytes()
    for part in (0, 100, len(whole) // 3, len(whole) // 2):
        file.write_bytes(whole[:part])
        with pytest.raises(DataError, match="not a whole backup"):
            read_backup(file, tmp_path / "r", tmp_path / "volano.yaml")
        assert not (tmp_path / "r").exists()
    with pytest.raises(DataError, match="no such file"):
        read_backup(tmp_path / "none.tar", tmp_path / "r", tmp_path / "volano.yaml")


def test_a_later_format_is_refused_with_the_reason(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    write_backup(state, settings, tmp_path / "b.tar")

    def later(name: str, content: bytes) -> tuple[str, bytes]:
        if name != "volano-backup.json":
            return name, content
        return name, json.dumps({**json.loads(content), "format": 99}).encode()

    with pytest.raises(StoreError, match="format 99; this volano reads up to 1") as caught:
        read_backup(rewritten(tmp_path / "b.tar", later), tmp_path / "r", settings)
    assert "upgrade" in caught.value.fix


def test_a_backup_with_a_ledger_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    state, settings = project(tmp_path)
    with closing(sqlite3.connect(state / "ledger.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    write_backup(state, settings, tmp_path / "b.tar")
    with pytest.raises(StoreError, match="schema '9999'"):
        read_backup(tmp_path / "b.tar", tmp_path / "r", settings)
    assert not (tmp_path / "r").exists()


def test_a_backup_whose_ledger_is_none_is_refused(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    write_backup(state, settings, tmp_path / "b.tar")
    garbage = b"not a database" * 1000
    hashed = hashlib.sha256(garbage).hexdigest()

    def spoilt(name: str, content: bytes) -> tuple[str, bytes]:
        if name == "hashes.json":
            content = json.dumps({**json.loads(content), "state/ledger.db": hashed}).encode()
        return name, garbage if name == "state/ledger.db" else content

    with pytest.raises(StoreError, match="the ledger cannot be used"):
        read_backup(rewritten(tmp_path / "b.tar", spoilt), tmp_path / "r", settings)
    assert not (tmp_path / "r").exists()


def test_damage_is_told_when_it_is_backed_up(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    weights = next(state.rglob("weights.bin"))
    weights.write_bytes(b"oops")
    made = write_backup(state, settings, tmp_path / "b.tar")
    assert len(made.damaged) == 1
    assert "'weights.bin'" in made.damaged[0]


def test_a_failed_backup_leaves_no_file(tmp_path: Path) -> None:
    state, settings = project(tmp_path)
    (state / "ledger.db").write_bytes(b"not a database" * 1000)
    shutil.rmtree(state / "reports")
    with pytest.raises(VolanoError):
        write_backup(state, settings, tmp_path / "b.tar")
    assert not [path for path in tmp_path.iterdir() if "b.tar" in path.name or "back" in path.name]
    assert hashlib.sha256((state / "ledger.db").read_bytes()).hexdigest()
