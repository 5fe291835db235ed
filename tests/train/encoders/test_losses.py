from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from volano.train.calibrate import log_loss, tempered_loss

if TYPE_CHECKING:
    import torch
    from torch import nn

pytestmark = pytest.mark.slow


def words_and_classifier() -> tuple[nn.Module, nn.Module]:
    """A network of one word table and one linear layer over the mean, on fixed weights."""
    import torch
    from torch import nn

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(50, 6), nn.Linear(6, 4)
            self.seen: list[torch.Tensor] = []

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            mask = attention_mask
            self.seen.append(self.words(input_ids))
            seen = self.seen[-1] * mask.unsqueeze(-1)
            return self.head(seen.sum(dim=1) / mask.sum(dim=1, keepdim=True))

    torch.manual_seed(0)
    module = Mean()
    return module, module.words


def a_batch(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    import torch

    ids = torch.tensor([[3, 9, 4], [7, 2, 0]])
    truth = torch.eye(4)[[1, 3]]
    weight = torch.ones(2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    return {"input_ids": ids, "attention_mask": mask, "truth": truth, "weight": weight, **more}


def test_smoothed_cross_entropy_is_that_of_torch() -> None:
    import torch
    from torch.nn import functional

    from volano.train.encoders.losses import RowLoss

    module, _ = words_and_classifier()
    batch = a_batch(weight=torch.tensor([0.5, 2.0]))
    values = module(batch["input_ids"], batch["attention_mask"])
    rows = functional.cross_entropy(
        values, torch.tensor([1, 3]), reduction="none", label_smoothing=0.1
    )
    expected = (rows * torch.tensor([0.5, 2.0])).sum()
    assert torch.allclose(RowLoss(False, 0.1)(module, batch), expected)


def test_several_labels_are_told_apart_one_by_one() -> None:
    import torch

    from volano.train.encoders.losses import RowLoss

    module, _ = words_and_classifier()
    truth = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    batch = a_batch(truth=truth)
    chance = module(batch["input_ids"], batch["attention_mask"]).sigmoid()
    expected = -(truth * chance.log() + (1 - truth) * (1 - chance).log()).sum()
    assert torch.allclose(RowLoss(True)(module, batch), expected)


def test_a_pupil_that_answers_as_its_teacher_has_nothing_to_learn_from_it() -> None:
    import torch

    from volano.train.encoders.losses import RowLoss

    module, _ = words_and_classifier()
    plain = a_batch()
    own = module(plain["input_ids"], plain["attention_mask"]).detach()
    for is_multiple in (False, True):
        loss = RowLoss(is_multiple, share=1.0, temperature=3.0)
        module.zero_grad()
        loss(module, a_batch(teacher=own)).backward()
        assert module.head.weight.grad.abs().max() < 1e-6  # type: ignore[union-attr,operator]
        module.zero_grad()
        loss(module, a_batch(teacher=own.flip(1) * 3)).backward()
        assert module.head.weight.grad.abs().max() > 1e-3  # type: ignore[union-attr,operator]
        half = RowLoss(is_multiple, share=0.0)
        assert torch.equal(half(module, a_batch(teacher=own)), half(module, plain))


@pytest.mark.parametrize("are_frozen", [False, True], ids=["words learn", "words are frozen"])
def test_moved_words_raise_the_loss_by_a_step_of_the_length_named(are_frozen: bool) -> None:
    import torch

    from volano.train.encoders.losses import RowLoss, fooled

    module, words = words_and_classifier()
    words.requires_grad_(not are_frozen)
    loss = RowLoss(False)
    plain = loss(module, a_batch()).item()
    both = fooled(loss, words, 0.5)(module, a_batch())
    # A first order step: the loss of the moved rows is above that of the rows as they are.
    assert both.item() > plain + 0.01
    both.backward()
    assert module.head.weight.grad is not None
    assert (words.weight.grad is None) == are_frozen  # type: ignore[union-attr]
    before, moved = (vectors.detach() for vectors in module.seen[-2:])  # type: ignore[union-attr]
    step = moved - before
    assert torch.allclose(step.flatten(1).norm(dim=1), torch.full((2,), 0.5), atol=1e-5)
    assert step[1, 2].abs().max() == 0, "padding stays where it is"
    assert loss(module, a_batch()).item() == pytest.approx(plain), "no hook is left behind"


def test_rows_are_padded_weighed_and_answered_in_their_order() -> None:
    import torch

    from volano.train.encoders.rows import Rows, answer
    from volano.train.encoders.shaping import weigh
    from volano.train.loop.precision import choose_arithmetic

    module, _ = words_and_classifier()
    rng = np.random.default_rng(0)
    ids_N = [rng.integers(1, 50, size).astype(np.int32) for size in (3, 9, 1, 5, 2000, 2500, 4)]
    truth = np.eye(4, dtype=bool)[[0, 0, 0, 0, 0, 1, 1]]
    rows = Rows(ids_N, truth, weigh(np.ones(7), truth, "none"))
    batch = rows.collate([2, 0])
    assert batch["attention_mask"].tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]  # of a width by four
    assert rows.at(np.array([0, 1])).collate([1])["input_ids"].shape == (1, 9)  # none is longer
    assert batch["truth"].dtype == batch["weight"].dtype == torch.float32
    exact = choose_arithmetic("float32", torch.device("cpu"))
    together = answer(module, ids_N, exact)
    alone = np.concatenate([answer(module, [ids], exact) for ids in ids_N])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_watched_loss_does_not_mind_how_sure_a_network_is() -> None:
    rng = np.random.default_rng(1)
    truth = np.eye(3, dtype=bool)[rng.integers(0, 3, 200)]
    values = truth * 1.0 + rng.normal(size=(200, 3))
    for is_multiple in (False, True):
        calm = tempered_loss(values, truth, is_multiple=is_multiple)
        sure = tempered_loss(values * 30, truth, is_multiple=is_multiple)
        assert calm == pytest.approx(sure, abs=1e-4)
    assert log_loss(values * 30, truth.argmax(axis=1)) > 5 * calm
