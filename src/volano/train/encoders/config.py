"""Settings of learners that start from a pretrained encoder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from volano.core.config import Config

__all__ = ["DistilConfig", "EncoderConfig", "LoraConfig"]

_Auto = Literal["auto"]


class EncoderConfig(Config):
    """How an encoder of text becomes a classifier.

    Attributes:
        pooling: from token vectors to one; ``auto`` takes what the base says, else the mean.
        head: ``cosine`` compares directions, ``linear`` also lengths; ``auto`` is ``cosine``.
        max_tokens: longer texts are cut, and counted; ``auto`` covers all but the longest rows.
        dropout: share of pooled values left out at each step.
        label_smoothing: share of the truth that is spread over all labels.
        class_weights: ``balanced`` weighs rows of rare labels up.
        adversarial: length of the step by which word vectors are moved to fool the model; 0 is off
            (FGM; Miyato et al. 2017, arXiv:1605.07725).
    """

    pooling: Literal["auto", "mean", "cls", "max"] = "auto"
    head: Literal["auto", "cosine", "linear"] = "auto"
    max_tokens: Annotated[int, Field(ge=8, le=8192)] | _Auto = "auto"
    dropout: float = Field(0.1, ge=0, lt=1)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    adversarial: float = Field(0.0, ge=0, le=10)


class LoraConfig(Config):
    """Low-rank changes to frozen weights (Hu et al. 2021, arXiv:2106.09685).

    Attributes:
        rank: of each change.
        alpha: the change is scaled by ``alpha / rank``.
        dropout: share of a layer's inputs left out of the change.
        layers: which linear layers; ``attention`` or ``all``.
    """

    rank: int = Field(16, ge=1, le=1024)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    layers: Literal["attention", "all"] = "all"


class DistilConfig(Config):
    """A smaller encoder taught by the fine-tuned one (Hinton et al. 2015, arXiv:1503.02531).

    Attributes:
        base: the pupil: a folder or a hub name; ``layers`` keeps some layers of ``train.base``.
        layers: how many of the base's layers are kept, evenly spread; ``auto`` is half.
        temperature: softens what the teacher says.
        share: of the loss that goes by the teacher; the rest goes by the labels.
    """

    base: str = "layers"
    layers: Annotated[int, Field(ge=1, le=1000)] | _Auto = "auto"
    temperature: float = Field(2.0, ge=1, le=20)
    share: float = Field(0.7, ge=0, le=1)
