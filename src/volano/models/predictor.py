"""The Predictor: the one way in which a model answers, for reports, requests and batches alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Self

import numpy as np

from volano.core.errors import StoreError, UserError
from volano.core.nouns import Answer
from volano.models.bundle import damaged, read_arrays, read_spec
from volano.models.calibration import Calibration
from volano.models.routing import sureness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from volano.core.nouns import Route
    from volano.models.bundle import Spec
    from volano.models.calibration import Floats
    from volano.models.engine import Engine
    from volano.models.routing import Target

__all__ = ["ENGINES", "Predictor", "join_text"]

# By name, the module and the class in it: a project of linear models never imports ONNX Runtime.
ENGINES: Mapping[str, tuple[str, str]] = {
    "linear": ("volano.models.linear", "LinearEngine"),
    "onnx": ("volano.models.onnx_engine", "OnnxEngine"),
    "openvino": ("volano.models.openvino_engine", "OpenvinoEngine"),
    "ensemble": ("volano.models.ensemble", "EnsembleEngine"),
}
_MOST_REASONS = 8
_DAMAGE = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError,
           ValueError)  # fmt: skip


def join_text(row: Mapping[str, object], columns: Sequence[str]) -> str:
    """The text of a row: its text columns, one below the other."""
    return "\n".join(str(row[name]) for name in columns if row.get(name) is not None)


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle; thread-safe, since nothing in it changes.

    An answer that is as sure as ``automatic_from`` goes out alone; None marks no answers.
    """

    spec: Spec
    engine: Engine
    calibration: Calibration
    automatic_from: float | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a bundle.

        Raises:
            StoreError: it is missing, damaged, of a newer format or of an engine unknown here.
            MissingExtraError: the library that it answers by is not installed.
        """
        spec = read_spec(folder)
        if spec.engine not in ENGINES:
            raise StoreError(
                "the bundle needs the engine {engine!r}, which is not installed",
                where=str(folder),
                fix="pip install --upgrade volano",
                engine=spec.engine,
            )
        arrays = read_arrays(folder)
        try:
            module, name = ENGINES[spec.engine]
            made_by: type[Engine] = getattr(import_module(module), name)
            engine = made_by.load(folder, spec.settings, arrays)
            made = cls(spec, engine, Calibration.load(spec.calibration, arrays))
            made._try_out()
        except _DAMAGE as error:
            raise damaged(folder, error) from None
        return made

    def routed(self, target: Target) -> Self:
        """The same, marking which answers keep the target precision and may go out alone."""
        if target == "off":
            return self
        curve = self.calibration.curve
        found = curve.find(target) if curve is not None else None
        return replace(self, automatic_from=math.inf if found is None else found.threshold)

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
                "a row has no text: {missing} is missing",
                where=f"inputs[{place}]",
                fix="give the text as {name!r}",
                missing=", ".join(map(repr, missing)),
                name=self.spec.text[0],
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
        labels: list[list[str]] = [[] for _ in rows]
        for n, place in zip(*(axis.tolist() for axis in decided_NC.nonzero()), strict=True):
            labels[n].append(self.labels[place])
        tops = sure = scores_NC.max(axis=1).tolist()
        if self.spec.is_multiple and self.automatic_from is not None:
            sure = sureness(scores_NC, decided_NC, is_multiple=True).tolist()
        unknown, scores = unknown_N.tolist(), scores_NC.tolist()
        return [
            Answer(
                tuple(labels[n]),
                tops[n],
                unknown[n],
                dict(zip(self.labels, scores[n], strict=True)),
                self.explain(row, self.labels[scores_NC[n].argmax()]) if explain else (),
                self._route(sure[n], unknown=unknown[n]),
            )
            for n, row in enumerate(rows)
        ]

    def _route(self, sure: float, *, unknown: bool) -> Route | None:
        if self.automatic_from is None:
            return None
        return "automatic" if sure >= self.automatic_from and not unknown else "person"

    def explain(self, row: Mapping[str, object], label: str) -> tuple[tuple[str, float], ...]:
        """Which pieces of the text moved this label most, with how much each added."""
        is_rival = not self.spec.is_multiple
        place = self.labels.index(label)
        found = self.engine.reasons(self.text_of(row), place, is_rival=is_rival)
        return tuple(found[:_MOST_REASONS])
