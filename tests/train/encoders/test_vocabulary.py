from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.tiny_encoder import FAMILIES, tiny_encoder

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from volano.models.encoder import Encoder

pytestmark = pytest.mark.slow

READ = [np.array(ids, np.int32) for ids in ([2, 7, 9, 3], [2, 8, 3])]


def load(folder: Path) -> Encoder:
    import torch

    from volano.models.encoder import Shape
    from volano.train.encoders.pretrained import load_pretrained
    from volano.train.learner import Base

    torch.manual_seed(0)
    return load_pretrained(Base("tiny", folder, "hash"), Shape("mean", "cosine", 3, 16)).train()


def train(module: Encoder) -> torch.Tensor:
    """Some steps of AdamW; the last decision values."""
    import torch

    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    for _ in range(5):
        values = module(ids, mask)
        torch.nn.functional.cross_entropy(values, torch.tensor([0, 2])).backward()
        optimizer.step()
        optimizer.zero_grad()
    return module(ids, mask).detach()


def vectors(module: Any) -> torch.Tensor:
    found: torch.Tensor = module.body.get_input_embeddings().weight.detach()
    return found


@pytest.mark.parametrize("kind", FAMILIES)
def test_training_is_the_same_and_absent_words_keep_their_vectors(
    kind: str, tmp_path: Path
) -> None:
    import torch

    from volano.train.encoders.vocabulary import only_words

    folder = tiny_encoder(tmp_path / "base", kind)
    whole, fewer, untouched = load(folder), load(folder), load(folder)
    before = sorted(whole.state_dict())
    expected = train(whole)
    with only_words(fewer, READ):
        assert len(vectors(fewer)) < len(vectors(whole)) / 2
        found = train(fewer)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    read = torch.tensor([2, 3, 7, 8, 9])
    torch.testing.assert_close(vectors(fewer)[read], vectors(whole)[read], atol=1e-5, rtol=1e-4)
    assert not torch.equal(vectors(fewer)[read], vectors(untouched)[read])
    assert torch.equal(vectors(fewer)[10:], vectors(untouched)[10:])
    assert sorted(fewer.state_dict()) == before


def test_a_word_that_was_not_announced_is_an_error_and_a_failure_puts_all_words_back(
    tmp_path: Path,
) -> None:
    import torch

    from volano.train.encoders.vocabulary import only_words

    module = load(tiny_encoder(tmp_path / "base"))
    num_words = len(vectors(module))
    with pytest.raises(IndexError), only_words(module, READ):
        module(torch.tensor([[2, 11, 3]]), torch.ones(1, 3, dtype=torch.int64))
    assert len(vectors(module)) == num_words


def test_frozen_words_are_left_as_they_are(tmp_path: Path) -> None:
    from volano.train.encoders.vocabulary import only_words

    module = load(tiny_encoder(tmp_path / "base"))
    words = module.body.get_input_embeddings()  # type: ignore[operator]
    words.weight.requires_grad_(False)
    with only_words(module, READ):
        assert module.body.get_input_embeddings() is words  # type: ignore[operator]
