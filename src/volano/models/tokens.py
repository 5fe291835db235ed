"""From text to token numbers, by ``tokenizers`` alone: the same code in training and in service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TOKENIZER", "Tokens"]

TOKENIZER = "tokenizer.json"
_AT_ONCE = 1024


@dataclass(frozen=True)
class Tokens:
    """A tokenizer; texts over ``max_tokens`` are cut there, special tokens kept."""

    tokenizer: Any
    max_tokens: int

    @classmethod
    def load(cls, content: bytes, max_tokens: int) -> Self:
        """From the bytes of a ``tokenizer.json``.

        Raises:
            MissingExtraError: tokenizers is not installed.
            ValueError: the bytes are no tokenizer.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError(
                "an encoder needs the package {package}, which is not installed",
                fix="pip install 'volano[encoders]'",
                package="tokenizers",
            ) from None
        try:
            made = Tokenizer.from_str(content.decode("utf-8"))
        except Exception as error:  # noqa: BLE001  (tokenizers raises Exception itself)
            raise ValueError(f"{TOKENIZER}: {error}") from None
        made.no_padding()
        made.enable_truncation(max_tokens)
        return cls(made, max_tokens)

    @property
    def unknown(self) -> int | None:
        """The number that stands for whatever the vocabulary does not have; None where all is."""
        model = json.loads(self.tokenizer.to_str())["model"]
        token, number = model.get("unk_token"), model.get("unk_id")
        found = number if token is None else self.tokenizer.token_to_id(token)
        return None if found is None else int(found)

    @property
    def largest(self) -> int:
        """The largest number of a token; -1 where it has none."""
        return max(self.tokenizer.get_vocab().values(), default=-1)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Token numbers of each text, special tokens included; at least one token a text."""
        found: list[NDArray[np.int32]] = []
        for start in range(0, len(texts), _AT_ONCE):
            part = self.tokenizer.encode_batch_fast(list(texts[start : start + _AT_ONCE]))
            found += [np.array(one.ids or [0], np.int32) for one in part]
        return found

    def seen(self, text: str) -> str:
        """The text up to where it is cut."""
        offsets = self.tokenizer.encode(text).offsets
        end = max((end for _, end in offsets), default=0)
        return text[:end]
