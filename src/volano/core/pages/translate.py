"""Texts in the reader's language: the English text is the key, so code reads as English.

A text that has no translation is shown in English. `zh.json` beside this file is the catalogue.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.pages.page import Language

__all__ = ["Translate", "translate"]


class Translate(Protocol):
    """Says an English text in one language, with `{name}` filled from the values."""

    def __call__(self, text: str, **values: object) -> str:
        """The text in that language."""


def translate(language: Language) -> Translate:
    """The function that says things in this language.

    >>> translate("en")("{count} rows", count=3)
    '3 rows'
    """
    texts = _catalogue(language)

    def say(text: str, **values: object) -> str:
        found = texts.get(text, text)
        return found.format(**values) if values else found

    return say


@lru_cache
def _catalogue(language: Language) -> Mapping[str, str]:
    if language == "en":
        return {}
    path = Path(__file__).parent / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts
