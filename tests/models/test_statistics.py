from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from volano.core.errors import StoreError
from volano.models.statistics import STATISTICS, Measure, Statistics, rounded_apart

if TYPE_CHECKING:
    from pathlib import Path

    from volano.models.column_kinds import Kind
    from volano.models.statistics import Aspect

JOBS = np.array(["nurse", "clerk", "driver", "baker", "owner"])
SHARES = [0.4, 0.3, 0.2, 0.07, 0.03]


def measure(
    cells: Any, kind: Kind = "number", aspect: Aspect = "value", units: Any = None
) -> Measure:
    column = pa.array(cells)
    people = np.arange(len(column)) if units is None else np.asarray(units)
    return Measure.of("x", aspect, kind, column, people)


def test_numbers_are_in_tenths_with_the_missing_ones_beside() -> None:
    rng = np.random.default_rng(0)
    cells = [None if n % 10 == 0 else float(one) for n, one in enumerate(rng.normal(size=5000))]
    found = measure(cells)
    assert len(found.edges) == 9
    assert found.shares[-1] == pytest.approx(0.1)
    assert found.shares[:-1] == pytest.approx([0.09] * 10, abs=0.02)
    assert sum(found.shares) == pytest.approx(1.0, abs=1e-5)
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(-2.3, abs=0.3)
    assert found.high == pytest.approx(2.3, abs=0.3)


def test_no_cell_of_one_person_is_quoted() -> None:
    """Somebody with a tenth of the rows, a number of their own, a date and an employer."""
    rng = np.random.default_rng(1)
    paid = np.round(rng.uniform(10, 99, 400), 2)
    units = np.arange(400)
    theirs = np.arange(400) % 10 == 0
    paid[theirs], units[theirs] = 773311.25, 7
    days = [f"{1990 + n % 30}-05-{10 + n % 17}" for n in range(400)]
    since = ["1931-07-19" if own else day for own, day in zip(theirs, days, strict=True)]
    works = np.where(theirs, "quizzleworks", rng.choice(["mill", "bank"], 400))
    found = [
        measure(paid, units=units),
        measure(since, "date", units=units),
        measure(works, "category", units=units),
    ]
    told = json.dumps([one.__dict__ for one in found])
    assert "773311" not in told
    assert "quizzleworks" not in told
    assert found[2].levels == ("bank", "mill") or found[2].levels == ("mill", "bank")
    assert found[2].shares[2] == pytest.approx(0.1)  # their rows are among all others
    assert not {-14046.0, -14045.0} & {*found[1].edges, found[1].low, found[1].high}
    cells = set(paid.tolist())
    assert not cells & {*found[0].edges, found[0].low, found[0].high}


def test_numbers_are_rounded_but_stay_apart() -> None:
    assert rounded_apart([0.0, 1.0, 2.0]) == [0.0, 1.0, 2.0]
    epochs = rounded_apart([1_600_000_123.0, 1_600_003_456.0, 1_600_009_876.0])
    assert epochs == [1_600_000_100.0, 1_600_003_500.0, 1_600_010_000.0]
    found = rounded_apart(np.sort(np.random.default_rng(2).lognormal(0, 6, 200)))
    assert found == sorted(set(found))
    assert rounded_apart([-1e308, 1e308])
    assert rounded_apart([]) == []


@pytest.mark.parametrize("num", [30, 50, 100, 400])
def test_rows_drawn_by_chance_have_hardly_ever_moved(num: int) -> None:
    rng = np.random.default_rng(3)
    number = measure(rng.normal(size=3000))
    job = measure(rng.choice(JOBS, 3000, p=SHARES), "category")
    cries = 0
    for _ in range(100):
        drawn = pa.array(rng.normal(size=num)), pa.array(rng.choice(JOBS, num, p=SHARES))
        for known, cells in zip((number, job), drawn, strict=True):
            cries += known.moved(known.count(cells), num, 2).is_moved
    assert cries <= 2


def test_rows_that_have_moved_are_found_and_the_part_is_named() -> None:
    rng = np.random.default_rng(4)
    number = measure(rng.normal(size=3000))
    move = number.moved(number.count(pa.array(rng.normal(1.0, 1.0, 200))), 200)
    assert move.is_moved
    assert move.part == 9  # the highest tenth
    assert move.now > 2 * move.before
    job = measure(rng.choice(JOBS, 3000, p=SHARES), "category")
    assert job.levels == tuple(JOBS)
    new = pa.array(["astronaut"] * 60 + ["nurse"] * 40)
    move = job.moved(job.count(new), 100)
    assert move.is_moved
    assert (move.part, move.before, move.now) == (len(JOBS), 0.0, 0.6)
    gone = number.moved(number.count(pa.array([None] * 60 + [0.1] * 40, pa.float64())), 100)
    assert gone.is_moved
    assert gone.part == number.num_parts - 1


def test_many_rows_of_few_people_prove_little() -> None:
    rng = np.random.default_rng(5)
    number = measure(rng.normal(size=3000))
    cells = pa.array(np.repeat(rng.normal(size=6), 50))
    assert number.moved(number.count(cells), 300).is_moved
    assert not number.moved(number.count(cells), 6).is_moved


def test_the_index_is_that_of_its_definition() -> None:
    """Σ (now - before) · ln(now / before), where every part has rows enough."""
    known = measure(np.repeat(JOBS, 2000), "category")
    now = np.array([2000, 1000, 3000, 2500, 1500])
    cells = pa.array(np.repeat(np.array(known.levels), now))
    before = np.full(5, 0.2)
    share = now / now.sum()
    expected = ((share - before) * np.log(share / before)).sum()
    assert known.moved(known.count(cells), 10_000).psi == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", ["number", "category", "boolean", "date", "text", "id"])
def test_columns_without_any_cell_are_measured_too(kind: Kind) -> None:
    aspect: Aspect = {"text": "length", "id": "presence"}.get(kind, "value")  # type: ignore[assignment]
    for column in (pa.nulls(30), pa.array([None] * 30, pa.string()), pa.array([], pa.string())):
        found = Measure.of("x", aspect, kind, column, np.arange(len(column)))
        assert found.count(column).tolist()[-1] == len(column)
        assert not found.moved(found.count(column), 30).is_moved


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    parts = measure(rng.normal(size=100)), measure(rng.choice(JOBS, 100), "category")
    told = Statistics(100, 100, parts, parts[:1])
    assert Statistics.read(tmp_path) is None
    told.write(tmp_path)
    assert Statistics.read(tmp_path) == told
    first = (tmp_path / STATISTICS).read_bytes()
    told.write(tmp_path)
    assert (tmp_path / STATISTICS).read_bytes() == first


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path, content: str) -> None:
    (tmp_path / STATISTICS).write_text(content)
    with pytest.raises(StoreError, match=r"damaged|newer|format"):
        Statistics.read(tmp_path)
