from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from volano.core.errors import StoreError
from volano.core.nouns import Dataset, Estimate, Model, Report
from volano.store import schema
from volano.store.lineage import (
    Edge,
    children,
    find_artifact,
    link,
    parents,
    record_artifact,
    record_metrics,
)

if TYPE_CHECKING:
    from volano.store.ledger import Ledger

DATA = Dataset("d" * 64, Path("d"), {"counts": {"rows": 3}, "许可": "own"})
MODEL = Model("e" * 64, Path("e"), {"learner": "linear"})
REPORT = Report("f" * 64, Path("f"))


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    for artifact in (DATA, MODEL, REPORT):
        record_artifact(ledger, artifact)
    return ledger


def test_artifacts_are_found_by_hash(recorded: Ledger) -> None:
    found = find_artifact(recorded, DATA.hash)
    assert found is not None
    assert (found.noun, found.card) == ("dataset", DATA.card)
    assert find_artifact(recorded, "0" * 64) is None


def test_recording_again_keeps_the_first_card(recorded: Ledger) -> None:
    record_artifact(recorded, Model(MODEL.hash, Path("e"), {"learner": "other"}))
    found = find_artifact(recorded, MODEL.hash)
    assert found is not None
    assert found.card == {"learner": "linear"}


def test_lineage_is_read_both_ways(recorded: Ledger) -> None:
    link(recorded, DATA, MODEL, "data")
    link(recorded, DATA.hash, MODEL.hash, "data")
    link(recorded, MODEL, REPORT, "candidate")
    assert parents(recorded, MODEL) == (Edge(DATA.hash, MODEL.hash, "data"),)
    assert children(recorded, MODEL.hash) == (Edge(MODEL.hash, REPORT.hash, "candidate"),)
    assert parents(recorded, DATA) == ()


def test_a_link_to_nothing_is_refused(recorded: Ledger) -> None:
    with pytest.raises(StoreError, match="knows no artifact '000000000000'"):
        link(recorded, "0" * 64, MODEL, "data")
    with pytest.raises(StoreError, match="knows no artifact"):
        record_metrics(recorded, MODEL, "0" * 64, {})


def test_the_first_figures_of_a_report_stay(recorded: Ledger) -> None:
    metrics = {"accuracy": Estimate(0.9, 0.8, 1.0), "macro_f1": Estimate(0.7, 0.6, 0.8)}
    record_metrics(recorded, MODEL, REPORT, metrics)
    later = {"accuracy": Estimate(0.1, 0.0, 0.2), "log_loss": Estimate(1.0, 0.0, 2.0)}
    record_metrics(recorded, MODEL, REPORT, later)
    table = schema.metrics
    with recorded.read() as connection:
        rows = connection.execute(select(table)).mappings().all()
    assert {(row["report"], row["model"]) for row in rows} == {(REPORT.hash, MODEL.hash)}
    kept = {row["name"]: Estimate(row["value"], row["low"], row["high"]) for row in rows}
    assert kept == {**later, **metrics}
