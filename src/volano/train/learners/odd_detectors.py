"""``tails``, ``forest`` and ``odd``: anomalies that nobody has shown.

``tails`` is the cheap baseline: each column by itself. ``forest`` sets rows apart by chance cuts.
``odd`` takes the forest and the distance to neighbours together, which also sees what is strange
only in its combination; it is the one to take where nobody has looked at rows. Tails are no part of
it: on the sets that its make-up was chosen on (``benchmarks/anomalies.py``) they took more than
they gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from volano.train.anomalies.detectors import fit_detector
from volano.train.anomalies.lesson import OddLesson
from volano.train.anomalies.unlabelled import fit_unlabelled

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.models.odd_scale import Detector
    from volano.tasks.task import Task
    from volano.train.anomalies.lesson import Ints
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["FOREST", "ODD", "TAILS", "OddDetectors"]


@dataclass(frozen=True)
class OddDetectors:
    """A learner of detectors that need no labels."""

    name: str
    detectors: tuple[str, ...]
    parts: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset({"folds", "seed"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "columns"

    def fits(self, task: Task) -> bool:
        """Anomalies, which need no truth."""
        return not task.needs_target

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Answer held-out rows by detectors of the others, then learn from all rows."""
        table = OddLesson.of(lesson, config, log)

        def fit(name: str, part: str, places: Ints) -> Detector:
            return fit_detector(name, table.featuriser, table.codes_NF[places], table.seed)

        return fit_unlabelled(self.detectors, fit, table, log)


TAILS = OddDetectors("tails", ("tails",))
FOREST = OddDetectors("forest", ("forest",))
ODD = OddDetectors("odd", ("forest", "neighbours"))
