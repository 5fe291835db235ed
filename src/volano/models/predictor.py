"""The Predictor: the one way in which a model answers, for reports, requests and batches alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import repeat
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.core.errors import StoreError, UserError
from volano.core.nouns import Answer
from volano.models.bundle import damaged, read_arrays, read_spec
from volano.models.calibration import Calibration
from volano.models.routing import sureness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.core.nouns import Route
    from volano.models.bundle import Spec
    from volano.models.calibration import Floats, Labels
    from volano.models.engine import Engine
    from volano.models.routing import Target
    from volano.models.rows import ArrowRows, Row, Rows
    from volano.models.spread import Spread
    from volano.models.table_features import TableFeaturiser

__all__ = ["ENGINES", "Predictor", "join_text"]

# By name, the module and the class in it: a project of linear models never imports ONNX Runtime.
ENGINES: Mapping[str, tuple[str, str]] = {
    "linear": ("volano.models.linear", "LinearEngine"),
    "onnx": ("volano.models.onnx_engine", "OnnxEngine"),
    "openvino": ("volano.models.openvino_engine", "OpenvinoEngine"),
    "ensemble": ("volano.models.ensemble", "EnsembleEngine"),
    "table-linear": ("volano.models.table_linear", "TableLinearEngine"),
    "trees": ("volano.models.trees", "TreesEngine"),
    "table-mlp": ("volano.models.table_mlp", "TableMlpEngine"),
    "odd": ("volano.models.odd_engine", "OddEngine"),
    "shifted": ("volano.models.shifted", "ShiftedEngine"),
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

    An answer that is as sure as ``automatic_from`` goes out alone; None marks no answers. Of
    numbers ``spread`` makes the intervals.
    """

    spec: Spec
    engine: Engine
    calibration: Calibration
    automatic_from: float | None = None
    spread: Spread | None = None

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
            made = cls._of(spec, engine, arrays)
            made._try_out()
        except _DAMAGE as error:
            raise damaged(folder, error) from None
        return made

    @classmethod
    def _of(cls, spec: Spec, engine: Engine, arrays: Mapping[str, Any]) -> Self:
        if spec.answers == "labels":
            return cls(spec, engine, Calibration.load(spec.calibration, arrays))
        from volano.models.spread import Spread

        return cls(spec, engine, Calibration(), spread=Spread.load(spec.calibration, arrays))

    def routed(self, target: Target) -> Self:
        """The same, marking which answers keep the target precision and may go out alone.

        A number is more or less right, so no answer of it is marked.
        """
        if target == "off" or self.spec.answers == "number":
            return self
        curve = self.calibration.curve
        found = curve.find(target) if curve is not None else None
        return replace(self, automatic_from=math.inf if found is None else found.threshold)

    def _try_out(self) -> None:
        """Answer nothing, so that parts that do not fit together show now, not in service."""
        value_NC = self.engine.decide([{}] if self.spec.columns else [""])
        if self.spread is not None:
            self.spread.ends(value_NC[:, 0])
            shape: tuple[int, ...] = (1, 1)
        else:
            value_NC = self.calibration.probabilities(value_NC)
            self.calibration.decide(value_NC, self.unknown_column)
            shape = (1, len(self.labels))
        if value_NC.shape != shape or not np.isfinite(value_NC).all():
            raise ValueError(f"scores of shape {value_NC.shape} for {len(self.labels)} labels")
        if self.spec.columns:
            read = {column.name for column in self._table.columns}
            if not read <= set(self.spec.columns):
                raise ValueError("the features read columns that the bundle does not name")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it can answer, in the order of the scores."""
        return self.spec.labels

    @property
    def unknown_column(self) -> int | None:
        """The column of the label that means "none of these"; None where there is none."""
        return self.labels.index(self.spec.unknown) if self.spec.unknown else None

    @property
    def featuriser(self) -> TableFeaturiser | None:
        """What knows the columns of a table, and checks the cells of a row; None for texts."""
        return self._table if self.spec.columns else None

    @property
    def _table(self) -> TableFeaturiser:
        found: TableFeaturiser = self.engine.featuriser  # type: ignore[attr-defined]
        return found

    def text_of(self, row: Mapping[str, object]) -> str:
        """What the model sees of a row."""
        return join_text(row, self.spec.text)

    def scores(self, rows: Rows) -> Floats:
        """Calibrated probabilities, shape (rows, labels)."""
        if not len(rows):
            return np.zeros((0, len(self.labels)))
        return self.calibration.probabilities(self.engine.decide(self._inputs(rows)))

    def values(self, rows: Rows) -> Floats:
        """The numbers that are answered, shape (rows,)."""
        if not len(rows):
            return np.zeros(0)
        return self.engine.decide(self._inputs(rows))[:, 0]

    def _inputs(self, rows: Rows) -> Sequence[Any]:
        """What the engine sees of the rows.

        Raises:
            UserError: a row has nothing of what the model reads.
        """
        if not self.spec.columns:
            return [self._read(row, place) for place, row in enumerate(rows)]
        table = getattr(rows, "table", None)
        for place, row in enumerate(rows if table is None else [table.column_names]):
            if not any(name in row for name in self.spec.columns):
                raise UserError(
                    "a row has none of the columns that the model reads: {missing}",
                    where=f"inputs[{place}]",
                    fix="give its cells by the names of their columns",
                    missing=", ".join(map(repr, self.spec.columns[:_MOST_REASONS])),
                )
        return rows

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

    def predict(self, rows: Rows, *, explain: bool = False) -> list[Answer]:
        """Answer rows of raw fields, by the project's own column names.

        Args:
            rows: one mapping a row; fields that the model does not read are ignored.
            explain: also say what moved the likeliest label most; where costs decide, the one that
                is answered; where one is asked about, that one; or the number.
        """
        if not len(rows):
            return []
        if self.spread is not None:
            return self._predict_numbers(rows, self.spread, explain=explain)
        scores_NC = self.scores(rows)
        decided_NC, unknown_N = self._decide(scores_NC)
        labels: list[list[str]] = [[] for _ in range(len(rows))]
        for n, place in zip(*(axis.tolist() for axis in decided_NC.nonzero()), strict=True):
            labels[n].append(self.labels[place])
        main_N = self._main_label(scores_NC, decided_NC, unknown_N)
        tops = scores_NC[np.arange(len(rows)), main_N]
        is_automatic = self._is_automatic(scores_NC, decided_NC, unknown_N)
        told = zip(
            labels, tops.tolist(), unknown_N.tolist(), scores_NC.tolist(), is_automatic, strict=True
        )
        answers = [
            Answer(tuple(given), top, unknown, dict(zip(self.labels, scores, strict=True)), (), way)
            for given, top, unknown, scores, way in told
        ]
        if not explain:
            return answers
        main = (self.labels[place] for place in main_N)
        asked = repeat(self.spec.asked, len(rows)) if self.spec.asked else main
        return [
            replace(answer, reasons=self.explain(row, label), explained=label)
            for answer, row, label in zip(answers, rows, asked, strict=True)
        ]

    def _predict_numbers(self, rows: Rows, spread: Spread, *, explain: bool) -> list[Answer]:
        value_N = self.values(rows)
        told = zip(*(ends.tolist() for ends in (value_N, *spread.ends(value_N))), strict=True)
        answers = [Answer.of_number(*numbers) for numbers in told]
        if not explain:
            return answers
        both = zip(answers, rows, strict=True)
        return [replace(answer, reasons=self.explain(row)) for answer, row in both]

    def _decide(self, scores_NC: Floats) -> tuple[Labels, Labels]:
        """Which labels are answered, shape (N, C); and which answers say "none of these"."""
        decided_NC = self.calibration.decide(scores_NC, self.unknown_column)
        if self.unknown_column is None:
            return decided_NC, self.calibration.is_unsure(scores_NC)
        return decided_NC, decided_NC[:, self.unknown_column]

    def _main_label(
        self, scores_NC: Floats, decided_NC: Labels, unknown_N: Labels
    ) -> NDArray[np.intp]:
        """The label of each row that confidence and reasons are about, shape (N,)."""
        main_N: NDArray[np.intp] = scores_NC.argmax(axis=1)
        if self.calibration.cost_CC is not None:
            main_N = np.where(unknown_N, main_N, decided_NC.argmax(axis=1))
        return main_N

    def _is_automatic(
        self, scores_NC: Floats, decided_NC: Labels, unknown_N: Labels
    ) -> list[Route | None]:
        """Where each answer goes; nowhere in particular where the project names no precision."""
        if self.automatic_from is None:
            return [None] * len(scores_NC)
        sure_N = sureness(scores_NC, decided_NC, is_multiple=self.spec.is_multiple)
        alone_N = (sure_N >= self.automatic_from) & ~unknown_N
        return ["automatic" if alone else "person" for alone in alone_N.tolist()]

    def answer_table(self, rows: ArrowRows) -> pa.Table:
        """What ``predict`` and the task's ``output`` say, as columns: for very many rows.

        Labels come under the names that the model knows, and without reasons.

        Returns:
            ``label`` (or ``labels``), ``confidence``, ``unknown``, ``scores``, ``score`` where one
            label is asked about, and ``route`` where answers are marked; of numbers ``value``,
            ``low`` and ``high``.
        """
        import pyarrow as pa

        if self.spread is not None:
            value_N = self.values(rows)
            low_N, high_N = self.spread.ends(value_N)
            return pa.table({"value": value_N, "low": low_N, "high": high_N})
        scores_NC = self.scores(rows)
        decided_NC, unknown_N = self._decide(scores_NC)
        columns = [pa.array(scores_NC[:, place]) for place in range(len(self.labels))]
        main_N = self._main_label(scores_NC, decided_NC, unknown_N)
        named = self._label_column(decided_NC)
        named |= {
            "confidence": pa.array(scores_NC[np.arange(len(rows)), main_N]),
            "unknown": pa.array(unknown_N),
            "scores": pa.StructArray.from_arrays(columns, list(self.labels)),
        }
        if self.spec.asked:
            named["score"] = columns[self.labels.index(self.spec.asked)]
        if self.automatic_from is not None:
            ways = self._is_automatic(scores_NC, decided_NC, unknown_N)
            named["route"] = pa.array(ways, pa.string())
        return pa.table(named)

    def _label_column(self, decided_NC: Labels) -> dict[str, pa.Array]:
        import pyarrow as pa

        names = pa.array(self.labels, pa.string())
        if not self.spec.is_multiple:
            return {"label": names.take(pa.array(decided_NC.argmax(axis=1)))}
        starts = np.concatenate([[0], np.cumsum(decided_NC.sum(axis=1))])
        given = names.take(pa.array(decided_NC.nonzero()[1]))
        return {"labels": pa.ListArray.from_arrays(pa.array(starts, pa.int32()), given)}

    def explain(self, row: Row, label: str = "") -> tuple[tuple[str, float], ...]:
        """What moved a label, or the number, most, with how much each added.

        Of a text its pieces. Of a row its eight strongest columns as ``tenure = 2``, then
        ``(other columns)``, where there are more, and ``(base)``; what moved nothing is out. These
        add up: of two labels to the log-odds of this one, of more to its lead over their mean (of
        overlapping ones to its own log-odds), of a number to the number.
        """
        if self.spec.columns:
            return self._explain_columns(row, label)
        is_rival = not self.spec.is_multiple
        place = self.labels.index(label)
        found = self.engine.reasons(self.text_of(row), place, is_rival=is_rival)
        return tuple(found[:_MOST_REASONS])

    def _explain_columns(self, row: Row, label: str) -> tuple[tuple[str, float], ...]:
        from volano.models.table_columns import shown
        from volano.models.table_reasons import BASE, OTHERS

        scale, shift, place = 1.0, 0.0, 0
        is_rival = self.spread is None and not self.spec.is_multiple
        calibration = self.calibration
        if self.spread is None:
            place = self.labels.index(label)
            if is_rival:
                # Of two labels the lead over the mean is half of what parts them.
                scale = (2.0 if len(self.labels) == 2 else 1.0) / calibration.temperature
            elif calibration.slope_C is not None and calibration.offset_C is not None:
                scale = float(calibration.slope_C[place])
                shift = float(calibration.offset_C[place])
        *told, (_, start) = self.engine.reasons(row, place, is_rival=is_rival)
        base = start * scale + shift
        moved = [(column, weight) for column, weight in told if weight]
        ranked = sorted(moved, key=lambda found: (-abs(found[1]), found[0]))
        first, rest = ranked[:_MOST_REASONS], ranked[_MOST_REASONS:]
        reasons = [(shown(column, row), weight * scale) for column, weight in first]
        if rest:
            reasons.append((OTHERS, math.fsum(weight for _, weight in rest) * scale))
        return (*reasons, (BASE, base))
