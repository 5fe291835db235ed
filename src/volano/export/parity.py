"""Parity: the gap between the model as trained and the bundle that is served."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from volano.models import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from volano.export.config import ExportConfig

__all__ = ["Parity", "measure_parity"]


@dataclass(frozen=True)
class Parity:
    """How far a bundle's answers lie from the training-time model's on the reference rows.

    Attributes:
        rows: how many were compared.
        score_gap: the largest distance of any label's score; 1 where a label is missing.
        agreement: share of rows on which both decide the same labels.
    """

    rows: int
    score_gap: float
    agreement: float

    def holds(self, config: ExportConfig) -> bool:
        """Whether the gap is within the project's limits."""
        return self.score_gap <= config.score_gap and self.agreement >= config.agreement

    def to_dict(self) -> dict[str, float]:
        """As JSON can carry it."""
        return asdict(self)


def measure_parity(bundle: Path, reference: Path) -> Parity:
    """Ask the bundle, through the Predictor, what the training-time model answered."""
    table = pq.read_table(reference)
    labels = table.schema.metadata[b"labels"].decode().split("\n")
    expected_NC = np.array(table.column("scores").to_pylist()).reshape(-1, len(labels))
    predictor = Predictor.load(bundle)
    column = predictor.spec.text[0]
    rows = [{column: text} for text in table.column("text").to_pylist()]
    found_NC = np.array(predictor.scores(rows)).reshape(len(rows), -1)
    if tuple(labels) != predictor.labels or found_NC.shape != expected_NC.shape:
        return Parity(len(rows), 1.0, 0.0)
    decide = predictor.calibration.decide
    same = (decide(found_NC) == decide(expected_NC)).all(axis=1)
    gap = float(np.abs(found_NC - expected_NC).max(initial=0.0))
    return Parity(len(rows), gap if np.isfinite(gap) else 1.0, float(same.mean()))
