"""In which form a model is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from volano.core.config import Config, WrongValueError

__all__ = ["DISAGREEMENTS", "MEAN_GAPS", "NO_LIMITS", "ROUNDED", "ExportConfig", "Limits"]

# Whose answers differ a little on most rows.
ROUNDED = frozenset({"bfloat16", "int8", "int8-dynamic"})
# What a form that rounds may cost, as multiples of what an exact one may.
MEAN_GAPS = 4.0  # of the largest distance of a score, for the mean over rows
DISAGREEMENTS = 5.0  # of rows decided otherwise


class ExportConfig(Config):
    """How a trained model becomes the bundle that is served.

    Attributes:
        precision: of the weights; ``auto`` takes the smallest that keeps parity. Linear models
            have ``float16`` and ``float32``, encoders ``int8``, ``int8-dynamic``, ``bfloat16`` and
            ``float32``; one that a model does not have is ``auto`` for it. Models of tables are
            served as they were trained.
        engine: of encoders; ``auto`` takes the first of openvino and onnx that keeps parity.
        score_gap: how far any score may lie from the training-time model's (a number: in standard
            deviations); in 8 bits and ``bfloat16`` the mean distance may be four times that.
        agreement: least share of reference rows on which both decide the same; in 8 bits and
            ``bfloat16`` five times as many may differ.
    """

    precision: Literal["auto", "float16", "float32", "bfloat16", "int8", "int8-dynamic"] = "auto"
    engine: Literal["auto", "onnx", "openvino"] = "auto"
    score_gap: float = Field(0.005, gt=0, le=1)
    agreement: float = Field(0.999, ge=0, le=1)

    @model_validator(mode="after")
    def _is_a_form(self) -> ExportConfig:
        if self.engine == "onnx" and self.precision in ROUNDED:
            raise WrongValueError(
                "engine onnx serves encoders in float32 alone: for {precision} name openvino",
                precision=self.precision,
            )
        return self


@dataclass(frozen=True)
class Limits:
    """What the project asks of whatever it serves; None is no limit.

    Attributes:
        latency_ms: the longest 95th percentile of one request.
        size_mb: the largest bundle, in 1,000,000 bytes.
    """

    latency_ms: float | None = None
    size_mb: float | None = None


NO_LIMITS = Limits()
