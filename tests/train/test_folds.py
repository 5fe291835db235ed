"""Which rows a dear learner is held out on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.tiny import training_set

from volano.train.folds import held_rows
from volano.train.learner import Lesson, TrainingSet

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
