from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.core.seeds import unit_interval
from volano.data import split as law
from volano.data.config import SplitConfig
from volano.data.split_law import components
from volano.data.split_rows import HELD, SPLITS, SplitRows

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = SplitConfig()


@dataclass(frozen=True)
class SplitRow:
    id: str
    labels: tuple[str, ...] = ()
    given: str = ""
    old: str = ""
    can_be_held: bool = True
    is_from_source: bool = True
    unit: str = ""
    moment: float | None = None


class Assigned(NamedTuple):
    splits: tuple[str | None, ...]
    dropped: dict[int, tuple[str, str]]


def assign(
    rows: Sequence[SplitRow], pairs: Sequence[tuple[int, int]], config: SplitConfig, seed: int
) -> Assigned:
    """The law on rows written one by one."""
    targets = sorted({row.labels for row in rows} - {()})
    units = sorted({row.unit for row in rows} - {""})
    columns = SplitRows(
        ids=pa.chunked_array([[row.id for row in rows]], pa.string()),
        labels=np.array([targets.index(r.labels) if r.labels else -1 for r in rows], np.int32),
        targets=targets,
        given=np.array([SPLITS.index(row.given) for row in rows], np.int8),
        old=np.array([SPLITS.index(row.old) for row in rows], np.int8),
        can_be_held=np.array([row.can_be_held for row in rows], bool),
        is_from_source=np.array([row.is_from_source for row in rows], bool),
        units=np.array([units.index(r.unit) if r.unit else -1 for r in rows], np.int64),
        moments=np.array([row.moment for row in rows], np.float64),
    )
    found = law.assign(columns, np.array(pairs, np.int64).reshape(-1, 2), config, seed)
    return Assigned(tuple(SPLITS[n] or None for n in found.splits.tolist()), found.dropped)


def many(label: str, count: int) -> list[SplitRow]:
    return [SplitRow(f"{label}-{number}", (label,)) for number in range(count)]


def test_a_first_split_has_the_shares_asked_for_in_every_label() -> None:
    rows = [*many("a", 100), *many("b", 50), *many("c", 10)]
    splits = assign(rows, [], CONFIG, 0).splits
    counts = Counter((row.labels[0], split) for row, split in zip(rows, splits, strict=True))
    assert [counts[label, "test"] for label in "abc"] == [20, 10, 2]
    assert [counts[label, "validation"] for label in "abc"] == [10, 5, 1]


def test_a_label_with_five_examples_has_a_test_example() -> None:
    assert "test" in assign(many("a", 5), [], SplitConfig(test=0.05), 0).splits


def test_a_label_with_one_example_is_training() -> None:
    assert assign(many("a", 1), [], SplitConfig(test=0.9, validation=0), 0).splits == ("train",)


def test_the_order_of_rows_does_not_change_the_split() -> None:
    rows = [*many("a", 40), *many("b", 17)]
    forwards = assign(rows, [(0, 1), (1, 2)], CONFIG, 0).splits
    last = len(rows) - 1
    backwards = assign(rows[::-1], [(last, last - 1), (last - 1, last - 2)], CONFIG, 0).splits
    assert forwards == backwards[::-1]


def test_another_seed_gives_another_split() -> None:
    rows = many("a", 100)
    assert assign(rows, [], CONFIG, 0).splits != assign(rows, [], CONFIG, 1).splits


def test_a_new_row_like_a_training_row_is_training() -> None:
    rows = [SplitRow("old", ("a",), old="train"), SplitRow("new", ("a",))]
    assert assign(rows, [(0, 1)], SplitConfig(test=0.9, validation=0), 0).splits[1] == "train"


def test_a_new_source_row_like_a_test_row_joins_the_test() -> None:
    rows = [SplitRow("old", ("a",), old="test"), SplitRow("new", ("a",))]
    assert assign(rows, [(0, 1)], CONFIG, 0).splits[1] == "test"


def test_an_informative_pick_like_a_test_row_is_dropped() -> None:
    rows = [SplitRow("old", ("a",), old="test"), SplitRow("new", ("a",), can_be_held=False)]
    assert assign(rows, [(0, 1)], CONFIG, 0).dropped == {1: ("too-like-test", "old")}


def test_a_row_between_training_and_test_is_dropped() -> None:
    rows = [
        SplitRow("x", ("a",), old="train"),
        SplitRow("y", ("a",), old="test"),
        SplitRow("new", ("a",)),
    ]
    assert assign(rows, [(0, 2), (1, 2)], CONFIG, 0).dropped == {2: ("between-splits", "x y")}


def test_a_chain_from_training_to_test_is_cut_at_the_test() -> None:
    rows = [
        SplitRow("x", ("a",), old="train"),
        SplitRow("y", ("a",), old="test"),
        SplitRow("beside-x", ("a",)),
        SplitRow("beside-y", ("a",)),
    ]
    assigned = assign(rows, [(0, 2), (2, 3), (3, 1)], CONFIG, 0)
    assert assigned.splits[2] == "train"
    assert assigned.dropped == {3: ("too-like-test", "y")}


def test_a_training_row_edited_into_a_test_row_is_dropped() -> None:
    rows = [SplitRow("x", ("a",), old="train"), SplitRow("y", ("a",), old="test")]
    assert assign(rows, [(0, 1)], CONFIG, 0).dropped == {0: ("too-like-test", "y")}


def test_rows_of_one_subject_stay_together() -> None:
    rows = [SplitRow(f"r{n}", ("a",), unit=f"customer-{n % 20}") for n in range(200)]
    splits = assign(rows, [], CONFIG, 0).splits
    by_unit = defaultdict(set)
    for row, split in zip(rows, splits, strict=True):
        by_unit[row.unit].add(split)
    assert all(len(found) == 1 for found in by_unit.values())
    assert 20 <= splits.count("test") <= 60


def test_the_latest_rows_are_the_test_of_a_split_by_time() -> None:
    rows = [SplitRow(f"r{n}", ("a",), moment=float(n)) for n in range(100)]
    splits = assign(rows, [], SplitConfig(by_time=True), 0).splits
    assert splits == ("train",) * 70 + ("validation",) * 10 + ("test",) * 20


def test_a_given_test_file_is_the_whole_test() -> None:
    rows = [*many("a", 100), *(SplitRow(f"t{n}", ("a",), given="test") for n in range(10))]
    splits = assign(rows, [(0, 105)], CONFIG, 0).splits
    assert splits[100:] == ("test",) * 10
    assert Counter(splits[:100]) == {"train": 90, "validation": 10}


def test_feedback_like_a_row_of_a_given_test_file_is_dropped() -> None:
    rows = [
        SplitRow("t", ("a",), given="test"),
        SplitRow("f", ("a",), can_be_held=False, is_from_source=False),
    ]
    assert assign(rows, [(0, 1)], CONFIG, 0).dropped == {1: ("too-like-test", "t")}


def test_rows_are_asked_in_the_order_of_their_draws() -> None:
    rows = many("a", 500)
    ranked = sorted(rows, key=lambda row: (unit_interval(3, "split", row.id), row.id))
    splits = assign(ranked, [], CONFIG, 3).splits
    assert splits == ("test",) * 100 + ("validation",) * 50 + ("train",) * 350


def test_an_unlabelled_row_is_in_no_split() -> None:
    assert assign([SplitRow("x"), *many("a", 5)], [], CONFIG, 0).splits[0] is None


ROW = st.builds(
    SplitRow,
    id=st.integers(0, 60).map(lambda n: f"r{n}"),
    labels=st.sampled_from([("a",), ("b",), ("a", "b"), ("c",)]),
    can_be_held=st.booleans(),
    unit=st.sampled_from(["", "", "", "u1", "u2", "u3", "u4"]),
)
TURN = st.tuples(
    st.lists(ROW, min_size=1, max_size=40, unique_by=lambda row: row.id),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=25),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(turns=st.lists(TURN, min_size=1, max_size=5), seed=st.integers(0, 3))
def test_over_many_turns_no_row_moves_no_unit_straddles_and_no_pick_is_tested(
    turns: list[tuple[list[SplitRow], list[tuple[int, int]]]], seed: int
) -> None:
    """Rows come, go, come back, and are edited (other pairs, other units) from turn to turn."""
    before: dict[str, str] = {}
    for found, drawn in turns:
        rows = [replace(row, old=before.get(row.id, "")) for row in found]
        pairs = [(a, b) for a, b in drawn if a != b and max(a, b) < len(rows)]
        assigned = assign(rows, pairs, CONFIG, seed)
        kept = {p: s for p, s in enumerate(assigned.splits) if p not in assigned.dropped}
        for place, split in kept.items():
            row = rows[place]
            assert split in {"train", *HELD}
            assert not row.old or split == row.old
            assert row.can_be_held or row.old == split or split == "train"
        edges = [*pairs, *_unit_edges(rows, kept)]
        for together in components(kept, edges):
            assert len({kept[place] for place in together}) == 1
        before |= {rows[place].id: str(split) for place, split in kept.items()}


def _unit_edges(rows: list[SplitRow], kept: dict[int, str | None]) -> list[tuple[int, int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place in kept:
        if rows[place].unit:
            places[rows[place].unit].append(place)
    return [(found[0], place) for found in places.values() for place in found]


@pytest.mark.parametrize("outside", [{"labels": ()}, {"labels": ("a",), "given": "test"}])
def test_labelled_rows_that_hang_together_through_rows_outside_stay_on_one_side(
    outside: dict[str, Any],
) -> None:
    rows = [SplitRow(f"{n}", ("a",)) if n % 2 else SplitRow(f"{n}", **outside) for n in range(200)]
    pairs = [(n, n + 1) for n in range(len(rows) - 1)]
    rows += many("a", 400)
    splits = assign(rows, pairs, CONFIG, 0).splits
    assert len({splits[n] for n in range(1, 200, 2)}) == 1


def test_a_new_row_follows_the_split_that_it_reaches_through_an_unlabelled_row() -> None:
    rows = [
        SplitRow("old", ("a",), old="test"),
        SplitRow("unlabelled"),
        SplitRow("new", ("a",)),
        SplitRow("informative", ("a",), can_be_held=False),
    ]
    found = assign(rows, [(0, 1), (1, 2), (1, 3)], SplitConfig(test=0, validation=0), 0)
    assert found.splits[2] == "test"
    assert found.dropped == {3: ("too-like-test", "")}


def test_a_row_that_an_unlabelled_row_joins_to_both_sides_is_training() -> None:
    rows = [
        SplitRow("x", ("a",), old="train"),
        SplitRow("y", ("a",), old="test"),
        SplitRow("unlabelled"),
        SplitRow("new", ("a",)),
    ]
    pairs = [(0, 2), (1, 2), (2, 3)]
    found = assign(rows, pairs, SplitConfig(test=0.9, validation=0), 0)
    assert found == (("train", "test", None, "train"), {})
