"""Answering over HTTP with the champion.

In: a Predictor by hash, who is champion, the project's columns. Out: answers with an id each,
queued for the log behind them; routes that ``app`` mounts. Never: how a model is made or
judged, what feedback means, or a second way to evaluate a model.

``routes``, ``web`` and ``server`` load the web stack and are imported where a server starts.
"""

from volano.serve.config import ServeConfig, read_keys
from volano.serve.log import LogFullError, LogStore
from volano.serve.rows import Columns
from volano.serve.service import ModelSource, NotReadyError, PredictionService

__all__ = [
    "Columns",
    "LogFullError",
    "LogStore",
    "ModelSource",
    "NotReadyError",
    "PredictionService",
    "ServeConfig",
    "read_keys",
]
