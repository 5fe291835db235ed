"""Label leaks: a header, a word or a column that gives the answer away.

A model that reads the label in its input looks perfect here and fails where the label is not yet
known. A leak is reported, never removed: only the owner of the data knows whether it will be there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from volano.data.naming import draws_of
from volano.data.steps.texts import normalise, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from volano.data.frame import Frame, Step

__all__ = ["lowest", "note_leaks"]

_ROWS = 5_000  # a leak worth its name shows in a sample
_FEWEST = 20
_SHOWN = 5
_NEARLY = 0.95
_HEADER = re.compile(r"^([A-Za-z][\w-]{1,30}):[ \t]*(\S.*)$", re.MULTILINE)
_TOKEN = re.compile(r"[a-z0-9_][a-z0-9_.+-]*[a-z0-9_]|[\u4e00-\u9fff]{2}", re.IGNORECASE)
_LONGEST = 20_000  # characters of a text that are looked at


def note_leaks(texts: Sequence[str], target: str) -> Step:
    """Add a finding for each header, word or column that nearly determines the label."""

    def note(frame: Frame) -> Frame:
        rows = _sample(frame, texts)
        labels = [label for label, _, _ in rows]
        if len(rows) < _FEWEST or len(set(labels)) < 2:
            return frame
        for name, share in _leaking_columns(rows, {*texts, target}):
            frame = frame.with_finding(
                "warn",
                "The column {name!r} nearly determines the label ({share:.0%} of rows): if it is "
                "known only afterwards, do not let a model read it.",
                name=name,
                share=round(share, 4),
            )
        for name, share in _leaking_headers(rows):
            frame = frame.with_finding(
                "bad",
                "A header leaks the label: the line {name!r} in the text gives it away in "
                "{share:.0%} of rows. Scores on this data say nothing about texts without it; "
                "take the header out at the source.",
                name=f"{name}:",
                share=round(share, 4),
            )
        return _note_words(frame, rows)

    return note


def _note_words(frame: Frame, rows: list[_Row]) -> Frame:
    """A label may well have its word; where most rows do, the text was made from the label."""
    words = _telling_words(rows)
    if not words:
        return frame
    told = {label for _, label in words}
    share = sum(label in told for label, _, _ in rows) / len(rows)
    return frame.with_finding(
        "warn" if share > 0.5 else "info",
        "One word nearly determines the label for {count} of {total} labels: {names}",
        count=len(words),
        total=len({label for label, _, _ in rows}),
        names=", ".join(f"{word!r} → {label}" for word, label in words[:_SHOWN])
        + (" …" if len(words) > _SHOWN else ""),
    )


_Row = tuple[str, str, dict[str, Any]]


def _sample(frame: Frame, columns: Sequence[str]) -> list[_Row]:
    """Label, text and fields of at most so many labelled rows, picked by id."""
    numbers = frame.numbers("_label")
    places = np.flatnonzero(numbers >= 0)
    picked = places[lowest(frame["id"].take(pa.array(places)), _ROWS)]
    fields = frame.said(picked)
    texts, said = texts_of(fields, columns), fields.to_pylist()
    labels = [", ".join(frame.targets[number]) for number in numbers[picked].tolist()]
    return [
        (label, text[:_LONGEST], row) for label, text, row in zip(labels, texts, said, strict=True)
    ]


def lowest(names: pa.ChunkedArray, most: int) -> list[int]:
    """Places of the names whose hashes are lowest, at most so many, in that order."""
    draws = draws_of(names)
    last = np.sort(draws)[min(most, len(draws)) - 1] if len(draws) else 0
    near = np.flatnonzero(draws <= last)
    taken = names.take(pa.array(near)).to_pylist()
    hashes = [hashlib.sha256(name.encode()).digest() for name in taken]
    return [place for _, place in sorted(zip(hashes, near.tolist(), strict=True))][:most]


def _leaking_columns(rows: list[_Row], known: set[str]) -> Iterable[tuple[str, float]]:
    labels = [label for label, _, _ in rows]
    for name in rows[0][2]:
        if name not in known:
            values = [fields[name] for _, _, fields in rows]
            share = _determined([None if v is None else str(v) for v in values], labels)
            if share >= _NEARLY and _beats_guessing(share, labels):
                yield name, share


def _leaking_headers(rows: list[_Row]) -> Iterable[tuple[str, float]]:
    """Headers that stand in most texts and either name the label or go with it."""
    values: dict[str, list[str | None]] = defaultdict(lambda: [None] * len(rows))
    for place, (_, text, _) in enumerate(rows):
        for name, value in _HEADER.findall(text):
            if values[name.lower()][place] is None:
                values[name.lower()][place] = value.strip()
    labels = [label for label, _, _ in rows]
    for name in sorted(values):
        found = values[name]
        if sum(value is not None for value in found) < 0.5 * len(rows):
            continue
        share = max(_determined(found, labels), _named(found, labels))
        if share >= 0.9 and _beats_guessing(share, labels):
            yield name.capitalize(), share


def _determined(values: Sequence[str | None], labels: Sequence[str]) -> float:
    """Share of rows whose label is that of most other rows with the same value."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for value, label in zip(values, labels, strict=True):
        if value is not None:
            seen[value][label] += 1
    right = 0
    for value, label in zip(values, labels, strict=True):
        if value is not None:
            others = seen[value] - Counter([label])
            right += bool(others) and others.most_common(1)[0][0] == label
    return right / len(labels)


def _named(values: Sequence[str | None], labels: Sequence[str]) -> float:
    """Share of rows whose own label, and a few others at most, stands in the value."""
    known = sorted(set(labels), key=len)
    if min(map(len, known)) < 3:
        return 0.0
    right = 0
    for value, label in zip(values, labels, strict=True):
        named = [other for other in known if other in value] if value else []
        right += label in named and len(named) <= max(1, len(known) // 4)
    return right / len(labels)


def _beats_guessing(share: float, labels: Sequence[str]) -> bool:
    commonest = Counter(labels).most_common(1)[0][1] / len(labels)
    return share > commonest + 0.5 * (1 - commonest)


def _telling_words(rows: list[_Row]) -> list[tuple[str, str]]:
    """For labels with enough rows, a word in nearly all of them and hardly elsewhere."""
    totals = Counter(label for label, _, _ in rows)
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for label, text, _ in rows:
        for token in set(_TOKEN.findall(normalise(text))):
            seen[token][label] += 1
    best: dict[str, tuple[float, str]] = {}
    for token in sorted(seen):
        label, count = seen[token].most_common(1)[0]
        share = count / totals[label]
        is_telling = share >= _NEARLY and count >= _NEARLY * _elsewhere(seen[token], totals, label)
        if totals[label] >= _FEWEST and is_telling and share > best.get(label, (0.0, ""))[0]:
            best[label] = (share, token)
    return [(best[label][1], label) for label in sorted(best)]


def _elsewhere(found: Counter[str], totals: Mapping[str, int], label: str) -> float:
    """Rows that the token would stand in, were the label as common as all others together."""
    here = found[label]
    others = sum(totals.values()) - totals[label]
    return here + (found.total() - here) * totals[label] / max(others, 1)
