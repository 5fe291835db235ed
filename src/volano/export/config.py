"""In which form a model is served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from volano.core.config import Config

__all__ = ["ExportConfig"]


class ExportConfig(Config):
    """How a trained model becomes the bundle that is served.

    Attributes:
        precision: of the weights; ``auto`` takes the smallest that keeps parity.
        score_gap: how far any score may lie from the training-time model's.
        agreement: least share of reference rows on which both decide the same.
    """

    precision: Literal["auto", "float16", "float32"] = "auto"
    score_gap: float = Field(0.005, gt=0, le=1)
    agreement: float = Field(0.999, ge=0, le=1)
