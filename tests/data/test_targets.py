from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from volano.data.rows import LabelCells
from volano.data.targets import NumberTargets, number_bins, number_targets
from volano.tasks import LabelsConfig, TabularClassification, TabularRegression
from volano.tasks.numbers import number_text

REGRESSION = TabularRegression()


def test_each_number_has_one_place_in_whatever_portions_numbers_come() -> None:
    chance = np.random.default_rng(0)
    values = np.round(chance.normal(size=3_000), 2)
    values[::7] = np.nan
    targets = NumberTargets()
    found = np.concatenate([targets.add(part) for part in np.array_split(values, 11)])
    is_there = ~np.isnan(values)
    assert (targets.values[found[is_there]] == values[is_there] + 0.0).all()
    assert (found[~is_there] == -1).all()
    assert len(targets) == len(np.unique(values[is_there] + 0.0))


def test_minus_zero_is_zero() -> None:
    targets = NumberTargets()
    assert targets.add(np.array([0.0, -0.0, 1.5])).tolist() == [0, 0, 1]
    assert [targets[0], targets[1]] == [("0",), ("1.5",)]


@pytest.mark.parametrize(
    "cells",
    [
        ["1.5", " 2 ", "", None, "-3e2", ".5", "7."],
        ["1.5", "1,250.50", "+4", " ", None],  # these are read one by one
        [1.5, None, 2.0, float("nan")],
        [1, 2, None, 3],
        [True, False, None],
    ],
)
def test_cells_are_read_as_the_task_reads_them(cells: list[object]) -> None:
    labels = LabelCells(REGRESSION, ())
    numbers = labels.read(pa.chunked_array([pa.array(cells)]))
    expected = [REGRESSION.read_target(cell) for cell in cells]
    assert [labels.targets[n] if n >= 0 else None for n in numbers.tolist()] == expected
    assert not labels.faults


def test_a_cell_that_is_no_number_is_a_fault_and_the_others_are_read() -> None:
    labels = LabelCells(REGRESSION, ())
    numbers = labels.read(pa.chunked_array([pa.array(["1", "dear", "inf", "2"])]))
    assert numbers.tolist() == [0, -2, -3, 1]
    assert len(labels.faults) == 2
    assert "'dear' is no number" in labels.faults[0]


def test_numbers_go_into_a_column_and_come_back_to_the_last_digit() -> None:
    values = np.array([0.1, 1e300, -2.5, 3.0, 1 / 3, 123456789.125])
    targets = NumberTargets()
    numbers = np.append(targets.add(values), -1).astype(np.int32)
    column = targets.column(numbers, REGRESSION.target_type)
    assert column.to_pylist() == [[number_text(v)] for v in values.tolist()] + [None]
    again, found = number_targets(pa.chunked_array([column]), REGRESSION)
    assert [found[n] for n in again[:-1].tolist()] == [(number_text(v),) for v in values.tolist()]
    assert again[-1] == -1


def test_labels_are_numbered_as_they_were() -> None:
    column = pa.chunked_array([[["b"], ["a"], None, ["b"]]], pa.list_(pa.string()))
    task = TabularClassification(LabelsConfig())
    numbers, targets = number_targets(column, task)
    assert [targets[n] if n >= 0 else None for n in numbers.tolist()] == [
        ("b",),
        ("a",),
        None,
        ("b",),
    ]


def test_bins_hold_about_as_many_rows_each_and_are_few_for_few_rows() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=1_000))
    numbers = np.arange(1_000, dtype=np.int32)
    counts = np.bincount(number_bins(values, numbers))
    assert len(counts) == 10
    assert counts.min() >= 95
    assert number_bins(values, numbers[:15]).max() == 0
    mostly_nothing = np.array([0.0, 5.0, 7.0])
    many = np.array([0] * 900 + [1] * 50 + [2] * 50 + [-1], np.int32)
    binned = number_bins(mostly_nothing, many)
    assert binned[-1] == -1
    assert len(set(binned[:900])) == 1
    assert binned[0] != binned[-2]
