"""References: one grammar for everything that has a name.

``dataset:latest``, ``model:champion``, ``model:a1b2c3``, ``turn:7``, ``report:latest``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from volano.core.errors import UserError

__all__ = ["NOUNS", "Ref", "RefNoun"]

RefNoun = Literal["dataset", "model", "report", "turn"]
NOUNS: tuple[RefNoun, ...] = get_args(RefNoun)

_WORDS = {
    "dataset": ("latest",),
    "model": ("latest", "champion", "challenger"),
    "report": ("latest", "champion"),
    "turn": ("latest",),
}
_NAME = {"turn": re.compile(r"[0-9]{1,9}"), "hash": re.compile(r"[0-9a-f]{4,64}")}


@dataclass(frozen=True)
class Ref:
    """A noun and the name of one of its kind: a word, a number or the start of a hash."""

    noun: RefNoun
    name: str

    @classmethod
    def parse(cls, text: str, *, default: RefNoun = "model") -> Ref:
        """Read a reference; a bare name is one of ``default``.

        >>> Ref.parse("model:champion")
        Ref(noun='model', name='champion')
        >>> Ref.parse("7", default="turn").name
        '7'
        """
        noun, colon, name = text.strip().partition(":")
        if not colon:
            noun, name = default, noun
        for known in NOUNS:
            if noun == known and cls._is_name(known, name):
                return cls(known, name)
        raise UserError(
            "{given!r} is not a reference",
            fix="write model:champion, model:latest, model:a1b2c3, dataset:latest or turn:7",
            given=text[:80],
        )

    @staticmethod
    def _is_name(noun: RefNoun, name: str) -> bool:
        pattern = _NAME.get(noun, _NAME["hash"])
        return name in _WORDS[noun] or bool(pattern.fullmatch(name))

    def __str__(self) -> str:
        return f"{self.noun}:{self.name}"
