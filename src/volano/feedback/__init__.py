"""What users and reviewers say about answers, and what can be learned from it.

In: signals over HTTP, sheets that people filled in, the ledger. Out: a Dataset of labelled answers
that ``collect`` reads, review items, live accuracy. Never: answering requests, changing a model, or
losing a signal: each one has a fate that is counted.

What reads the ledger is loaded when it is first used, so that settings load quickly; ``routes``
loads the web stack and is imported where a server starts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from volano.feedback.config import FeedbackConfig

if TYPE_CHECKING:
    from volano.feedback.examples import feedback_dataset, read_signals, usable_examples
    from volano.feedback.imports import Imported, export_reviews, import_reviews
    from volano.feedback.intake import record_feedback
    from volano.feedback.live import LiveAccuracy, live_accuracy
    from volano.feedback.review import fill_reviews, pick_reviews
    from volano.feedback.rules import Settled, Settlement, Signals, settle

__all__ = [
    "FeedbackConfig",
    "Imported",
    "LiveAccuracy",
    "Settled",
    "Settlement",
    "Signals",
    "export_reviews",
    "feedback_dataset",
    "fill_reviews",
    "import_reviews",
    "live_accuracy",
    "pick_reviews",
    "read_signals",
    "record_feedback",
    "settle",
    "usable_examples",
]

_HOMES = {
    "examples": ("feedback_dataset", "read_signals", "usable_examples"),
    "imports": ("Imported", "export_reviews", "import_reviews"),
    "intake": ("record_feedback",),
    "live": ("LiveAccuracy", "live_accuracy"),
    "review": ("fill_reviews", "pick_reviews"),
    "rules": ("Settled", "Settlement", "Signals", "settle"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"volano.feedback.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
