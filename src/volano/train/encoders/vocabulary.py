"""Word vectors of the words that are there: the others take no part in a training.

A vocabulary has tens of thousands of words and a team's texts have a few thousand. Gradients,
moments and checkpoints of the others would be zeros, half of all that a small encoder has.
Importing this file imports torch.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that all of torch's users know)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from volano.models.encoder import Encoder

__all__ = ["only_words"]

_ABSENT = -1  # no place: a word that was not announced is an error and no other word


class _Words(nn.Module):
    """The word vectors of some words, under their old numbers."""

    def __init__(self, words: nn.Embedding, ids_U: NDArray[np.int64]) -> None:
        super().__init__()
        self.weight = nn.Parameter(words.weight.detach()[torch.from_numpy(ids_U)].clone())
        place_V = torch.full((words.num_embeddings,), _ABSENT)
        place_V[torch.from_numpy(ids_U)] = torch.arange(len(ids_U))
        self.place_V: Tensor
        self.register_buffer("place_V", place_V)
        padding = words.padding_idx
        self.padding = None if padding is None else int(place_V[padding])

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(self.place_V[ids], self.weight, self.padding)


@contextmanager
def only_words(module: Encoder, ids_N: Iterable[NDArray[np.int32]]) -> Iterator[None]:
    """Let the module hold the vectors of these words alone, and put them back at the end.

    Words that are not there keep the vectors of the base: neither gradients nor decay reach them.
    An embedding that is frozen, or of a kind of its own, is left as it is.

    Args:
        module: its word vectors are changed in place.
        ids_N: token numbers of all texts that it will read.
    """
    body = cast("Any", module.body)
    words = body.get_input_embeddings()
    if type(words) is not nn.Embedding or not words.weight.requires_grad or words.max_norm:
        yield
        return
    padding = 0 if words.padding_idx is None else words.padding_idx
    ids_U = np.unique(np.concatenate([[0, padding], *ids_N])).astype(np.int64)
    fewer = _Words(words, ids_U)
    body.set_input_embeddings(fewer)
    try:
        yield
    finally:
        with torch.no_grad():
            words.weight[torch.from_numpy(ids_U)] = fewer.weight.to(words.weight.device)
        body.set_input_embeddings(words)
