"""Labels with too few examples to be learned or tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from volano.data.frame import Frame, Step

__all__ = ["drop_rare_labels"]


def drop_rare_labels(minimum: int) -> Step:
    """Drop rows that carry a label with fewer than ``minimum`` rows, in the test set too."""

    def drop(frame: Frame) -> Frame:
        counts = frame.count_labels()
        rare = {label for label, count in counts.items() if count < minimum}
        if not rare:
            return frame
        said = [
            ", ".join(f"{name} ({counts[name]})" for name in sorted(rare.intersection(target)))
            for target in (*frame.targets, ())
        ]
        numbers = frame.numbers("_label")
        places = np.flatnonzero(np.array([bool(text) for text in said])[numbers])
        details = pa.array(said, pa.string()).take(pa.array(numbers[places] % len(said)))
        return frame.drop(places, pa.repeat("rare-label", len(places)), details).with_finding(
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
