"""``ensemble``: a fine-tuned encoder and the light blend answer together.

They err elsewhere: one reads meaning, the other rare words and numbers. It trains nothing but
the weights, on rows that both parts answered without having seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volano.models.bundle import Spec, read_arrays, read_spec
from volano.models.ensemble import PARTS, Part, blend_parts
from volano.models.linear import LinearEngine
from volano.train.calibrate import calibrate, fit_temperature, log_loss
from volano.train.held_out import read_held_out
from volano.train.learner import Fitted, HeldOut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats, Labels
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.learner import Lesson

__all__ = ["ENSEMBLE", "Ensemble"]

_SHARES = (0.15, 0.3, 0.5, 0.7, 0.85)  # of the second part
_ANSWERS = ("model.json", "weights.safetensors", "config.json", "tokenizer.json")


@dataclass(frozen=True)
class Ensemble:
    """A learner that weighs the models of two others."""

    name: str = "ensemble"
    parts: tuple[str, ...] = ("finetune", "blend")
    reads: frozenset[str] = frozenset({"unknown_false_alarms"})
    needs_base: bool = False

    def fits(self, task: Task) -> bool:
        """Texts with one label, as the blend that is a part of it."""
        return task.name == "text-classification" and not task.is_multiple

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Choose shares and temperature on the rows that both parts had not seen."""
        rows = lesson.rows
        folders = [lesson.parts[name].folder for name in self.parts]
        row_H, log_chances = _held_out(folders)
        truth_HC = rows.truth_NC[row_H]
        classes = truth_HC.argmax(axis=1)

        def mixed(share: float) -> tuple[Floats, float]:
            value = (1.0 - share) * log_chances[0] + share * log_chances[1]
            return value, log_loss(value, classes, fit_temperature(value, classes))

        share = min(_SHARES, key=lambda share: (mixed(share)[1], share))
        shares = (1.0 - share, share)
        parts = [
            Part(weight, float(read_spec(folder).calibration["temperature"]))
            for weight, folder in zip(shares, folders, strict=True)
        ]
        values_HC = mixed(share)[0]
        unknown = rows.labels.index(rows.unknown) if rows.unknown in rows.labels else None
        calibration = calibrate(
            values_HC,
            truth_HC,
            unknown,
            is_multiple=False,
            false_alarms=config.unknown_false_alarms,
        )
        scores = calibration.probabilities(values_HC)
        held_out = HeldOut(row_H, scores, calibration.decide(scores, unknown))

        def reference(places: Sequence[int]) -> tuple[Floats, Labels]:
            texts = [rows.texts[place] for place in places]
            values = blend_parts([_answers(folder, texts) for folder in folders], parts)
            scores = calibration.probabilities(values)
            return scores, calibration.decide(scores, unknown)

        told = {"shares": dict(zip(self.parts, shares, strict=True)), "held_out_rows": len(row_H)}
        settings = {"parts": [{"share": p.share, "temperature": p.temperature} for p in parts]}
        spec = Spec(
            task="text-classification",
            engine="ensemble",
            text=rows.text,
            labels=rows.labels,
            unknown="" if unknown is None else rows.unknown,
            settings=settings,
            calibration=calibration.settings(),
        )
        return Fitted(spec, calibration.arrays(), held_out, reference, told, _files(folders))


ENSEMBLE = Ensemble()


def _held_out(folders: Sequence[Path]) -> tuple[NDArray[np.int64], list[Floats]]:
    """Rows that neither part had seen, and each part's log probabilities there."""
    marked = [read_held_out(folder) for folder in folders]
    row_H = np.intersect1d(marked[0].row_N, marked[1].row_N)
    scores = [found.at(row_H).outcomes.scores_NC for found in marked]
    return row_H, [np.log(np.maximum(found, 1e-12)) for found in scores]


def _answers(folder: Path, texts: Sequence[str]) -> Floats:
    """A part's decision values, by the training code."""
    spec = read_spec(folder)
    if spec.engine == "linear":
        return LinearEngine.load(folder, spec.settings, read_arrays(folder)).decide(texts)
    from volano.train.encoders.native import answer_native

    return answer_native(folder, texts)


def _files(folders: Sequence[Path]) -> dict[str, bytes]:
    """What each part's bundle needs to answer, under ``parts/<n>/``; nothing that quotes a text."""
    return {
        f"{PARTS}/{number}/{name}": (folder / name).read_bytes()
        for number, folder in enumerate(folders)
        for name in _ANSWERS
        if (folder / name).is_file()
    }
