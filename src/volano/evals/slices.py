"""Slices: parts of the test set that may fare differently from the whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from volano.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from volano.evals.config import EvaluateConfig

__all__ = ["SLICE_PREFIX", "indices", "length_band", "slice_columns"]

SLICE_PREFIX = "slice:"  # of the columns of ``answers.parquet``

_BANDS = ((20, "1-20"), (60, "21-60"), (200, "61-200"), (1000, "201-1000"))
REST = "(rest)"
MISSING = "(none)"


def slice_columns(test: pa.Table, config: EvaluateConfig) -> dict[str, list[str]]:
    """For each field to slice by, the slice of every test row, in row order.

    Raises:
        ConfigError: ``evaluate.slices`` names a column that the source does not have.
    """
    columns: dict[str, list[str]] = {}
    for name in ("group", "language", "source"):
        columns[name] = _few(test.column(name).to_pylist(), config.slice_values)
    columns["length"] = [length_band(count) for count in test.column("num_chars").to_pylist()]
    if "near_train" in test.column_names:
        columns["near_train"] = [_said(flag) for flag in test.column("near_train").to_pylist()]
    fields = test.column("fields").combine_chunks()
    names = [fields.type.field(place).name for place in range(fields.type.num_fields)]
    for name in config.slices:
        if name not in names:
            raise ConfigError.among("column", name, names, where="evaluate.slices")
        columns[name] = _few(fields.field(name).to_pylist(), config.slice_values)
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


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
