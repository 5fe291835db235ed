"""Parity: the gap between the model as trained and the bundle that is served."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from volano.models import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from volano.export.config import ExportConfig
    from volano.models.calibration import Floats

__all__ = ["Parity", "measure_parity"]

_LOGIT_GAP = 0.05  # 16 bits cost up to 0.0015, a lost weighting of words 0.58 or more (measured)
_TRACE = 1e-9


@dataclass(frozen=True)
class Parity:
    """How far a bundle's answers lie from the training-time model's on the reference rows.

    Attributes:
        rows: how many were compared.
        score_gap: the largest distance of any label's score; 1 where a label is missing.
        logit_gap: the largest distance of any score's logit, in standard deviations of all. On rows
            that it was trained on a model is so sure that scores hide what logits show.
        agreement: share of rows on which both decide the same labels.
    """

    rows: int
    score_gap: float
    logit_gap: float
    agreement: float

    def holds(self, config: ExportConfig) -> bool:
        """Whether the gap is within the project's limits."""
        return (
            self.score_gap <= config.score_gap
            and self.logit_gap <= _LOGIT_GAP
            and self.agreement >= config.agreement
        )

    def to_dict(self) -> dict[str, float]:
        """As JSON can carry it."""
        return asdict(self)


def measure_parity(bundle: Path, reference: Path) -> Parity:
    """Ask the bundle, through the Predictor, what the training-time model answered."""
    table = pq.read_table(reference)
    predictor = Predictor.load(bundle)
    if tuple(json.loads(table.schema.metadata[b"labels"])) != predictor.labels:
        return Parity(table.num_rows, 1.0, 1.0, 0.0)
    column = predictor.spec.text[0]
    found_NC = predictor.scores([{column: text} for text in table.column("text").to_pylist()])
    expected_NC = np.array(table.column("scores").to_pylist())
    decided_NC = predictor.calibration.decide(found_NC, predictor.unknown_column)
    same_NC = decided_NC == np.array(table.column("decided").to_pylist())
    found_logit_NC, expected_logit_NC = _logit(found_NC), _logit(expected_NC)
    spread = float(expected_logit_NC.std()) or 1.0
    return Parity(
        table.num_rows,
        _largest_gap(found_NC, expected_NC),
        _largest_gap(found_logit_NC, expected_logit_NC) / spread,
        float(same_NC.all(axis=1).mean()),
    )


def _logit(scores_NC: Floats) -> Floats:
    clipped = np.clip(scores_NC, _TRACE, 1 - _TRACE)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def _largest_gap(found_NC: Floats, expected_NC: Floats) -> float:
    return float(np.nan_to_num(np.abs(found_NC - expected_NC), nan=1.0).max())
