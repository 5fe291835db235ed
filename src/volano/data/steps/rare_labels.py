"""Labels with too few examples to be learned or tested."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volano.data.frame import Frame, Step

__all__ = ["drop_rare_labels"]


def drop_rare_labels(minimum: int) -> Step:
    """Drop rows that carry a label with fewer than ``minimum`` rows, in the test set too."""

    def drop(frame: Frame) -> Frame:
        targets = frame.column("target")
        counts = Counter(label for labels in targets if labels for label in labels)
        rare = {label for label, count in counts.items() if count < minimum}
        if not rare:
            return frame
        reasons = {
            place: ("rare-label", ", ".join(f"{name} ({counts[name]})" for name in found))
            for place, labels in enumerate(targets)
            if (found := sorted(rare.intersection(labels or ())))
        }
        return frame.drop(reasons).with_finding(
            "warn",
            "{count} labels have fewer than {minimum} examples; their rows are left out, in the "
            "test set too: {names}",
            count=len(rare),
            minimum=minimum,
            names=_listed(sorted(rare)),
        )

    return drop


def _listed(names: list[str], most: int = 10) -> str:
    more = f" … (+{len(names) - most})" if len(names) > most else ""
    return ", ".join(names[:most]) + more
