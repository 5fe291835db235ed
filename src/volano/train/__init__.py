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
    from volano.train.learners.odd_autoencoder import AUTOENCODER
    from volano.train.learners.odd_detectors import FOREST, ODD, TAILS
    from volano.train.learners.odd_labelled import LABELLED
    from volano.train.learners.probe import PROBE
    from volano.train.learners.table_blend import BLEND as TABLE_BLEND
    from volano.train.learners.table_linear import LINEAR as TABLE_LINEAR
    from volano.train.learners.table_mlp import MLP
    from volano.train.learners.table_trees import TREES
    from volano.train.learners.text_linear import BAYES, BLEND, LINEAR

    of_text = LINEAR, BAYES, BLEND, PROBE, FINETUNE, LORA, ENSEMBLE, DISTIL
    of_columns = TABLE_LINEAR, TREES, TABLE_BLEND, MLP
    of_anomalies = TAILS, FOREST, ODD, LABELLED, AUTOENCODER
    for learner in (*of_text, *of_columns, *of_anomalies):
        hub.add_learner(learner.name, learner)
