"""Labels that differ in what people hardly see: width, case, spaces, a dot at the end."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from volano.data.steps.texts import normalise

if TYPE_CHECKING:
    from volano.data.frame import Frame

__all__ = ["note_look_alikes"]

_UNSEEN = {"Cf", "Cc", "Mn", "Zs", "Zl", "Zp"}


def note_look_alikes(frame: Frame) -> Frame:
    """Add a finding for labels that look alike, with the line that makes them one.

    They are not merged: "US" and "us" may be two labels.
    """
    counts = frame.count_labels()
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda name: (-counts[name], name)):
        seen = "".join(c for c in label if unicodedata.category(c) not in {"Cf", "Cc"})
        plain = normalise(seen)
        alike[plain.rstrip(" .。") or plain].append(label)
    for first, *others in alike.values():
        if others:
            frame = frame.with_finding(
                "warn",
                "Labels look alike: {names}. They are learned as different ones; if they are the "
                "same, write in volano.yaml: {line}",
                names=", ".join(f"{_written(one)} ({counts[one]})" for one in (first, *others)),
                line=_line(first, others),
            )
    return frame


def _line(first: str, others: list[str]) -> str:
    renames = ", ".join(f"{_written(other)}: {_written(first)}" for other in others)
    return f"labels: {{rename: {{{renames}}}}}"


def _written(label: str) -> str:
    """A label in YAML's double quotes, with what cannot be seen written out."""
    quoted = json.dumps(label, ensure_ascii=False)
    return "".join(
        c.encode("unicode_escape").decode()
        if c > "\x7f" and unicodedata.category(c) in _UNSEEN
        else c
        for c in quoted
    )
