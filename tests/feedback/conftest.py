"""A real ledger with predictions as serving logs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.nouns import Prediction
from volano.store.artifacts import ArtifactStore
from volano.store.ledger import Ledger
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


@pytest.fixture
def task() -> TextClassification:
    return TextClassification()


@pytest.fixture
def many() -> TextClassification:
    return TextClassification(LabelsConfig(separator="|"))


@pytest.fixture
def predicted() -> Callable[..., Prediction]:
    """``predicted("p1", card=0.9, loan=0.1)``: one logged answer."""

    def made(id_: str, *, at: float = 100.0, text: str = "", **scores: float) -> Prediction:
        given = scores or {"card": 0.9, "loan": 0.1}
        best = max(given, key=lambda name: given[name])
        output = {
            "label": best,
            "confidence": given[best],
            "unknown": False,
            "scores": given,
        }
        row = {"body": text or f"text of {id_}", "tier": "gold"}
        return Prediction(id_, at, "m" * 64, row, output, "u1", "gold", 1.5)

    return made
