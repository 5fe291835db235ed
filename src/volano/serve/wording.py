"""Reasons in plain words: ``tenure = 2: raises 'churned'``; the weight beside them is exact.

Reasons of texts are pieces of the text, which say enough by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.errors import Term
from volano.models.table_reasons import BASE, OTHERS

if TYPE_CHECKING:
    from volano.core.errors import Language
    from volano.core.nouns import Answer
    from volano.tasks.task import Task

__all__ = ["reasons_in_words"]

_NAMED = {
    BASE: Term("the starting point"),
    OTHERS: Term("the other columns together"),
}


def reasons_in_words(task: Task, answer: Answer, language: Language) -> list[dict[str, Any]]:
    """The reasons of an answer to a row of a table, each with its weight and in words.

    They speak of the label that was explained, under today's name, or of the number.

    Args:
        task: today's labels.
        answer: with reasons.
        language: of the words; column names and cells stay as they are.
    """
    label = ""
    if answer.value is None:
        label = next(iter(task.today([answer.explained])), answer.explained)
    return [
        {"text": text, "weight": weight, "says": _says(text, weight, label).said(language)}
        for text, weight in answer.reasons
    ]


def _says(text: str, weight: float, label: str) -> Term:
    piece = _NAMED.get(text, text)
    if not weight:
        return Term("{piece}: changes nothing", piece=piece)
    if not label:
        number = Term("{piece}: raises the number", piece=piece)
        return number if weight > 0 else Term("{piece}: lowers the number", piece=piece)
    raised = Term("{piece}: raises {label!r}", piece=piece, label=label)
    return raised if weight > 0 else Term("{piece}: lowers {label!r}", piece=piece, label=label)
