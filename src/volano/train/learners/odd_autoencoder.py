"""``autoencoder``: a network that squeezes rows; what it cannot give back is odd.

It is trained by the loop that encoders are, and answered by numpy. It is there for who wants a
network: with the effort ``thorough``, or where the project names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.core.seeds import derive_seed
from volano.models.neighbours import plain_features
from volano.models.reconstruction import Reconstruction
from volano.train.anomalies.detectors import some
from volano.train.anomalies.lesson import OddLesson
from volano.train.anomalies.unlabelled import fit_unlabelled
from volano.train.config import NEEDS

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.models.odd_scale import Detector
    from volano.tasks.task import Task
    from volano.train.anomalies.lesson import Ints
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["AUTOENCODER", "OddAutoencoder"]

_FEWEST_WATCHED = 100  # of fewer rows none are spared to say when to stop
_PARTS = 10
_MOST_LEARNT = 200_000  # rows: more would hardly better so small a network


@dataclass(frozen=True)
class OddAutoencoder:
    """A learner of a network from rows to themselves."""

    name: str = "autoencoder"
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset({"folds", "loop", "mlp", "seed"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """Anomalies, which need no truth."""
        return not task.needs_target

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Answer held-out rows by networks of the others, then learn from all rows.

        Raises:
            MissingExtraError: torch is not installed.
            ConfigError: the loss left the numbers, or memory is too little.
        """
        from volano.train.encoders.base import need_packages

        need_packages(NEEDS[self.name], where="train.learner")
        from volano.train.anomalies.squeezing import train_layers

        table = OddLesson.of(lesson, config, log)
        featuriser = table.featuriser

        def fit(name: str, part: str, places: Ints) -> Detector:
            seed = derive_seed(table.seed, name, part)
            learnt, watched = _spare(some_places(places), seed)
            scratch = lesson.scratch / part if lesson.scratch is not None else None
            # Steps of each training count from 0: on one curve they would overwrite each other.
            curve = log if part == "whole" else log.of(f"{log.stage}.{part}")
            dense_ND = plain_features(featuriser, table.codes_NF[learnt]).astype(np.float32)
            watched_ND = plain_features(featuriser, table.codes_NF[watched]).astype(np.float32)
            layers = train_layers(dense_ND, watched_ND, config, seed, scratch, curve)
            blank = Reconstruction(featuriser, layers, np.zeros(len(featuriser.columns)))
            mean_C = blank.column_parts(some(table.codes_NF[places])).mean(axis=0)
            return Reconstruction(featuriser, layers, mean_C)

        return fit_unlabelled((self.name,), fit, table, log)


AUTOENCODER = OddAutoencoder()


def some_places(places: Ints) -> Ints:
    """As many, spread evenly."""
    if len(places) <= _MOST_LEARNT:
        return places
    return places[np.linspace(0, len(places) - 1, _MOST_LEARNT).astype(np.int64)]


def _spare(places: Ints, seed: int) -> tuple[Ints, Ints]:
    """Rows to learn from, and a tenth to stop by."""
    if len(places) < _FEWEST_WATCHED:
        return places, places[:0]
    shuffled = np.random.default_rng(seed).permutation(places)
    cut = len(places) // _PARTS
    return np.sort(shuffled[cut:]), np.sort(shuffled[:cut])
