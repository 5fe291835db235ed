"""Parity: the gap between the model as trained and the bundle that is served."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from volano.core.errors import Term
from volano.export.config import DISAGREEMENTS, MEAN_GAPS, ROUNDED
from volano.models import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from volano.export.config import ExportConfig
    from volano.models.bundle import Spec
    from volano.models.calibration import Floats
    from volano.models.rows import Row

__all__ = ["Parity", "compare", "measure_parity", "reference_rows"]

_LOGIT_GAP = 0.05  # 16 bits cost up to 0.0015, a lost weighting of words 0.58 or more (measured)
_TRACE = 1e-9
_SAME = 1e-3  # standard deviations: a number that is off by no more is called the same

# Of forms that round. MiniLM on Banking77 in int8: scale 0.993, noise 0.046, mean gap 0.008.
_SCALE_GAP = 0.05
_NOISE = 0.1


@dataclass(frozen=True)
class Parity:
    """How far a bundle's answers lie from the training-time model's on the reference rows.

    Of numbers every gap is in standard deviations of those that training answered.

    Attributes:
        rows: how many were compared.
        score_gap: the largest distance of any label's score; 1 where a label is missing. Of
            numbers that of any number, or end of its interval.
        logit_gap: the largest distance of any score's logit, in standard deviations of all. On rows
            that it was trained on a model is so sure that scores hide what logits show.
        agreement: share of rows on which both decide the same labels; of numbers, give the same
            to a thousandth.
        mean_gap: each row's largest distance of a score, as a mean over the rows.
        scale: the slope of logits over those of training: above 1 all answers are surer than they
            were; a lost temperature shows here.
        noise: the root mean square of what the slope leaves, in standard deviations.
        accuracy: share of rows decided as their truth says; None where truth was not kept.
        is_rounded: whether the form computes in so few bits that most rows differ a little.
        is_number: whether it answers a number.
    """

    rows: int
    score_gap: float
    logit_gap: float
    agreement: float
    mean_gap: float = 1.0
    scale: float = 0.0
    noise: float = 1.0
    accuracy: float | None = None
    is_rounded: bool = False
    is_number: bool = False

    def holds(self, config: ExportConfig) -> bool:
        """Whether the gap is within the project's limits."""
        if self.is_rounded:
            return (
                self.mean_gap <= MEAN_GAPS * config.score_gap
                and abs(self.scale - 1.0) <= _SCALE_GAP
                and self.noise <= _NOISE
                and 1 - self.agreement <= DISAGREEMENTS * (1 - config.agreement)
            )
        return (
            self.score_gap <= config.score_gap
            and self.logit_gap <= _LOGIT_GAP
            and self.agreement >= config.agreement
        )

    def told(self) -> Term:
        """The gap in words, by what judges this form."""
        if self.is_rounded:
            return Term(
                "scores differ by {gap:.4f} on average and logits by {noise:.2f} of their spread, "
                "confidence is {scale:.2f} times that of training, {share:.2%} agree",
                gap=self.mean_gap,
                noise=self.noise,
                scale=self.scale,
                share=self.agreement,
            )
        if self.is_number:
            return Term(
                "a number differs by {gap:.4f} standard deviations, {share:.2%} agree",
                gap=self.score_gap,
                share=self.agreement,
            )
        return Term(
            "a score differs by {gap:.4f}, {share:.2%} agree",
            gap=self.score_gap,
            share=self.agreement,
        )

    def to_dict(self) -> dict[str, float]:
        """As JSON can carry it."""
        return asdict(self)


def measure_parity(bundle: Path, reference: Path) -> Parity:
    """Ask the bundle, through the Predictor, what the training-time model answered.

    Raises:
        StoreError: the bundle cannot be read.
    """
    return compare(Predictor.load(bundle), reference)


def compare(predictor: Predictor, reference: Path) -> Parity:
    """As ``measure_parity``, of a bundle that is loaded already."""
    table = pq.read_table(reference)
    rows = reference_rows(table, predictor.spec)
    if predictor.spec.answers == "number":
        return _compare_numbers(predictor, table, rows)
    is_rounded = predictor.spec.form in ROUNDED
    if tuple(json.loads(table.schema.metadata[b"labels"])) != predictor.labels:
        return Parity(table.num_rows, 1.0, 1.0, 0.0, is_rounded=is_rounded)
    found_NC = predictor.scores(rows)
    expected_NC = np.array(table.column("scores").to_pylist())
    decided_NC = predictor.calibration.decide(found_NC, predictor.unknown_column)
    same_NC = decided_NC == np.array(table.column("decided").to_pylist())
    found_logit_NC, expected_logit_NC = _logit(found_NC), _logit(expected_NC)
    spread = float(expected_logit_NC.std()) or 1.0
    gap_NC = np.nan_to_num(np.abs(found_NC - expected_NC), nan=1.0)
    slope, noise = _line(found_logit_NC, expected_logit_NC)
    accuracy = None
    if "truth" in table.column_names:
        truth_NC = np.array(table.column("truth").to_pylist())
        is_right_N = (decided_NC == truth_NC).all(axis=1)
        # A row that nobody has looked at has no truth; one of several labels may have none of them.
        known = slice(None) if predictor.spec.is_multiple else truth_NC.any(axis=1)
        accuracy = float(is_right_N[known].mean()) if is_right_N[known].size else None
    return Parity(
        table.num_rows,
        float(gap_NC.max()),
        _largest_gap(found_logit_NC, expected_logit_NC) / spread,
        float(same_NC.all(axis=1).mean()),
        float(gap_NC.max(axis=1).mean()),
        slope,
        noise / spread,
        accuracy,
        is_rounded,
    )


def reference_rows(table: pa.Table, spec: Spec) -> list[Row]:
    """The rows that were answered when the model was trained, as the Predictor takes them."""
    if spec.columns:
        return [json.loads(row) for row in table.column("row").to_pylist()]
    return [{spec.text[0]: text} for text in table.column("text").to_pylist()]


def _compare_numbers(predictor: Predictor, table: pa.Table, rows: list[Row]) -> Parity:
    """Values, and the ends of their intervals where training kept them."""
    answers = predictor.predict(rows)
    names = [name for name in ("value", "low", "high") if name in table.column_names]
    expected_NE = np.column_stack([table.column(name).to_numpy() for name in names])
    found_NE = np.array([[getattr(answer, name) for name in names] for answer in answers])
    spread = float(expected_NE[:, 0].std()) or 1.0
    gap_N = np.nan_to_num(np.abs(found_NE - expected_NE), nan=np.inf).max(axis=1) / spread
    slope, noise = _line(found_NE[:, :1], expected_NE[:, :1])
    largest = float(gap_N.max())
    return Parity(
        table.num_rows,
        largest,
        largest,
        float((gap_N <= _SAME).mean()),
        float(gap_N.mean()),
        slope,
        noise / spread,
        is_number=True,
    )


def _logit(scores_NC: Floats) -> Floats:
    clipped = np.clip(scores_NC, _TRACE, 1 - _TRACE)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def _largest_gap(found_NC: Floats, expected_NC: Floats) -> float:
    return float(np.nan_to_num(np.abs(found_NC - expected_NC), nan=1.0).max())


def _line(found_NC: Floats, expected_NC: Floats) -> tuple[float, float]:
    """The slope of one over the other, least squares about their means, and what it leaves."""
    found = np.nan_to_num(found_NC - found_NC.mean()).ravel()
    expected = (expected_NC - expected_NC.mean()).ravel()
    power = float(expected @ expected)
    slope = float(found @ expected) / power if power else 1.0
    return slope, float(np.sqrt(np.mean((found - slope * expected) ** 2)))
