"""Signals as they come in: checked as a whole, then kept in one transaction or not at all."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from volano.core.errors import UserError
from volano.feedback.rules import given_labels, target_today
from volano.store.predictions import add_feedback, find_predictions, list_feedback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volano.core.nouns import Feedback, Prediction
    from volano.store.ledger import Ledger
    from volano.tasks.task import Task

__all__ = ["describe_feedback", "read_feedback", "record_feedback"]

_SEND = "send {example}"
_EXAMPLES = {
    "labels": '{"prediction": "<id>", "label": "...", "by": "..."}',
    "number": '{"prediction": "<id>", "label": 1250.5, "by": "..."}',
}
# The last ones are space to Python, and none to the patterns of JSON Schema.
_SAYS_SOMETHING = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
_NUMBER = r"^[+-]?[0-9]{1,15}(\.[0-9]{1,15})?$"
_KEYS = ("prediction", "label", "score", "output", "comment", "by")
_SIGNALS = _KEYS[1:5]
_LIMITS = {"prediction": 200, "by": 200, "label": 1000, "output": 1_000_000, "comment": 100_000}


def record_feedback(
    ledger: Ledger,
    task: Task,
    body: object,
    *,
    max_batch: int = 1000,
    settle: Callable[[Sequence[str]], None] | None = None,
) -> list[dict[str, Any]]:
    """Keep one signal or a list; what was recorded, in the order given.

    Args:
        ledger: where signals are kept; the commit syncs whatever was appended before, too.
        task: the kind of work.
        body: what was sent.
        max_batch: how many signals may come at once.
        settle: brings the answers of these ids into the ledger first.

    Raises:
        UserError: one of them is wrong (says which); then none is kept.
    """
    signals = read_feedback(task, body, max_batch=max_batch)
    if settle is not None:
        settle([signal["prediction"] for signal in signals])
    recorded = add_feedback(ledger, signals)
    corrected = {signal.prediction for signal in recorded if signal.output is not None}
    answers = find_predictions(ledger, corrected)
    earlier: dict[str, list[Feedback]] = {}
    said = []
    for sent, signal in zip(signals, recorded, strict=True):
        if signal.prediction not in earlier:
            of_this = list_feedback(ledger, prediction=signal.prediction)
            earlier[signal.prediction] = list(of_this)
        status: str = signal.status
        if status == "attached" and _is_repeated(signal, earlier[signal.prediction]):
            status = "repeated"
        said.append({"id": signal.id, "prediction": signal.prediction, "status": status})
        if any(sent.get(part) is not None and getattr(signal, part) is None for part in _KEYS):
            said[-1]["note"] = "words about a person who was erased are not kept"
        elif note := _note(task, signal, answers.get(signal.prediction)):
            said[-1]["note"] = note
    return said


def _note(task: Task, signal: Feedback, answer: Prediction | None) -> str:
    """What a sender who corrects an output should know: only labels are learned from here."""
    if signal.output is None or answer is None:
        return ""
    labels = task.today(list(answer.output.get("scores") or ()))
    is_told = bool(labels) or task.answers == "number"
    if not is_told or given_labels(task, signal, labels) is not None:
        return ""
    if task.answers == "number":
        return "the output is kept, but is no number; to correct the answer, send 'label'"
    return "the output is kept, but is none of the labels; to correct the answer, send 'label'"


def _is_repeated(signal: Feedback, others: list[Feedback]) -> bool:
    """Whether the same was said before; ids count up, so this holds with many writers too."""
    said = _content(signal)
    return any(other.id < signal.id and _content(other) == said for other in others)


def _content(signal: Feedback) -> tuple[object, ...]:
    return (signal.by, signal.label, signal.score, signal.output, signal.comment)


def read_feedback(task: Task, body: object, *, max_batch: int = 1000) -> list[dict[str, Any]]:
    """Check one signal or a list of them.

    Raises:
        UserError: says which signal and which part, and what to send instead.
    """
    if isinstance(body, list):
        if not body:
            example = _EXAMPLES[task.answers]
            raise UserError("the list is empty", where="body", fix=_SEND, example=example)
        if len(body) > max_batch:
            raise UserError(
                "{count} signals in one request; {limit} are allowed",
                where="body",
                fix="send them in parts of {limit}",
                count=len(body),
                limit=max_batch,
            )
        return [_signal(task, sent, f"body[{index}]") for index, sent in enumerate(body)]
    return [_signal(task, body, "body")]


def describe_feedback(task: Task, max_batch: int = 1000) -> dict[str, Any]:
    """What an OpenAPI document says of sending feedback; it agrees with ``read_feedback``."""
    texts = {
        key: {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": _LIMITS[key],
            "pattern": _SAYS_SOMETHING,
        }
        for key in ("output", "comment", "by")
    }
    signal = {
        "type": "object",
        "required": ["prediction"],
        "additionalProperties": False,
        "properties": {
            "prediction": texts["by"] | {"type": "string"},
            "label": _describe_label(task),
            "score": {"type": ["number", "null"], "minimum": -1e300, "maximum": 1e300},
            **texts,
        },
        "anyOf": [
            {"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in _SIGNALS
        ],
    }
    many = {"type": "array", "items": signal, "minItems": 1, "maxItems": max_batch}
    kept = {
        "type": "object",
        "required": ["recorded"],
        "properties": {"recorded": {"type": "array", "items": {"type": "object"}}},
    }
    example = json.loads(_EXAMPLES[task.answers])
    content = {"schema": {"anyOf": [signal, many]}, "example": example}
    return {
        "summary": "Keep what somebody says about answers.",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": "Kept, durable, with the answers that it is about.",
                "content": {"application/json": {"schema": kept}},
            }
        },
    }


def _describe_label(task: Task) -> dict[str, Any]:
    label: dict[str, Any] = {
        "type": "string",
        "maxLength": _LIMITS["label"],
        "pattern": _SAYS_SOMETHING,
    }
    if task.answers == "number":
        label = {"type": "string", "pattern": _NUMBER, "maxLength": _LIMITS["label"]}
    if task.input == "columns":
        label = {"anyOf": [label, {"type": "number", "minimum": -1e150, "maximum": 1e150}]}
    several = {"type": "array", "items": label, "minItems": 1}
    if not task.is_multiple:
        several["maxItems"] = 1
    return {"anyOf": [label, several, {"type": "null"}]}


def _signal(task: Task, sent: object, where: str) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise UserError(
            "{place} is not an object",
            where=where,
            fix=_SEND,
            place=where,
            example=_EXAMPLES[task.answers],
        )
    for key in sent:
        if key not in _KEYS:
            raise UserError(
                "{key!r} is not a part of feedback",
                where=where,
                fix="one of {known}",
                key=key[:80],
                known=", ".join(_KEYS),
            )
    given = {key: value for key, value in sent.items() if value is not None}
    if "prediction" not in given:
        raise UserError(
            "{place} names no prediction",
            where=f"{where}.prediction",
            fix="send the id that /v1/predict answered",
            place=where,
        )
    if not any(key in given for key in _SIGNALS):
        raise UserError(
            "{place} says nothing about the prediction",
            where=where,
            fix="send one of {known}",
            place=where,
            known=", ".join(_SIGNALS),
        )
    checked: dict[str, Any] = {
        key: _text(given[key], f"{where}.{key}", _LIMITS[key])
        for key in ("prediction", "output", "comment", "by")
        if key in given
    }
    if "label" in given:
        checked["label"] = _labels(task, given["label"], f"{where}.label")
    if "score" in given:
        checked["score"] = _score(given["score"], f"{where}.score")
    return checked


def _text(value: object, where: str, limit: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(
            "{place} is not a text", where=where, fix="send a string that says more", place=where
        )
    if len(value) > limit or "\0" in value:
        raise UserError(
            "{place} is over {limit} characters or holds a NUL character",
            where=where,
            fix="send less",
            place=where,
            limit=limit,
        )
    return value


def _labels(task: Task, value: object, where: str) -> list[str]:
    if task.answers == "number":
        return [_number(task, value, where)]
    separator = task.labels.separator
    if isinstance(value, str) and separator:
        pieces: list[object] = [piece for piece in value.split(separator) if piece.strip()]
    else:
        pieces = value if isinstance(value, list) else [value]
    if task.input == "columns":  # a column of labels often holds 0 and 1
        pieces = [_spelled(piece) for piece in pieces]
    labels = [_text(piece, where, _LIMITS["label"]).strip() for piece in pieces]
    if not labels or (len(labels) > 1 and not task.is_multiple):
        raise UserError(
            "{place} holds {count} labels",
            where=where,
            fix="send one label" if not task.is_multiple else "send at least one label",
            place=where,
            count=len(labels),
        )
    return list(dict.fromkeys(labels))


def _spelled(piece: object) -> object:
    """A number as the label that a source means by it; all else as it is."""
    if isinstance(piece, bool) or not isinstance(piece, int | float):
        return piece
    return str(int(piece)) if float(piece).is_integer() else repr(piece)


def _number(task: Task, value: object, where: str) -> str:
    """A number, or a text that reads as one, in the spelling of targets."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    is_one = isinstance(value, str | int | float) and not isinstance(value, bool)
    read = target_today(task, value) if is_one else ()
    if not read:
        raise UserError(
            "{place} is not a number",
            where=where,
            fix="send the right number, such as 1250.5",
            place=where,
        )
    return read[0]


def _score(value: object, where: str) -> float:
    fix = "send a number, such as 1 for right and 0 for wrong"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError("{place} is not a number", where=where, fix=fix, place=where)
    try:
        score = float(value)
    except OverflowError:
        score = math.inf
    if not math.isfinite(score):
        raise UserError("{place} is too large", where=where, fix=fix, place=where)
    return score
