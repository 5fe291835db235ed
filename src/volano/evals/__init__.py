"""Evaluation: what one Model, as served, scores on frozen examples.

In: a Model, a Dataset. Out: a Report (JSON, every answer, and a page). Never: a way to a model but
the Predictor; a decision (that is the judge's, in ``loop``).
"""

from volano.evals.config import EvaluateConfig

__all__ = ["EvaluateConfig"]
