"""What nobody said about an encoder classifier, by stated rules: pooling, head, length, steps.

Importing this file imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from volano.core.errors import ConfigError
from volano.models.tokens import Tokens
from volano.train.folds import strata_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.models.calibration import Floats, Labels
    from volano.train.encoders.base import Pooling
    from volano.train.encoders.config import EncoderConfig
    from volano.train.loop.config import OptimizerConfig

Head = Literal["cosine", "linear"]

__all__ = [
    "TokenRows",
    "choose_head",
    "choose_lr",
    "choose_pooling",
    "tokenise",
    "weigh",
]

_POOLINGS: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max"}
_WHOLE = 1 << 24  # tokens; no text is longer
_MOST_COVERED = 512  # what `auto` covers: the time of attention grows with the square
_COVERED = 0.995
_WORTH_A_WARNING = 0.01  # share of texts
_MANY_UNKNOWN = 0.03  # of tokens; a base of the texts' own language knows all but a few in 1,000
_SMALL_WIDTH, _SMALL_LR, _MOST_LR = 384, 2e-4, 1e-3


@dataclass(frozen=True)
class TokenRows:
    """Texts as token numbers, and what was cut off.

    Attributes:
        ids_N: the numbers of each text.
        max_tokens: longest text.
        texts_cut: how many were longer.
        tokens_cut: how many tokens they lost.
        tokens: how many there were.
        tokens_unknown: how many stand for whatever the vocabulary does not have.
    """

    ids_N: list[NDArray[np.int32]]
    max_tokens: int
    texts_cut: int
    tokens_cut: int
    tokens: int
    tokens_unknown: int

    def told(self) -> dict[str, int]:
        """What the card says of it."""
        return {
            "max_tokens": self.max_tokens,
            "texts_cut": self.texts_cut,
            "tokens_cut": self.tokens_cut,
            "tokens": self.tokens,
            "tokens_unknown": self.tokens_unknown,
        }


def tokenise(
    content: bytes, texts: Sequence[str], config: EncoderConfig, most: int, log: Events
) -> TokenRows:
    """Texts as token numbers; ``auto`` covers 99.5 % of them, and at most 512 tokens.

    Args:
        content: of ``tokenizer.json``.
        texts: of all rows.
        config: names ``max_tokens``, or leaves it to the rule.
        most: positions that the encoder has.
        log: hears how much was cut, as a warning from one text in a hundred on, and of a
            vocabulary that is of another language.

    Raises:
        ConfigError: the project names more tokens than the encoder has positions.
    """
    if config.max_tokens != "auto" and config.max_tokens > most:
        raise ConfigError(
            "the base has positions for {most} tokens; the project asks for {asked}",
            where="train.encoder.max_tokens",
            fix="a number up to {most}, or auto",
            most=most,
            asked=config.max_tokens,
        )
    whole = Tokens.load(content, _WHOLE)
    ids_N = whole.encode(texts)
    unknown = whole.unknown
    num_unknown = sum(int((ids == unknown).sum()) for ids in ids_N)
    lengths_N = np.array([len(ids) for ids in ids_N], np.int64)
    if config.max_tokens == "auto":
        covered = int(np.quantile(lengths_N, _COVERED, method="higher"))
        max_tokens = min(-(-covered // 8) * 8, _MOST_COVERED, most)
    else:
        max_tokens = config.max_tokens
    long = np.flatnonzero(lengths_N > max_tokens).tolist()
    cut = Tokens.load(content, max_tokens).encode([texts[place] for place in long])
    for place, ids in zip(long, cut, strict=True):
        ids_N[place] = ids
    lost = int(np.maximum(lengths_N - max_tokens, 0).sum())
    num_tokens = int(lengths_N.sum())
    found = TokenRows(ids_N, max_tokens, len(long), lost, num_tokens, num_unknown)
    _tell_of_cuts(found, log)
    _tell_of_unknown(found, log)
    return found


def _tell_of_cuts(found: TokenRows, log: Events) -> None:
    if found.texts_cut:
        say = log.warn if found.texts_cut > _WORTH_A_WARNING * len(found.ids_N) else log.note
        say(
            f"{found.texts_cut} of {len(found.ids_N)} texts are longer than {found.max_tokens} "
            f"tokens and are cut there: {found.tokens_cut / found.tokens:.1%} of all tokens are "
            "not read (train.encoder.max_tokens)"
        )


def _tell_of_unknown(found: TokenRows, log: Events) -> None:
    if found.tokens_unknown > _MANY_UNKNOWN * found.tokens:
        log.warn(
            f"{found.tokens_unknown / found.tokens:.0%} of all tokens are unknown to the base, "
            "which cannot tell them apart: name a base that was trained on the language of these "
            "texts (train.base)"
        )


def choose_pooling(
    config: EncoderConfig, stated: Sequence[str], log: Events
) -> tuple[Pooling, str]:
    """What makes one vector of the tokens', and why: what is named, what the base says, the mean.

    The first token of a base without a stated pooling was taught other things than the text's
    meaning; the mean needs less training to be of use.

    Args:
        config: names one, or leaves it to the rule.
        stated: what the base states: one pooling, or several at once, or none.
        log: hears of a pooling that is stated and not known here.
    """
    if config.pooling != "auto":
        return config.pooling, "named in the project"
    if not stated:
        return "mean", "the base states none"
    told = " and ".join(stated)
    if told in _POOLINGS:
        return _POOLINGS[told], "the base states it"
    log.warn(
        f"the base was made for another pooling ({told}) than mean, cls or max; the mean is taken "
        "(train.encoder.pooling)"
    )
    return "mean", f"the base states {told}, which is not known here"


def choose_head(config: EncoderConfig) -> tuple[Head, str]:
    """The head, and why; ``cosine`` unless the project names the other.

    What a text is about lies in the direction of its vector and hardly in its length.
    """
    if config.head != "auto":
        return config.head, "named in the project"
    return "cosine", "the rule for all encoders"


def choose_lr(config: OptimizerConfig, width: int) -> tuple[float, str]:
    """The highest learning rate of pretrained weights, and why.

    It falls with the square of the width: 2e-4 at 384, 5e-5 at 768 and 2.8e-5 at 1024, as is usual
    for BERT (Devlin et al. 2018, arXiv:1810.04805).
    """
    if config.lr != "auto":
        return config.lr, "named in the project"
    return min(_SMALL_LR * (_SMALL_WIDTH / width) ** 2, _MOST_LR), f"the base is {width} wide"


def weigh(weight_N: Floats, truth_NC: Labels, class_weights: str) -> NDArray[np.float32]:
    """How much each row counts, 1 on average.

    ``balanced`` weighs each row by how rare its rarest label is, so that all labels together count
    alike (King and Zeng 2001).
    """
    found_N = np.asarray(weight_N, np.float64)
    if class_weights == "balanced":
        rarest_N = strata_of(truth_NC)
        found_N = found_N / np.bincount(rarest_N)[rarest_N]
    total = float(found_N.sum())
    if total <= 0:
        return np.ones(len(found_N), np.float32)
    return np.asarray(found_N * (len(found_N) / total), np.float32)
