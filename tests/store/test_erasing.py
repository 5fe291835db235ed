from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.erasure import occurrences

from volano.core.errors import BusyError, StoreError, UnknownNameError
from volano.core.nouns import Dataset, Prediction
from volano.store import erasing
from volano.store.predictions import add_predictions

if TYPE_CHECKING:
    from pathlib import Path

    from volano.store.artifacts import ArtifactStore
    from volano.store.ledger import Ledger


def keep(store: ArtifactStore, text: str) -> Dataset:
    with store.draft() as draft:
        (draft / "rows.csv").write_text(text, "utf-8")
        return store.keep(Dataset, draft, {"said": text})


def erase(store: ArtifactStore, old: Dataset, new: Dataset | None = None) -> None:
    store.bury(Dataset, old.hash, new.hash if new else "")
    store.erase(Dataset, old.hash)


def test_whoever_asks_for_an_erased_artifact_is_given_what_took_its_place(
    store: ArtifactStore,
) -> None:
    first, second, third = (keep(store, text) for text in ("ann,bo", "bo", "nobody"))
    erase(store, first, second)
    assert store.open(Dataset, first.hash) == second
    assert store.open(Dataset, first.short) == second
    erase(store, second, third)
    assert store.open(Dataset, first.hash) == third
    assert list(store.hashes(Dataset)) == [third.hash]
    assert store.list(Dataset) == (third,)
    assert store.verify() == ()


def test_nothing_may_take_the_place(store: ArtifactStore) -> None:
    only = keep(store, "ann")
    assert store.successor(Dataset, only.hash) is None
    erase(store, only)
    assert store.successor(Dataset, only.hash) == ""
    with pytest.raises(StoreError, match="not in the store"):
        store.open(Dataset, only.hash)
    with pytest.raises((StoreError, UnknownNameError)):
        store.open(Dataset, only.short)


def test_as_long_as_an_artifact_is_there_it_is_what_is_opened(store: ArtifactStore) -> None:
    old, new = keep(store, "ann,bo"), keep(store, "bo")
    store.bury(Dataset, old.hash, new.hash)
    assert store.open(Dataset, old.hash) == old
    store.erase(Dataset, old.hash)
    assert keep(store, "ann,bo") == old  # somebody returned: the same content again
    assert store.open(Dataset, old.hash) == old


def test_a_killed_erasure_leaves_nothing_once_it_is_swept(
    store: ArtifactStore, tmp_path: Path
) -> None:
    old = keep(store, "customer-7741")
    store.bury(Dataset, old.hash)
    remote = store._remote
    if remote is None:
        store._here._retire(old.folder)
    else:  # killed after the manifest went
        remote._filesystem.rm_file(remote.place("dataset", old.hash, "manifest.json"))
        store._here.remove("dataset", old.hash)
    store.sweep_erased()
    assert occurrences(tmp_path, ["customer-7741"]) == []
    assert remote is None or remote.folders("dataset") == set()


def test_a_damaged_tombstone_still_says_that_something_was_erased(local: ArtifactStore) -> None:
    only = keep(local, "ann")
    erase(local, only)
    (path,) = local._here.root.joinpath(erasing.ERASED).rglob("*.json")
    path.write_text("{", "utf-8")
    assert local.successor(Dataset, only.hash) == ""


def test_a_compacted_ledger_holds_no_byte_of_deleted_rows(ledger: Ledger) -> None:
    rows = [
        Prediction(f"p{n}", 1.0, "m", {"body": f"quizzlefrump {n} " * 50}, {}, "ann")
        for n in range(200)
    ]
    add_predictions(ledger, rows)
    with ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM predictions")
    erasing.compact(ledger.path)
    assert occurrences(ledger.path.parent, ["quizzlefrump"]) == []
    assert ledger.path.with_name("ledger.db-wal").stat().st_size == 0


def test_a_log_that_others_keep_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(erasing, "_TRY_SECONDS", 0.05)
    with closing(sqlite3.connect(ledger.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turns").fetchall()
        with pytest.raises(BusyError, match="keeps the log"):
            erasing.compact(ledger.path)
