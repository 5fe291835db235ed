"""How a model is examined."""

from __future__ import annotations

from pydantic import Field

from volano.core.config import Config

__all__ = ["EvaluateConfig", "FairnessConfig"]


class FairnessConfig(Config):
    """Which groups of people are compared.

    Attributes:
        fields: source columns whose values are the groups, such as sex; none is off.
        positive: the label that somebody hopes for or fears; empty is the rarer of two in training.
        minimum: a rate of fewer test examples is shown and not compared.
    """

    fields: tuple[str, ...] = ()
    positive: str = ""
    minimum: int = Field(30, ge=1)


class EvaluateConfig(Config):
    """What a report looks at.

    Attributes:
        resamples: draws behind each 95 % interval.
        slices: source columns to slice by, besides group, language, length and source.
        slice_values: at most so many values of one column are looked at, the commonest first.
        fairness: groups of people whose rates are compared.
        worst_errors: how many confident mistakes the report shows.
        robustness_rows: at most so many test examples are altered by rule (texts: typos, case,
            noise, paraphrase; tables: empty cells, noise on numbers, unseen categories) and asked
            again; fewer where the model is slow; 0 is off.
        importance_rows: at most so many test rows of a table say which columns matter and how;
            fewer where the model is slow; 0 is off.
        timed_requests: how many single requests the latency is read from.
    """

    resamples: int = Field(1000, ge=100, le=100_000)
    slices: tuple[str, ...] = ()
    slice_values: int = Field(20, ge=1, le=200)
    fairness: FairnessConfig = FairnessConfig()
    worst_errors: int = Field(20, ge=0, le=1000)
    robustness_rows: int = Field(500, ge=0, le=100_000)
    importance_rows: int = Field(500, ge=0, le=100_000)
    timed_requests: int = Field(100, ge=10, le=10_000)
