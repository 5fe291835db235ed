"""Answering over HTTP with the champion.

In: a Predictor by hash, who is champion, the project's columns. Out: answers with an id each,
written to a log before they are sent; routes that ``app`` mounts. Never: how a model is made or
judged, what feedback means, or a second way to evaluate a model.

``routes``, ``web`` and ``server`` load the web stack and are imported where a server starts.
"""

from volano.serve.config import ServeConfig, read_keys
from volano.serve.rows import Columns
from volano.serve.service import (
    ModelSource,
    NotReadyError,
    PredictionLog,
    PredictionService,
)

__all__ = [
    "Columns",
    "ModelSource",
    "NotReadyError",
    "PredictionLog",
    "PredictionService",
    "ServeConfig",
    "read_keys",
]
