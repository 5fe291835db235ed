"""Reasons by erasure: leave a piece of the text out, and see how far the decision value moves.

Li et al. 2016, arXiv:1612.08220. It explains the very graph that answers, whatever is inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.models.text_features import is_ideogram, normalise_text, token_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volano.models.calibration import Floats

__all__ = ["MOST_ASKED", "reasons_by_erasure"]

MOST_ASKED = 128  # texts asked for one explanation, whatever its length: a fraction of a second
_RUNS = MOST_ASKED // 2

Span = tuple[int, int]


def reasons_by_erasure(
    decide: Callable[[Sequence[str]], Floats], text: str, label: int, *, is_rival: bool
) -> list[tuple[str, float]]:
    """Which pieces moved the label's decision value, strongest first; what moved nothing is out.

    A piece is a word, a symbol, or neighbouring ideograms that pull the same way. In a text of
    more than ``MOST_ASKED`` pieces, runs of neighbours are left out first, and then piece by piece
    those of the runs that move most.

    Args:
        decide: decision values of texts, shape (texts, labels).
        text: all of it that the model sees.
        label: column of the label.
        is_rival: labels exclude each other, so what counts is the lead over the mean of all.
    """
    spans = token_spans(text)
    if not spans:
        return []

    def moves(parts: Sequence[Span]) -> list[float]:
        """How much lower the label stands without each part."""
        values_NC = decide([text, *(_without(text, part) for part in parts)])
        lead_N = values_NC[:, label] - values_NC.mean(axis=1) * is_rival
        return [float(lead_N[0] - lead) for lead in lead_N[1:]]

    spans = spans if len(spans) <= MOST_ASKED else _worth_asking(spans, moves)
    told: dict[str, float] = {}
    for piece, weight in _joined(text, spans, moves(spans)):
        told[piece] = told.get(piece, 0.0) + weight
    ranked = sorted(told.items(), key=lambda found: (-abs(found[1]), found[0]))
    return [(piece, weight) for piece, weight in ranked if weight]


def _worth_asking(
    spans: Sequence[Span], moves: Callable[[Sequence[Span]], list[float]]
) -> list[Span]:
    """The pieces of the runs that move most, as many as may still be asked about, in order."""
    length = -(-len(spans) // _RUNS)
    runs = [spans[start : start + length] for start in range(0, len(spans), length)]
    moved = moves([(run[0][0], run[-1][1]) for run in runs])
    strongest = sorted(zip(runs, moved, strict=True), key=lambda found: -abs(found[1]))
    return sorted([span for run, _ in strongest for span in run][: MOST_ASKED - len(runs)])


def _without(text: str, span: Span) -> str:
    """The text without a part of it, and without the space that this would double."""
    before, after = text[: span[0]], text[span[1] :]
    doubles = after[:1].isspace() and (not before or before[-1].isspace())
    return before + after[doubles:]


def _joined(text: str, spans: Sequence[Span], weights: Sequence[float]) -> list[tuple[str, float]]:
    """Pieces with their weights; neighbouring ideograms that pull the same way are one piece."""
    found: list[tuple[str, float]] = []
    last_end = -1
    for (start, end), weight in zip(spans, weights, strict=True):
        piece = normalise_text(text[start:end])
        joins = start == last_end and is_ideogram(text[start]) and is_ideogram(text[start - 1])
        if joins and (found[-1][1] > 0) == (weight > 0):
            found[-1] = (found[-1][0] + piece, found[-1][1] + weight)
        else:
            found.append((piece, weight))
        last_end = end
    return found
