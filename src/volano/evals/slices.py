"""Slices: parts of the test set that may fare differently from the whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from volano.core.errors import ConfigError
from volano.core.pages.numbers import figure
from volano.tasks.numbers import NumberOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.evals.config import EvaluateConfig
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Floats

__all__ = ["SLICE_PREFIX", "TRUTH", "indices", "length_band", "quarters", "slice_columns"]

SLICE_PREFIX = "slice:"  # of the columns of ``answers.parquet``
TRUTH = "truth"  # the field of slices by the size of the true number

_BANDS = ((20, "1-20"), (60, "21-60"), (200, "61-200"), (1000, "201-1000"))
REST = "(rest)"
MISSING = "(none)"


def slice_columns(
    test: pa.Table,
    config: EvaluateConfig,
    outcomes: Outcomes | None = None,
    *,
    is_table: bool = False,
) -> dict[str, list[str]]:
    """For each field to slice by, the slice of every test row, in row order.

    Args:
        test: the examples.
        config: names more columns: slices, and groups whose fairness is looked at.
        outcomes: true numbers are sliced by their size too.
        is_table: whether columns of numbers are sliced by quarters.

    Raises:
        ConfigError: a column is named that the source does not have.
    """
    columns: dict[str, list[str]] = {}
    has = set(test.column_names)
    for name in ("group", "language", "source"):
        if name in has:
            columns[name] = _few(test.column(name).to_pylist(), config.slice_values)
    if "num_chars" in has:
        columns["length"] = [length_band(count) for count in test.column("num_chars").to_pylist()]
    if "near_train" in has:
        columns["near_train"] = [_said(flag) for flag in test.column("near_train").to_pylist()]
    if isinstance(outcomes, NumberOutcomes):
        columns[TRUTH] = quarters(outcomes.truth_N)
    fields = test.column("fields").combine_chunks()
    names = [fields.type.field(place).name for place in range(fields.type.num_fields)]
    wanted = {"slices": config.slices, "fairness.fields": config.fairness.fields}
    for key, asked in wanted.items():
        for name in asked:
            if name not in names:
                raise ConfigError.among("column", name, names, where=f"evaluate.{key}")
            columns[name] = _of_field(fields.field(name), config.slice_values, is_table=is_table)
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def _of_field(column: pa.Array, most: int, *, is_table: bool) -> list[str]:
    """The values of a column; of a table's numbers, where many differ, the quarters."""
    values = column.to_pylist()
    if not is_table or len(set(map(_said, values))) <= most:
        return _few(values, most)
    import pyarrow as pa

    from volano.models.column_kinds import kinds_of, read_numbers

    if kinds_of(pa.table({"column": column}))["column"].kind != "number":
        return _few(values, most)
    return quarters(read_numbers(column))


def quarters(value_N: Floats) -> list[str]:
    """The quarter of each number among all; where many are equal there are fewer.

    >>> quarters(np.array([1.0, 2.0, 3.0, 4.0, np.nan]))
    ['Q1 ≤ 1.75', 'Q2 ≤ 2.5', 'Q3 ≤ 3.25', 'Q4 > 3.25', '(none)']
    """
    known = value_N[np.isfinite(value_N)]
    if not known.size:
        return [MISSING] * len(value_N)
    edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75)))
    edges = edges[edges < known.max()]
    ends = [figure(edge) for edge in edges.tolist()]
    names = [f"Q{place} ≤ {end}" for place, end in enumerate(ends, start=1)]
    last = f"Q{len(ends) + 1} > {ends[-1]}" if ends else figure(float(known.max()))
    named = [*names, last]
    places = np.searchsorted(edges, value_N, side="left").tolist()
    is_known = np.isfinite(value_N).tolist()
    return [
        named[place] if known else MISSING for place, known in zip(places, is_known, strict=True)
    ]


def length_band(num_chars: int | None) -> str:
    """The band of a text's length, in characters: the same bands for every data set."""
    for most, band in _BANDS:
        if (num_chars or 0) <= most:
            return band
    return "over 1000"


def _few(values: Sequence[object], most: int) -> list[str]:
    said = [_said(value) for value in values]
    kept = {value for value, _ in Counter(said).most_common(most)}
    return [value if value in kept else REST for value in said]


def _said(value: object) -> str:
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def indices(columns: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], list[int]]:
    """The rows of each slice, slices in a stable order."""
    rows: dict[tuple[str, str], list[int]] = {}
    for name, values in columns.items():
        for row, value in enumerate(values):
            rows.setdefault((name, value), []).append(row)
    return dict(sorted(rows.items()))
