"""Targets in Arrow say what the same targets in lists say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from tests.tiny import table_set

from volano.tasks.numbers import number_text
from volano.train.targets import (
    ArrowTargets,
    class_numbers,
    count_labels,
    label_names,
    read_numbers,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SEVERAL = [("joy", "爱"), ("anger",), ("joy",), (), ("爱",)]


def in_arrow(targets: Sequence[Sequence[str]], size: int = 2) -> ArrowTargets:
    kind = pa.list_(pa.string())
    parts = [targets[begin : begin + size] for begin in range(0, len(targets), size)]
    return ArrowTargets(pa.chunked_array([pa.array(list(map(list, p)), kind) for p in parts], kind))


def test_labels_and_truth_are_the_same_over_pieces_of_arrow() -> None:
    found = in_arrow(SEVERAL)
    assert label_names(found) == label_names(SEVERAL) == ("anger", "joy", "爱")
    assert count_labels(found) == {"anger": 1, "joy": 2, "爱": 2}
    truth = truth_of(found, label_names(found))
    np.testing.assert_array_equal(truth, truth_of(SEVERAL, label_names(SEVERAL)))
    assert truth.astype(int).tolist() == [[0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_one_label_a_row_is_a_number_a_row() -> None:
    targets = [("b",), ("a",), ("c",), ("a",)]
    assert class_numbers(in_arrow(targets), ("a", "b", "c")).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("number", [0.1, -3.0, 1e-300, 2.5e17, 123456789.123456789, 1 / 3])
def test_numbers_keep_their_last_digit(number: float) -> None:
    assert read_numbers(in_arrow([(number_text(number),)]))[0] == number


def test_a_slice_and_a_row_are_what_they_were() -> None:
    found = in_arrow(SEVERAL)
    assert found[0] == ("joy", "爱")
    assert list(found[1:3]) == [("anger",), ("joy",)]


def test_rows_of_both_splits_stay_in_arrow() -> None:
    table = pa.table({"age": [1, 2, 3], "tier": ["a", None, "b"]})
    first = table_set(table, ["x", "y", "x"])
    second = table_set(table.slice(0, 2), ["y", "y"])
    both = first.with_rows_of(second)
    assert both.table.to_pylist() == [*table.to_pylist(), *table.to_pylist()[:2]]
    assert both.class_N.tolist() == [0, 1, 0, 1, 1]
    assert both.columns == ("age", "tier")
