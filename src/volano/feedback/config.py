"""Settings of feedback: which signals make a label, and whose word counts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from volano.core.config import Config

__all__ = ["Agreement", "FeedbackConfig"]

Agreement = Literal["latest", "majority", "unanimous"]


class FeedbackConfig(Config):
    """Which signals become examples, and how many predictions a turn sends to review.

    A given label counts; a score confirms the answer only from ``score_makes_label`` on. People who
    disagree send a prediction to review. One of ``trusted`` settles it alone.

    Attributes:
        corrections: whether a given label makes an Example.
        score_makes_label: the score from which an answer counts as confirmed.
        agreement: how people must agree: ``unanimous``, ``majority``, or ``latest`` wins; on a
            number they agree where they say the same one.
        trusted: people whose word settles it.
        min_people: how many must have spoken.
        new_labels: what a label that no model knows does: wait for ``review``, or ``accept``.
        num_reviews: predictions sent to review at a time, half of them drawn at random; answers
            that are routed to a person all go there, and count.
        max_batch: signals in one request.
    """

    corrections: bool = True
    score_makes_label: float | Literal["off"] = "off"
    agreement: Agreement = "unanimous"
    trusted: tuple[str, ...] = ()
    min_people: int = Field(default=1, ge=1)
    new_labels: Literal["review", "accept"] = "review"
    num_reviews: int = Field(default=40, ge=0, le=100_000)
    max_batch: int = Field(default=1000, ge=1, le=100_000)
