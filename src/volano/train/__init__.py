"""Training: learners behind one contract, and the choice among what they made.

In: a prepared Dataset. Out: native bundles with reference scores, held-out answers and suspect
labels. Never: a test example; how a model is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.train.config import TrainConfig

if TYPE_CHECKING:
    from volano.core.hooks import Hub

__all__ = ["TrainConfig", "register"]


def register(hub: Hub) -> None:
    """The built-in learners."""
    from volano.train.learners.text_linear import BAYES, BLEND, LINEAR

    for learner in (LINEAR, BAYES, BLEND):
        hub.add_learner(learner.name, learner)
