"""Encoder classifiers as bundles keep them: arrays ``module.*``, a config and a tokenizer.

Importing this file imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from volano.models.bundle import read_arrays, read_spec
from volano.models.encoder import CONFIG, Encoder, Shape, load_encoder
from volano.models.tokens import TOKENIZER, Tokens
from volano.train.encoders.rows import answer
from volano.train.loop.precision import choose_arithmetic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats

__all__ = ["MODULE", "answer_native", "load_native", "module_arrays"]

MODULE = "module."


def module_arrays(module: Encoder) -> dict[str, NDArray[Any]]:
    """The module's state by name, floating numbers in 32 bits."""
    state = module.state_dict()
    return {
        f"{MODULE}{name}": (found.float() if found.is_floating_point() else found).cpu().numpy()
        for name, found in state.items()
    }


def load_native(folder: Path) -> Encoder:
    """The module of a native bundle, in evaluation mode."""
    module = load_encoder(folder / CONFIG, Shape(**read_spec(folder).settings))
    state = {
        name.removeprefix(MODULE): torch.from_numpy(found)
        for name, found in read_arrays(folder).items()
        if name.startswith(MODULE)
    }
    module.load_state_dict(state)
    return module.eval()


def answer_native(folder: Path, texts: Sequence[str]) -> Floats:
    """Decision values of a native bundle, shape (texts, labels), in float32 by training code."""
    module = load_native(folder)
    tokens = Tokens.load((folder / TOKENIZER).read_bytes(), module.shape.max_tokens)
    return answer(module, tokens.encode(texts), choose_arithmetic("float32", torch.device("cpu")))
