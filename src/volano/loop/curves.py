"""Curves of trainings, as the ledger keeps them, while a training runs and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.store import turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from volano.core.events import Event
    from volano.store.ledger import Ledger

__all__ = ["Curves", "curves_of", "read_curves", "tell_curve"]

_SHOWN = 8  # epochs

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read_curves(ledger: Ledger, turn: int) -> Curves:
    """The curves of each stage of a turn: by name, points of (step, value)."""
    return curves_of(turns.list_events(ledger, turn))


def curves_of(events: Iterable[Event]) -> Curves:
    """Points by stage and name, in the order of steps.

    A training that goes on after a kill says once more what it had said since its checkpoint: what
    was said last counts.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    for event in events:
        if event.kind == "scalar" and event.value is not None:
            found.setdefault(event.stage, {}).setdefault(event.text, {})[event.done] = event.value
    return {
        stage: {name: sorted(points.items()) for name, points in curves.items()}
        for stage, curves in found.items()
    }


def tell_curve(curves: Mapping[str, list[tuple[int, float]]]) -> str:
    """The curves of one stage in a line: ``loss 4.12 to 0.31 in 936 steps; ...``."""
    told = []
    if "loss" in curves:
        (_, first), (step, last) = curves["loss"][0], curves["loss"][-1]
        told.append(f"loss {first:.3g} to {last:.3g} in {step:,} steps")
    if "valid_loss" in curves:
        values = [value for _, value in curves["valid_loss"]]
        told.append(f"validation loss {values[0]:.3g} to {values[-1]:.3g}")
    if "valid_score" in curves:
        values = [value for _, value in curves["valid_score"]]
        told.append(f"score {', '.join(f'{value:.3f}' for value in values[-_SHOWN:])}")
    if "tokens_per_second" in curves:
        told.append(f"{curves['tokens_per_second'][-1][1]:,.0f} tokens a second")
    return "; ".join(told)
