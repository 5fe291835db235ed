"""Models: the bundle on disk, and the one Predictor that answers from it.

In: a bundle folder; rows of raw fields. Out: Answers. Whatever alters what a model sees
(normalising, hashing, weighing) lives here and travels in the bundle, so that a request and a
report see the same. Never: training, files of a project, the web.
"""

from __future__ import annotations

from volano.models.bundle import Spec, write_bundle
from volano.models.predictor import Predictor

__all__ = ["Predictor", "Spec", "write_bundle"]
