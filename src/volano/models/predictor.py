"""The Predictor: the one way in which a model answers, for reports, requests and batches alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from volano.core.errors import StoreError, UserError
from volano.core.nouns import Answer
from volano.models.bundle import damaged, read_arrays, read_spec
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
        try:
            engine = ENGINES[spec.engine].load(spec.settings, arrays)
            made = cls(spec, engine, Calibration.load(spec.calibration, arrays))
            made._try_out()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise damaged(folder, error) from None
        return made

    def _try_out(self) -> None:
        """Answer an empty text, so that parts that do not fit together show now, not in service."""
        scores_NC = self.calibration.probabilities(self.engine.decide([""]))
        self.calibration.decide(scores_NC, self.unknown_column)
        if scores_NC.shape != (1, len(self.labels)) or not np.isfinite(scores_NC).all():
            raise ValueError(f"scores of shape {scores_NC.shape} for {len(self.labels)} labels")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it can answer, in the order of the scores."""
        return self.spec.labels

    @property
    def unknown_column(self) -> int | None:
        """The column of the label that means "none of these"; None where there is none."""
        return self.labels.index(self.spec.unknown) if self.spec.unknown else None

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
            explain: also say which pieces of the text moved the likeliest label most.
        """
        if not rows:
            return []
        scores_NC = self.scores(rows)
        decided_NC = self.calibration.decide(scores_NC, self.unknown_column)
        unknown_N = self.calibration.is_unsure(scores_NC)
        if self.unknown_column is not None:
            unknown_N = decided_NC[:, self.unknown_column]
        return [
            Answer(
                tuple(self.labels[place] for place in np.flatnonzero(decided_NC[n])),
                float(scores_NC[n].max()),
                bool(unknown_N[n]),
                dict(zip(self.labels, scores_NC[n].tolist(), strict=True)),
                self.explain(row, self.labels[scores_NC[n].argmax()]) if explain else (),
            )
            for n, row in enumerate(rows)
        ]

    def explain(self, row: Mapping[str, object], label: str) -> tuple[tuple[str, float], ...]:
        """Which pieces of the text moved this label most, with how much each added."""
        is_rival = not self.spec.is_multiple
        place = self.labels.index(label)
        found = self.engine.reasons(self.text_of(row), place, is_rival=is_rival)
        return tuple(found[:_MOST_REASONS])
