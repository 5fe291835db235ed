"""What is kept of the rows and answers of a training, for later rows to be compared with.

Of texts and tables alike; of very many rows a part, spread evenly over all, in their order by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from volano.models.rows import ArrowRows, table_of
from volano.models.statistics import Measure, Statistics
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.models.column_kinds import Kind
    from volano.models.rows import Column
    from volano.models.statistics import Aspect
    from volano.train.held_out import Marked
    from volano.train.learner import TrainingSet

__all__ = ["statistics_of"]

_MOST_ROWS = 200_000


def statistics_of(
    rows: TrainingSet,
    kinds: Mapping[str, str],
    marked: Marked,
    languages: Column | None = None,
) -> Statistics:
    """Measure training rows and held-out answers.

    Args:
        rows: all that were learnt from.
        kinds: what the model takes the columns of a table for.
        marked: answers to held-out rows.
        languages: of the texts of the rows, where the data says it.
    """
    place_M = _spread(len(rows))
    some = rows.rows.take(place_M) if isinstance(rows.rows, ArrowRows) else [
        rows.rows[place] for place in place_M.tolist()
    ]  # fmt: skip
    names = rows.columns or rows.text
    table, unit_M = table_of(some, names), rows.unit_N[place_M]
    columns = [
        Measure.of(name, aspect, kind, table.column(name), unit_M)
        for name in names
        for aspect, kind in [_looked_at(kinds.get(name, "text"))]
    ]
    if languages is not None:
        told = languages.take(pa.array(place_M))
        columns.append(Measure.of(names[0], "language", "category", told, unit_M))
    return Statistics(len(rows), len(place_M), tuple(columns), _answers(marked))


def _spread(num: int) -> NDArray[np.int64]:
    """Places of as many rows as are measured, from the first to the last."""
    return np.unique(np.linspace(0, num - 1, min(num, _MOST_ROWS)).astype(np.int64))


def _looked_at(kind: str) -> tuple[Aspect, Kind]:
    """What of a column is measured: of a text its length, of names of rows whether there is one."""
    match kind:
        case "text":
            return "length", "text"
        case "id":
            return "presence", "id"
        case "number" | "date" | "boolean":
            return "value", kind
    return "value", "category"  # of what was constant too: another level is a move


def _answers(marked: Marked) -> tuple[Measure, ...]:
    if not len(marked.outcomes):
        return ()
    place_M = _spread(len(marked.outcomes))
    outcomes, unit_N = marked.outcomes.at(place_M), marked.unit_N[place_M]
    if isinstance(outcomes, NumberOutcomes):
        return (Measure.of("", "value", "number", pa.array(outcomes.value_N), unit_N),)
    assert isinstance(outcomes, LabelOutcomes)
    row_K, label_K = outcomes.decided_NC.nonzero()
    labels = pa.array(outcomes.labels, pa.string()).take(pa.array(label_K))
    sure_N: NDArray[np.float64] = outcomes.scores_NC.max(axis=1)
    return (
        Measure.of("", "label", "category", labels, unit_N[row_K]),
        Measure.of("", "confidence", "number", pa.array(sure_N), unit_N),
    )
