"""The light learners of text: one head or two blended, over hashed n-grams; no download, no torch.

``linear`` is the baseline of every project. ``bayes`` is the second, different one: it trains in a
fraction of the time, errs elsewhere, and is the better one with few rows and many labels. ``blend``
weighs the two by what held-out rows show: 0.920 against 0.912 and 0.898 on Banking77.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volano.core.seeds import derive_seed
from volano.models.bundle import read_arrays, read_spec
from volano.models.linear import LinearEngine, blend
from volano.models.text_features import TextFeaturiser
from volano.train.calibrate import mix
from volano.train.fitted import Made, fitted
from volano.train.folds import folds_of
from volano.train.held_out import read_held_out
from volano.train.learners.text_heads import HeadLesson, fit_bayes, fit_separator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy import sparse

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson, TrainingSet

__all__ = ["BAYES", "BLEND", "LINEAR", "TextBlend", "TextLinear"]

LIGHT = frozenset({"folds", "settings_tried", "unknown_false_alarms", "seed"})
_FITS = {"separator": fit_separator, "bayes": fit_bayes}


@dataclass(frozen=True)
class TextLinear:
    """A learner of one head."""

    name: str
    head: str
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = LIGHT
    needs_base: bool = False
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label or with several."""
        return task.answers == "labels"

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose settings on held-out folds of all rows, calibrate, refit on all of them."""
        rows = lesson.rows
        featuriser = TextFeaturiser()
        log.progress("texts are read", 0, len(rows))
        features = featuriser.fit_transform(rows.texts)
        log.progress("texts are read", len(rows), len(rows))
        found = _FITS[self.head](_head_lesson(rows, features, config))
        engine = LinearEngine(featuriser, (found.head,))
        told = {"settings": {self.head: found.setting}, "features": featuriser.width}
        return _fitted(engine, features, found.held_out_NC, rows, config, told)


@dataclass(frozen=True)
class TextBlend:
    """A learner that weighs the heads of two others; it trains nothing but the weights."""

    name: str
    parts: tuple[str, ...]
    reads: frozenset[str] = LIGHT
    needs_base: bool = False
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label; with several, weighing the heads did not pay."""
        return task.answers == "labels" and not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose shares and temperature on the parts' held-out answers."""
        rows = lesson.rows
        bundles = [lesson.parts[name].folder for name in self.parts]
        engines = [LinearEngine.load(b, read_spec(b).settings, read_arrays(b)) for b in bundles]
        # A head's held-out log probabilities are its decision values, up to what a softmax
        # does not see.
        values = [np.log(np.maximum(read_held_out(b).of_labels.scores_NC, 1e-12)) for b in bundles]
        classes = rows.truth_NC.argmax(axis=1)
        # Its temperature, too, is the one that the part was calibrated with.
        heads = [
            replace(engine.heads[0], temperature=read_spec(b).calibration["temperature"])
            for engine, b in zip(engines, bundles, strict=True)
        ]
        share, mixed = mix(values[0], values[1], classes)
        heads = [replace(heads[0], share=1.0 - share), replace(heads[1], share=share)]
        engine = LinearEngine(engines[0].featuriser, tuple(heads))
        features = engine.featuriser.transform(rows.texts)
        told = {"shares": dict(zip(self.parts, (1.0 - share, share), strict=True))}
        return _fitted(engine, features, mixed, rows, config, told)


LINEAR = TextLinear("linear", "separator")
BAYES = TextLinear("bayes", "bayes")
BLEND = TextBlend("blend", ("linear", "bayes"))


def _head_lesson(rows: TrainingSet, features: sparse.csr_array, config: TrainConfig) -> HeadLesson:
    assert config.settings_tried != "auto"
    assert config.seed != "auto"
    return HeadLesson(
        features,
        rows.truth_NC,
        rows.weight_N,
        folds_of(rows, config),
        rows.is_multiple,
        config.settings_tried,
        derive_seed(config.seed, "solver"),
    )


def _fitted(
    engine: LinearEngine,
    features: sparse.csr_array,
    held_values: Floats,
    rows: TrainingSet,
    config: TrainConfig,
    told: dict[str, Any],
) -> Fitted:
    def values_of(places: Sequence[int]) -> Floats:
        # The training-time features, not the texts: an error in reading texts shows as a gap.
        part = features[np.asarray(places)]
        return blend([head.decide(part) for head in engine.heads], engine.heads)

    made = Made("linear", engine.settings(), engine.arrays(), values_of, told)
    return fitted(made, np.arange(len(rows)), held_values, rows, config)
