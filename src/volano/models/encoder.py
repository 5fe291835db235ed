"""The torch module of encoder classifiers: token numbers in, decision values out.

``train`` fits it and ``export`` turns it into a graph; no engine runs it. Importing this file
imports torch; transformers is imported where a module is made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that all of torch's users know)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CONFIG", "Encoder", "Shape", "load_encoder"]

CONFIG = "config.json"
_SCALE = 20.0  # of cosines, so that a softmax can be sure (Wang et al. 2017, arXiv:1704.06369)


@dataclass(frozen=True)
class Shape:
    """What ``model.json`` says of an encoder classifier.

    Attributes:
        pooling: from token vectors to one.
        head: ``cosine`` or ``linear``.
        num_labels: width of the answer.
        max_tokens: longest text.
        dropout: of pooled values, in training.
    """

    pooling: Literal["mean", "cls", "max"]
    head: Literal["cosine", "linear"]
    num_labels: int
    max_tokens: int
    dropout: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


class Encoder(nn.Module):
    """A transformer, a pooling and a head."""

    def __init__(self, body: nn.Module, shape: Shape, width: int) -> None:
        super().__init__()
        self.body = body
        self.shape = shape
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(width, shape.num_labels)

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """One vector a text, shape (texts, width); ``attention_mask`` is 0 on padding."""
        states: Tensor = self.body(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        if self.shape.pooling == "cls":
            return states[:, 0]
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        if self.shape.pooling == "max":
            return (states + (mask - 1.0) * 1e4).amax(dim=1)
        return (states * mask).sum(dim=1) / mask.sum(dim=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Decision values, shape (texts, labels)."""
        pooled = self.pool(input_ids, attention_mask)
        if self.shape.head == "cosine":
            pooled = F.normalize(pooled, dim=-1) * _SCALE
        values: Tensor = self.head(self.dropout(pooled))
        return values


def load_encoder(config: Path | bytes, shape: Shape) -> Encoder:
    """An encoder of the kind that a ``config.json`` describes, with random weights.

    A pooler that its family brings along is left out: it plays no part in the answer.

    Args:
        config: the file, or its content.
        shape: pooling, head and width of the answer.

    Raises:
        KeyError, ValueError: transformers knows no such kind of model.
    """
    from transformers import AutoConfig, AutoModel

    told = json.loads(config if isinstance(config, bytes) else config.read_bytes())
    kind = AutoConfig.for_model(told.pop("model_type"), **told)
    # Said, or a base that was kept in 16 bits would be made in 16 bits.
    body: Any = AutoModel.from_config(kind, dtype=torch.float32)
    if isinstance(getattr(body, "pooler", None), nn.Module):
        body.pooler = None
    return Encoder(body, shape, kind.hidden_size)
