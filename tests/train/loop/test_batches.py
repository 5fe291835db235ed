from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.train.loop.batches import Batches, choose_rows
from volano.train.loop.config import LoopConfig


def batches_of(lengths: list[int]) -> Batches:
    return Batches(np.array(lengths, np.int64), lambda rows: {})


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=300),
    st.integers(1, 40),
    st.integers(16, 400),
    st.integers(0, 5),
)
def test_every_row_comes_once_under_both_limits(
    lengths: list[int], batch_rows: int, batch_tokens: int, epoch: int
) -> None:
    loop = LoopConfig(batch_rows=batch_rows, batch_tokens=batch_tokens)
    cut = batches_of(lengths).of_epoch(loop, 0, epoch)
    assert sorted(row for batch in cut for row in batch) == list(range(len(lengths)))
    for batch in cut:
        padded = max(lengths[row] for row in batch) * len(batch)
        assert len(batch) <= batch_rows
        assert padded <= batch_tokens or len(batch) == 1


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    loop, batches = LoopConfig(batch_rows=4), batches_of(list(range(1, 200)))
    first = batches.of_epoch(loop, 0, 0)
    np.random.seed(1)
    assert batches.of_epoch(loop, 0, 0) == first
    assert batches.of_epoch(loop, 0, 1) != first
    assert batches.of_epoch(loop, 1, 0) != first


def test_batches_of_like_length_pad_little() -> None:
    lengths = np.random.default_rng(0).geometric(0.06, 20_000).clip(1, 128)
    batches = Batches(lengths, lambda rows: {})
    cut = batches.of_epoch(LoopConfig(), 0, 0)
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in cut)
    assert padded / lengths.sum() < 1.1
    mixed = np.random.default_rng(0).permutation(lengths).reshape(-1, 32)
    assert mixed.max(axis=1).sum() * 32 / lengths.sum() > 3


@pytest.mark.parametrize("epoch", range(3))
def test_long_rows_come_neither_early_nor_late(epoch: int) -> None:
    lengths = np.random.default_rng(0).geometric(0.06, 20_000).clip(1, 128)
    cut = Batches(lengths, lambda rows: {}).of_epoch(LoopConfig(), 0, epoch)
    mean_B = np.array([lengths[batch].mean() for batch in cut])
    correlation = np.corrcoef(np.arange(len(cut)), mean_B)[0, 1]
    assert abs(correlation) < 3 / np.sqrt(len(cut))


def test_rows_meet_others_in_each_epoch() -> None:
    lengths = np.random.default_rng(0).geometric(0.06, 5_000).clip(1, 128)
    batches = Batches(lengths, lambda rows: {})
    pairs = [
        {(min(a, b), max(a, b)) for batch in cut for a, b in zip(batch, batch[1:], strict=False)}
        for cut in (batches.of_epoch(LoopConfig(), 0, epoch) for epoch in range(2))
    ]
    assert len(pairs[0] & pairs[1]) < 0.05 * len(pairs[0])


def test_few_rows_come_in_smaller_batches_unless_a_number_is_named() -> None:
    found = [choose_rows(LoopConfig(), num_rows)[0] for num_rows in (1, 60, 200, 512, 9000)]
    assert found == [8, 8, 12, 32, 32]
    assert choose_rows(LoopConfig(batch_rows=64), 500) == (64, "named in the project")
    assert max(map(len, batches_of([1] * 200).of_epoch(LoopConfig(), 0, 0))) == 12
