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
    # None of these files imports torch; a deep learner does so when it trains.
    from volano.train.learners.distil import DISTIL
    from volano.train.learners.encoder import FINETUNE, LORA
    from volano.train.learners.ensemble import ENSEMBLE
    from volano.train.learners.probe import PROBE
    from volano.train.learners.text_linear import BAYES, BLEND, LINEAR

    for learner in (LINEAR, BAYES, BLEND, PROBE, FINETUNE, LORA, ENSEMBLE, DISTIL):
        hub.add_learner(learner.name, learner)
