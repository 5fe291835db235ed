"""The Predictor: the one way in which a model answers, for reports, requests and batches alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from volano.core.errors import StoreError, UserError
from volano.core.nouns import Answer
from volano.models.bundle import read_arrays, read_spec
from volano.models.calibration import Calibration
from volano.models.linear import LinearEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from volano.models.bundle import Spec
    from volano.models.calibration import Floats
    from volano.models.engine import Engine

__all__ = ["ENGINES", "Predictor", "join_text"]

ENGINES: Mapping[str, type[Engine]] = {"linear": LinearEngine}
_MOST_REASONS = 8


def join_text(row: Mapping[str, object], columns: Sequence[str]) -> str:
    """The text of a row: its text columns, one below the other."""
    return "\n".join(str(row[name]) for name in columns if row.get(name) is not None)


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle; thread-safe, since nothing in it changes."""

    spec: Spec
    engine: Engine
    calibration: Calibration

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a bundle.

        Raises:
            StoreError: it is missing, damaged, of a newer format or of an engine unknown here.
        """
        spec = read_spec(folder)
        if spec.engine not in ENGINES:
            raise StoreError(
                f"the bundle needs the engine {spec.engine!r}, which is not installed",
                where=str(folder),
                fix="pip install --upgrade volano",
            )
        arrays = read_arrays(folder)
        engine = ENGINES[spec.engine].load(spec.settings, arrays)
        return cls(spec, engine, Calibration.load(spec.calibration, arrays))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it can answer, in the order of the scores."""
        return self.spec.labels

    def text_of(self, row: Mapping[str, object]) -> str:
        """What the model sees of a row."""
        return join_text(row, self.spec.text)

    def scores(self, rows: Sequence[Mapping[str, object]]) -> Floats:
        """Calibrated probabilities, shape (rows, labels)."""
        if not rows:
            return np.zeros((0, len(self.labels)))
        values_NC = self.engine.decide([self._read(row, place) for place, row in enumerate(rows)])
        return self.calibration.probabilities(values_NC)

    def _read(self, row: Mapping[str, object], place: int) -> str:
        missing = [name for name in self.spec.text if name not in row]
        if len(missing) == len(self.spec.text):
            raise UserError(
                f"a row has no text: {', '.join(map(repr, missing))} is missing",
                where=f"inputs[{place}]",
                fix=f"give the text as {self.spec.text[0]!r}",
            )
        return self.text_of(row)

    def predict(
        self, rows: Sequence[Mapping[str, object]], *, explain: bool = False
    ) -> list[Answer]:
        """Answer rows of raw fields, by the project's own column names.

        Args:
            rows: one mapping a row; fields that the model does not read are ignored.
            explain: also say which pieces of the text moved the answer most.
        """
        scores_NC = self.scores(rows)
        decided_NC = self.calibration.decide(scores_NC) if len(rows) else scores_NC
        return [
            self._answer(scores, np.flatnonzero(decided).tolist(), row if explain else None)
            for scores, decided, row in zip(scores_NC, decided_NC, rows, strict=True)
        ]

    def _answer(
        self, scores_C: Floats, decided: Sequence[int], row: Mapping[str, object] | None
    ) -> Answer:
        labels = tuple(self.labels[place] for place in decided)
        top = int(scores_C.argmax())
        confidence = float(scores_C[top])
        unknown = self.spec.unknown
        is_unknown = confidence < self.calibration.unknown_below or (
            bool(unknown) and unknown in labels
        )
        if is_unknown and unknown:
            labels = (unknown,)
        reasons: tuple[tuple[str, float], ...] = ()
        if row is not None:
            reasons = tuple(self.engine.reasons(self.text_of(row), top, _MOST_REASONS))
        by_label = dict(zip(self.labels, scores_C.tolist(), strict=True))
        return Answer(labels, confidence, is_unknown, by_label, reasons)
