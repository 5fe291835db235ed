"""What the engines of graphs share: texts to tokens, each text asked by itself, reasons.

A text is asked alone, at its own length: no padding, and nothing that depends on its batch. Texts
are asked side by side on the cores, one core a text.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.compute.machine import usable_cores
from volano.models.erasure import reasons_by_erasure
from volano.models.tokens import TOKENIZER, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.models.calibration import Floats

__all__ = ["INPUTS", "GraphEngine", "feed", "load_tokens"]

INPUTS = ("input_ids", "attention_mask")


def feed(ids_T: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    """What a graph is asked for one text: its tokens, none of them padding."""
    ids = ids_T.astype(np.int64)[None]
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def load_tokens(folder: Path, settings: Mapping[str, Any]) -> Tokens:
    """The tokenizer of a bundle.

    Raises:
        MissingExtraError: tokenizers is not installed.
        OSError, ValueError: there is none, or it is damaged.
    """
    return Tokens.load((folder / TOKENIZER).read_bytes(), settings["max_tokens"])


@dataclass(frozen=True)
class GraphEngine:
    """Answers by a graph from tokens to decision values; thread-safe.

    Attributes:
        tokens: text to token numbers.
        ask: the graph's answer to one ``feed``, shape (1, labels); safe to call from threads.
    """

    tokens: Tokens
    ask: Callable[[dict[str, NDArray[np.int64]]], NDArray[Any]]

    def decide(self, texts: Sequence[str]) -> Floats:
        """Decision values, shape (texts, labels)."""
        rows = self.tokens.encode(texts)
        if len(rows) == 1:  # without the way to another thread and back
            return self._answer(rows[0])
        found = self._side_by_side.map(self._answer, rows)
        return np.concatenate(list(found))

    def reasons(self, text: str, label: int, *, is_rival: bool) -> list[tuple[str, float]]:
        """How far the label's decision value falls without each piece of the text."""
        seen = self.tokens.seen(text)
        return reasons_by_erasure(self.decide, seen, label, is_rival=is_rival)

    def _answer(self, ids_T: NDArray[np.int32]) -> Floats:
        return self.ask(feed(ids_T)).astype(np.float64)

    @cached_property
    def _side_by_side(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(usable_cores(), thread_name_prefix="volano-graph")
