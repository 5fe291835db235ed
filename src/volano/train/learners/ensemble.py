"""``ensemble``: a fine-tuned encoder and the light blend answer together.

They err elsewhere: one reads meaning, the other rare words and numbers. It trains nothing but
the weights, on rows that both parts answered without having seen them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.models.bundle import read_arrays, read_spec
from volano.models.ensemble import PARTS, Part
from volano.models.linear import LinearEngine, blend
from volano.train.calibrate import mix
from volano.train.fitted import Made, fitted
from volano.train.held_out import read_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["ENSEMBLE", "Ensemble", "part_files"]

_ANSWERS = ("model.json", "weights.safetensors", "config.json", "tokenizer.json", "trees/*.txt")


@dataclass(frozen=True)
class Ensemble:
    """A learner that weighs the models of two others."""

    name: str = "ensemble"
    parts: tuple[str, ...] = ("finetune", "blend")
    reads: frozenset[str] = frozenset({"unknown_false_alarms"})
    needs_base: bool = False
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label, as the blend that is a part of it."""
        return task.answers == "labels" and not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose shares and temperature on the rows that both parts had not seen."""
        rows = lesson.rows
        folders = [lesson.parts[name].folder for name in self.parts]
        row_H, log_chances = _held_out(folders)
        share, values_HC = mix(log_chances[0], log_chances[1], rows.truth_NC[row_H].argmax(axis=1))
        shares = (1.0 - share, share)
        parts = [
            Part(weight, float(read_spec(folder).calibration["temperature"]))
            for weight, folder in zip(shares, folders, strict=True)
        ]

        def values_of(places: Sequence[int]) -> Floats:
            texts = [rows.texts[place] for place in places]
            return blend([_answers(folder, texts) for folder in folders], parts)

        told = {"shares": dict(zip(self.parts, shares, strict=True)), "held_out_rows": len(row_H)}
        settings = {"parts": [asdict(part) for part in parts]}
        made = Made("ensemble", settings, {}, values_of, told, part_files(folders))
        return fitted(made, row_H, values_HC, rows, config)


ENSEMBLE = Ensemble()


def _held_out(folders: Sequence[Path]) -> tuple[NDArray[np.int64], list[Floats]]:
    """Rows that neither part had seen, and each part's log probabilities there."""
    marked = [read_held_out(folder) for folder in folders]
    row_H = np.intersect1d(marked[0].row_N, marked[1].row_N)
    scores = [found.at(row_H).of_labels.scores_NC for found in marked]
    return row_H, [np.log(np.maximum(found, 1e-12)) for found in scores]


def _answers(folder: Path, texts: Sequence[str]) -> Floats:
    """A part's decision values, by the training code."""
    spec = read_spec(folder)
    if spec.engine == "linear":
        return LinearEngine.load(folder, spec.settings, read_arrays(folder)).decide(texts)
    from volano.train.encoders.native import answer_native

    return answer_native(folder, texts)


def part_files(folders: Sequence[Path]) -> dict[str, bytes]:
    """What each part's bundle needs to answer, under ``parts/<n>/``; nothing that quotes a text."""
    return {
        f"{PARTS}/{number}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for number, folder in enumerate(folders)
        for name in (*_ANSWERS, *(f"{PARTS}/*/{one}" for one in _ANSWERS))  # a part may have parts
        for path in sorted(folder.glob(name))
    }
