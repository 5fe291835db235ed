from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from volano.data.steps import column_power
from volano.data.steps.column_power import Labels, Numbers
from volano.data.steps.table_leaks import Leak, find_leaks
from volano.models.column_kinds import kinds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROWS = 3_000
CHANCE = np.random.default_rng(0)
IS_BAD = CHANCE.random(ROWS) < 0.3
NOISE = CHANCE.normal(size=ROWS)
LABELS = Labels(IS_BAD.astype(np.int64), ("good", "bad"))


def leaks(target: Labels | Numbers, **columns: Any) -> list[Leak]:
    table = pa.table({name: pa.array(cells, from_pandas=True) for name, cells in columns.items()})
    return find_leaks(table, target, kinds_of(table))


def told(found: Sequence[Leak]) -> list[tuple[str, tuple[str, ...]]]:
    return [(leak.kind, leak.columns) for leak in found]


def months(first: int, last: int) -> NDArray[Any]:
    chance = np.random.default_rng(1)
    day, month = chance.integers(1, 29, ROWS), chance.integers(first, last, ROWS)
    return np.array([f"2024-{m:02}-{d:02}" for m, d in zip(month, day, strict=True)])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (np.where(IS_BAD, "C", "A"), "alone says the target in 100.0% of rows"),
        (np.where(IS_BAD, 1.0, 0.0) + 0.1 * NOISE, "alone says the target in 99.9% of rows"),
        (np.where(IS_BAD & (NOISE > 0), "too dear", None), "filled almost only where the label is"),
        (np.where(IS_BAD, NOISE, np.nan), "filled almost only where the label is 'bad'"),
        (np.where(IS_BAD & (NOISE > 0), np.nan, NOISE), "empty almost only where the label is"),
        (np.where(IS_BAD, months(7, 13), months(1, 7)), "The time 'x' alone says the label"),
    ],
)
def test_a_column_that_gives_the_label_away_is_bad_and_named(
    cells: NDArray[Any], said: str
) -> None:
    found = leaks(LABELS, x=cells, noise=NOISE)
    assert told(found) == [("bad", ("x",))]
    assert said in found[0].said
    assert "data.fields.ignore: [x]" in found[0].said


def test_a_strong_column_that_does_not_say_all_is_only_suspected_with_its_figure() -> None:
    grade = np.where(CHANCE.random(ROWS) < 0.01, ~IS_BAD, IS_BAD)
    (leak,) = leaks(LABELS, grade=np.where(grade, "C", "A"), noise=NOISE)
    assert (leak.kind, leak.values["metric"]) == ("warn", "accuracy")
    assert "reaches accuracy 0.9" in leak.said
    (leak,) = leaks(LABELS, score=np.where(IS_BAD, 3.9, 0.0) + NOISE)
    assert (leak.kind, leak.values["metric"]) == ("warn", "AUC")


def test_a_column_of_whose_rows_they_are_is_told_as_one() -> None:
    whose = np.where(IS_BAD, CHANCE.integers(0, 300, ROWS), CHANCE.integers(300, 1_000, ROWS))
    (leak,) = leaks(LABELS, owner=[f"c{n}" for n in whose])
    assert (leak.kind, leak.columns) == ("warn", ("owner",))
    assert "data.fields.subject" in leak.said


def test_names_of_rows_say_nothing_of_the_label() -> None:
    names = [f"{'B' if bad else 'G'}{n:06}" for n, bad in enumerate(IS_BAD)]
    assert told(leaks(LABELS, name=names)) == [("info", ("name",))]


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda a, b: a + b, "a + b"),
        (lambda a, b: a - b, "a - b"),
        (lambda a, b: b - a, "b - a"),
        (lambda a, b: np.round(a * b, 2), "a × b"),
        (lambda a, b: a / (b + 1), ""),
    ],
)
def test_columns_that_make_up_a_number_are_named_together(make: Any, formula: str) -> None:
    chance = np.random.default_rng(2)
    a, b = np.round(chance.lognormal(3, 1, ROWS), 2), chance.integers(1, 90, ROWS).astype(float)
    found = leaks(Numbers(make(a, b)), noise=NOISE, a=a, b=b)
    assert [leak.values["formula"] for leak in found if leak.kind == "bad"] == [formula] * bool(
        formula
    )


def test_a_sum_of_three_parts_is_found_and_one_with_noise_is_not() -> None:
    chance = np.random.default_rng(3)
    a, b, c = np.round(chance.random((3, ROWS)) * 100, 2)
    (leak,) = leaks(Numbers(np.round(a + b - 2 * c, 2)), noise=NOISE, a=a, b=b, c=c)
    assert leak.values["formula"] == "a + b - 2 c"
    assert leaks(Numbers(a + b - 2 * c + NOISE), a=a, b=b, c=c) == []


@pytest.mark.parametrize("make", [np.copy, np.log, lambda y: -(y**3), lambda y: np.round(y, 1)])
def test_a_copy_or_a_function_of_a_number_is_found(make: Any) -> None:
    chance = np.random.default_rng(4)
    values = chance.lognormal(3, 1, ROWS)
    (leak,) = leaks(Numbers(values), x=make(values), noise=NOISE)
    assert (leak.kind, leak.columns) == ("bad", ("x",))
    assert "rank correlation" in leak.said


def test_a_column_of_words_that_stand_for_a_number_is_suspected() -> None:
    values = CHANCE.integers(0, 9, ROWS).astype(float)
    (leak,) = leaks(Numbers(values), band=[f"band {int(v)}" for v in values])
    assert (leak.kind, leak.values["metric"]) == ("warn", "R2")


@pytest.mark.parametrize(
    "name", ["load_breast_cancer", "load_iris", "load_wine", "load_digits", "load_diabetes"]
)
def test_honest_columns_are_no_leaks(name: str) -> None:
    found = getattr(datasets, name)()
    order = np.random.default_rng(0).permutation(len(found.target))
    columns = {str(n): found.data[order, i] for i, n in enumerate(found.feature_names)}
    target = found.target[order]
    if name == "load_diabetes":
        assert leaks(Numbers(target.astype(float)), **columns) == []
    else:
        names = tuple(map(str, np.unique(target)))
        assert leaks(Labels(target.astype(np.int64), names), **columns) == []


def test_a_few_rows_or_one_label_tell_nothing() -> None:
    few = Labels(np.array([0, 1] * 10), ("a", "b"))
    assert leaks(few, x=[0, 1] * 10) == []
    assert leaks(Labels(np.zeros(100, np.int64), ("a",)), x=list(range(100))) == []
    assert leaks(Numbers(np.ones(100)), x=np.ones(100), z=np.arange(100.0)) == []


def test_names_that_yaml_would_misread_are_quoted_in_the_line_to_write() -> None:
    cells = np.where(IS_BAD, "C", "A")
    (leak,) = leaks(LABELS, **{"a: b": cells})
    assert 'data.fields.ignore: ["a: b"]' in leak.said


def test_ranks_and_chances_are_those_of_scipy() -> None:
    from scipy.stats import binom, rankdata

    values = np.round(CHANCE.normal(size=500), 1)
    assert (column_power._ranks(values) == rankdata(values)).all()
    for count, hits, usual in ((40, 40, 0.5), (400, 390, 0.7), (50, 20, 0.5)):
        bound = column_power._chance(hits / count, usual, count)
        assert binom.sf(hits - 1, count, usual) <= bound <= 1.0
