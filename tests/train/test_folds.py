"""Which rows a dear learner is held out on, and learners of tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from tests.tiny import table_set, training_set

from volano.models.rows import ArrowRows
from volano.train.config import TrainConfig
from volano.train.folds import NEVER, held_rows, table_folds
from volano.train.learner import Lesson, TrainingSet
from volano.train.targets import ArrowTargets

if TYPE_CHECKING:
    from collections.abc import Sequence


def rows(number: int, units: Sequence[int] | None = None) -> TrainingSet:
    return training_set([f"text {n}" for n in range(number)], ["a", "b"] * (number // 2), units)


def test_enough_validation_rows_are_what_is_held_out() -> None:
    assert held_rows(Lesson(rows(40), rows(100)), 0).tolist() == list(range(40, 140))


@pytest.mark.parametrize("num_valid", [0, 98])
def test_of_many_rows_a_tenth_is_held_out_and_every_label_is_in_it(num_valid: int) -> None:
    lesson = Lesson(rows(1000 - num_valid), rows(num_valid, range(1000, 1000 + num_valid)))
    held_H = held_rows(lesson, 0)
    assert held_H.size == 100
    assert lesson.rows.truth_NC[held_H].sum(axis=0).tolist() == [50, 50]
    assert held_rows(lesson, 0).tolist() == held_H.tolist()
    assert held_rows(lesson, 1).tolist() != held_H.tolist()


def test_rows_of_one_person_are_held_out_together() -> None:
    lesson = Lesson(rows(1200, [row // 4 for row in range(1200)]), rows(0))
    held_H = held_rows(lesson, 0)
    others_N = np.setdiff1d(np.arange(1200), held_H)
    assert held_H.size
    assert not np.intersect1d(lesson.rows.unit_N[held_H], lesson.rows.unit_N[others_N]).size


def test_somebody_who_wrote_most_rows_is_not_what_is_held_out() -> None:
    most = Lesson(rows(1200, [0] * 800 + list(range(1, 401))), rows(0))
    for seed in range(12):
        assert held_rows(most, seed).size == 0  # what is left falls into parts of forty
    some = Lesson(rows(2000, [0] * 400 + list(range(1, 1601))), rows(0))
    for seed in range(12):
        assert 150 <= held_rows(some, seed).size <= 170


def test_few_rows_are_all_needed() -> None:
    assert held_rows(Lesson(rows(900), rows(98)), 0).size == 0


CONFIG = TrainConfig(folds=5, seed=0)


def table(number: int, is_number: bool = False, units: Sequence[int] | None = None) -> TrainingSet:
    targets: list[object] = [n / 7 if is_number else "ab"[n % 2] for n in range(number)]
    return table_set(pa.table({"x": np.arange(number)}), targets, units)


def test_rows_of_a_table_are_each_held_out_once() -> None:
    fold_N = table_folds(Lesson(table(200), table(50, units=range(200, 250))), CONFIG)
    assert np.bincount(fold_N).tolist() == [50] * 5


def test_every_fold_holds_small_numbers_and_large_ones() -> None:
    rows = table(1000, is_number=True)
    fold_N = table_folds(Lesson(rows, table(0, is_number=True)), CONFIG)
    means = [rows.number_N[fold_N == fold].mean() for fold in range(5)]
    assert np.ptp(means) < 0.02 * np.ptp(rows.number_N)


def test_of_many_rows_of_a_table_one_part_is_held_out_and_units_stay_together() -> None:
    units = (np.arange(60_000) // 3).tolist()
    rows = table(60_000, units=units)
    fold_N = table_folds(Lesson(rows, table(0)), CONFIG)
    held = fold_N == 0
    assert set(fold_N.tolist()) == {NEVER, 0}
    assert held.mean() == pytest.approx(0.2, abs=0.01)
    assert not np.intersect1d(rows.unit_N[held], rows.unit_N[~held]).size


def test_of_very_many_rows_no_more_are_held_out_than_tell_something() -> None:
    num = 300_000
    labels = pa.array(["a", "b"]).take(pa.array(np.arange(num) % 2))
    lists = pa.chunked_array(
        [pa.ListArray.from_arrays(pa.array(range(num + 1), pa.int32()), labels)]
    )
    numbers = {"unit_N": np.arange(num), "weight_N": np.ones(num)}
    many = ArrowRows(pa.table({"x": np.arange(num)})), ArrowTargets(lists)
    rows = replace(table(2), rows=many[0], targets=many[1], **numbers)
    fold_N = table_folds(Lesson(rows, table(0)), CONFIG)
    assert (fold_N == 0).sum() == pytest.approx(50_000, rel=0.01)


def test_where_the_future_is_foretold_only_the_latest_rows_are_held_out() -> None:
    lesson = Lesson(table(300), table(120), is_forward=True)
    assert table_folds(lesson, CONFIG).tolist() == [NEVER] * 300 + [0] * 120
    few = Lesson(table(300), table(20), is_forward=True)
    assert NEVER not in table_folds(few, CONFIG)
