"""``probe``: a linear head over a frozen encoder; the cheapest learner that starts from a base.

Its vectors are kept across folds, turns and interruptions, so a turn with a few new rows costs the
time of these rows. All rows are held out by folds, as with the light learners, and the bundle has
the layout of a fine-tuned encoder: one export serves both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.models.tokens import TOKENIZER
from volano.train.fitted import Made, fitted
from volano.train.folds import folds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson, TrainingSet
    from volano.train.learners.vector_heads import VectorHead

__all__ = ["PROBE", "Probe"]

_SCALE = 20.0  # of cosines, as in models.encoder


@dataclass(frozen=True)
class Probe:
    """A learner that trains nothing but a head."""

    name: str = "probe"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset(
        {"encoder", "folds", "loop.precision", "seed", "settings_tried", "unknown_false_alarms"}
    )
    needs_base: bool = True
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label or with several."""
        return task.answers == "labels"

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Encode each text once, choose the penalty on held-out folds, refit on all rows.

        Raises:
            ConfigError: the base cannot be read, or has too few positions for ``max_tokens``.
        """
        from volano.train.encoders import base as bases
        from volano.train.encoders import shaping
        from volano.train.encoders.embeddings import Frozen

        base, rows = lesson.base, lesson.rows
        assert base is not None, "learners that need a base are planned with one"
        began = time.monotonic()
        stated = bases.stated_pooling(base)
        pooling, pooling_why = shaping.choose_pooling(config.encoder, stated, log)
        head, head_why = shaping.choose_head(config.encoder)
        tokenizer = bases.tokenizer_bytes(base)
        tokens = shaping.tokenise(
            tokenizer, rows.texts, config.encoder, bases.most_tokens(base), log
        )
        frozen = Frozen(base, pooling, config.loop.precision, lesson.cache, log)
        embedded = frozen.embed(tokens.ids_N)
        encoded = time.monotonic()
        scaled = _scaled if head == "cosine" else np.asarray
        found = _fit_head(scaled(embedded.vectors_ND), rows, config)

        def values_of(places: Sequence[int]) -> Floats:
            # From the tokens of training, so that an error in reading texts shows as a gap; in full
            # precision, as the bundle holds the body: what rounding did to the vectors that the
            # head was fitted on is no fault of a form.
            exact = replace(frozen, precision="float32")
            vectors = exact.embed([tokens.ids_N[place] for place in places]).vectors_ND
            return scaled(vectors).astype(np.float64) @ found.weights_DC + found.bias_C

        shape = {
            "pooling": pooling,
            "head": head,
            "num_labels": len(rows.labels),
            "max_tokens": tokens.max_tokens,
            "dropout": 0.0,
        }
        told = {
            "base": base.name,
            "base_hash": base.hash,
            "base_licence": bases.licence_of(base),
            "pooling": pooling,
            "pooling_why": pooling_why,
            "head": head,
            "head_why": head_why,
            **tokens.told(),
            "penalty": found.penalty,
            "penalties": {str(penalty): grade for penalty, grade in found.grades.items()},
            "texts_encoded": embedded.num_fresh,
            "texts_from_cache": embedded.num_cached,
            "seconds_encoding": encoded - began,
            "seconds": time.monotonic() - began,
        }
        arrays = {f"module.body.{name}": array for name, array in frozen.body().items()}
        arrays["module.head.weight"] = np.ascontiguousarray(found.weights_DC.T)
        arrays["module.head.bias"] = found.bias_C
        files = {bases.CONFIG: (base.folder / bases.CONFIG).read_bytes(), TOKENIZER: tokenizer}
        made = Made("encoder", shape, arrays, values_of, told, files)
        return fitted(made, np.arange(len(rows)), found.held_out_NC, rows, config)


PROBE = Probe()


def _scaled(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions alone, as the head ``cosine`` sees them."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12) * _SCALE
    return found


def _fit_head(features: NDArray[np.float32], rows: TrainingSet, config: TrainConfig) -> VectorHead:
    from volano.train.encoders.shaping import weigh
    from volano.train.learners.vector_heads import VectorLesson, fit_head

    assert config.settings_tried != "auto"
    fold_N = folds_of(rows, config)
    truth_NC, settings = rows.truth_NC, config.settings_tried
    weight_N = weigh(rows.weight_N, truth_NC, config.encoder.class_weights).astype(np.float64)
    return fit_head(VectorLesson(features, truth_NC, weight_N, fold_N, rows.is_multiple, settings))
