from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from volano.train.learner import Base

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_pooled_values_are_left_out_in_training_and_never_in_answers(tiny_base: Path) -> None:
    import torch

    from volano.models.encoder import Shape
    from volano.train.encoders.pretrained import load_pretrained
    from volano.train.encoders.rows import answer
    from volano.train.loop.precision import choose_arithmetic

    exact = choose_arithmetic("float32", torch.device("cpu"))
    ids = torch.arange(5, 45).reshape(4, 10)
    texts = list(ids.numpy().astype(np.int32))
    given = ids, torch.ones_like(ids)
    modules = []
    for dropout in (0.5, 0.0):
        torch.manual_seed(0)
        shape = Shape("mean", "cosine", 3, 64, dropout)
        modules.append(load_pretrained(Base("tiny", tiny_base, ""), shape))
    module, other = (one.train() for one in modules)
    with torch.no_grad():
        torch.testing.assert_close(module.pool(*given), other.pool(*given))
        assert not torch.allclose(module(*given), module(*given))
        torch.testing.assert_close(other(*given), other(*given))
    answers = answer(module, texts, exact)
    np.testing.assert_array_equal(answers, answer(module, texts, exact))
    np.testing.assert_array_equal(answers, answer(other, texts, exact))
    assert module.training
