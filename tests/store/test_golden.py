"""What earlier versions wrote is read; what later ones wrote is refused with the reason."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from volano.core.errors import StoreError
from volano.core.nouns import Model
from volano.store import predictions, releases, reviews, subjects, turns
from volano.store.artifacts import ArtifactStore
from volano.store.checks import find_damage
from volano.store.ledger import Ledger
from volano.store.schema import REVISION

GOLDEN = Path(__file__).parent / "golden"
MODEL = "507b333db61b"
KEPT = "f6fe7be4e941f748700998b2e2b2b57a4ef472e152ee2dbc0a0b0b98e2e35d97"


def test_a_ledger_of_the_first_schema_is_read_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(GOLDEN.joinpath("ledger-0001.sql").read_text("utf-8"))
    with Ledger.open(path) as ledger:
        with ledger.read() as connection:
            version = "SELECT version_num FROM alembic_version"
            assert connection.exec_driver_sql(version).scalar_one() == REVISION
        assert find_damage(ledger) == []
        turn = turns.find_turn(ledger, "latest", state="finished")
        assert turn is not None
        assert turn.result is not None
        assert turn.result["verdict"]["decision"] == "PROMOTE"
        assert [stage.name for stage in turn.stages][:2] == ["collect", "prepare"]
        champion = releases.champion(ledger)
        assert champion is not None
        assert champion.model.startswith(MODEL)
        given = predictions.find_predictions(ledger, ["p0", "p1", "p2", "p3"])
        assert given["p1"].input == {"body": "我要退款"}
        assert given["p2"].subject == "customer-2"
        said = predictions.list_feedback(ledger)
        assert [(one.prediction, one.label, one.status) for one in said] == [
            ("p1", ("account",), "attached"),
            ("p0", ("delivery",), "attached"),
        ]
        assert subjects.hash_subject("customer-9") in subjects.suppressed(ledger)
        assert reviews.open_reviews(ledger) == ()
        # It can be gone on with.
        assert turns.begin_turn(ledger, {}, 0) == turn.number + 1


def test_an_artifact_of_the_first_format_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "model" / KEPT[:2] / KEPT
    shutil.copytree(GOLDEN / "model-1", folder)
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")
    model = store.open(Model, KEPT)
    assert model.card == {"learner": "linear", "label": "退款"}
    assert store.verify() == ()
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}), "utf-8")
    with pytest.raises(StoreError, match="format 99; this volano reads up to 1") as caught:
        store.open(Model, KEPT)
    assert caught.value.fix == "pip install --upgrade volano"
