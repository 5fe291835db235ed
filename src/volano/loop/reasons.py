"""Every sentence a verdict can say, in one place: the English text is the key of its translation.

A verdict keeps each reason as text and values, so that it can be read in another language later.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Verdict

__all__ = ["Reason", "adding", "because", "few", "figure", "percent", "signed"]

_ONE = re.compile(r"\b1 ((?:frozen |test |independent )?)examples\b")

GAIN = (
    "{metric} {candidate} against {champion} of the champion: gain {gain}, "
    "{level} interval {low} to {high}, on {num} frozen examples"
)
WORSE = (
    "{metric} {candidate} against {champion} of the champion: a real loss, gain {gain}, "
    "{level} interval {low} to {high}, on {num} frozen examples"
)
UNDECIDED = (
    "{metric} {candidate} against {champion} of the champion: a difference of {gain} may be luck, "
    "{level} interval {low} to {high}, on {num} frozen examples"
)
UNDER_MARGIN = (
    "the gain {gain} is real ({level} interval {low} to {high}, on {num} frozen examples) "
    "but under the margin {margin}"
)
NEEDED = (
    "about {more} more labelled test examples would show a gain of {margin} "
    "with {power} probability"
)
BEST_CASE = (
    "no number of labels is asked for: even the best case, {high}, is under the margin {margin}"
)
ENOUGH = (
    "these examples would show a gain of {margin} with at least {power} probability: "
    "what is missing is a better model, not more of them"
)
NO_MARGIN = "with a margin of 0 no number of labels can be named: every gain counts, however small"
ALIKE = "candidate and champion answer alike on {num} frozen examples: on every one of them"
SAME_FIGURE = (
    "candidate and champion answer {count} of {num} frozen examples differently, "
    "but {metric} is {champion} for both however they are drawn"
)
SLICE = (
    "worse where {field} is {value}: {candidate} against {champion} of the champion, "
    "on {num} examples (p = {p} after correction for {looked} slices)"
)
MORE_SLICES = "worse on {count} more slices; all of them are in the verdict's checks"
FIRST = (
    "first model of this project; it beats guessing {label}: {metric} {candidate} "
    "against {champion}, gain {gain}, {level} interval {low} to {high}, on {num} frozen examples"
)
GUESS = (
    "it does not beat guessing {label}: {metric} {candidate} against {champion}, gain {gain}, "
    "{level} interval {low} to {high}, on {num} frozen examples"
)
LATENCY = "95th percentile of latency {found} ms is over the limit of {limit} ms"
SIZE = "size {found} MB is over the limit of {limit} MB"
PARITY_GAP = "the served scores differ from training by up to {found}; the limit is {limit}"
PARITY_MEAN_GAP = (
    "the served scores differ from training by {found} on average; the limit is {limit}"
)
PARITY_AGREEMENT = (
    "the served model decides as in training on {found} of the reference rows; the limit is {limit}"
)
UNMEASURED = "{figure} was not measured, so its limit {limit} cannot be shown to hold"
FAIR_BROKEN = (
    "{figure} is {gap} apart by {field}: {most} for {largest}, {least} for {smallest}, "
    "{level} interval of the gap {low} to {high}; the limit is {limit}"
)
FAIR_WIDER = (
    "{figure} is {gap} apart by {field}: {most} for {largest}, {least} for {smallest}, "
    "{level} interval of the gap {low} to {high}; that is over the limit of {limit} and wider than "
    "the champion's {before}"
)
FAIR_DOUBTFUL = (
    "{figure} is {gap} apart by {field}: {most} for {largest}, {least} for {smallest}, "
    "{level} interval of the gap {low} to {high}: more examples would tell whether the limit of "
    "{limit} holds"
)
FAIR_NO_WIDER = (
    "{figure} is {gap} apart by {field}, over the limit of {limit}; that may be luck "
    "({level} interval {low} to {high}), and the champion's {before} is no narrower"
)
FAIR_UNMEASURED = (
    "no two groups of {field} have enough examples to compare their {figure}, "
    "so its limit {limit} cannot be shown to hold"
)
NO_VALUE = (
    "{metric} has no value on these {num} frozen examples, so nothing can be compared: "
    "it takes examples of more than one truth"
)
UNPROVEN = (
    "there is no truth to compare with, or too little: promoted on checks alone, unproven "
    "({checks} kept)"
)
UNCHECKED = "there is no truth to compare with, or too little, and nothing was checked"
NEW_LABELS = (
    "the champion never learned {labels}: {num} examples of them count as wrong for it; "
    "on the other {rest} the gain is {gain} ({low} to {high})"
)
ONLY_NEW_LABELS = "the champion never learned {labels}: all {num} examples count as wrong for it"
UNLEARNED = "the candidate never learned {labels}: {num} examples of them count as wrong for it"
REMOVED = (
    "the champion still answers {labels}, which are no labels today: "
    "{num} such answers count as wrong"
)
REUSED = (
    "these {num} frozen examples have decided {verdicts} verdicts, this one included; "
    "the chance that at least one promotion was luck is at most {luck}"
)
TOO_FEW = (
    "{num} independent examples cannot decide, whatever they show: it takes at least {least} "
    "to tell anything from luck at {level}"
)
MUST_BE_SURER = (
    "after {verdicts} verdicts on the same examples a promotion must hold at {level}, "
    "where the low end is {floor}: new test examples renew the budget of {budget}"
)
RENAMED = "the champion is compared under today's label names: {names}"
SAME_MODEL = "the candidate is the champion: training gave the same model again"
CAME_BACK = (
    "this very model was the champion before and gave way ({because}); "
    "volano promote model:latest brings it back"
)


@dataclass(frozen=True)
class Reason:
    """One sentence and what fills it."""

    text: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return _ONE.sub(r"1 \1example", self.text.format(**self.values))

    def to_dict(self) -> dict[str, Any]:
        """As the verdict carries it."""
        return {"text": self.text, "values": dict(self.values)}


def adding(verdict: Verdict, reason: Reason) -> Verdict:
    """The verdict with one more reason, after those it has."""
    kept = [*verdict.checks.get("reasons", []), reason.to_dict()]
    return replace(
        verdict,
        because=(*verdict.because, str(reason)),
        checks={**verdict.checks, "reasons": kept},
    )


def because(verdict: Verdict, language: Literal["en", "zh"] = "en") -> tuple[str, ...]:
    """The reasons of a verdict in a language; a text without translation stays English."""
    if language == "en":
        return verdict.because
    texts = _catalogue(language)
    kept = verdict.checks.get("reasons", [])
    said = [texts.get(found["text"], found["text"]).format(**found["values"]) for found in kept]
    # Whatever was added to the reasons later, such as who forced it, was written by a person.
    return (*said, *verdict.because[len(said) :])


@lru_cache
def _catalogue(language: str) -> Mapping[str, str]:
    path = Path(__file__).parent / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    return texts


def signed(value: float) -> str:
    """A gain: ``+0.021``."""
    return f"{value:+.3f}"


def figure(value: float, size: float | None = None, *, is_signed: bool = False) -> str:
    """A figure: with three decimals, or with four digits of a figure of this size.

    >>> figure(0.8712), figure(49123.4, 47000), figure(0.00012, 0.00011, is_signed=True)
    ('0.871', '49,123', '+0.0001200')
    """
    decimals = 3
    if size is not None and math.isfinite(size) and size != 0:
        decimals = max(0, 3 - math.floor(math.log10(abs(size))))
    return f"{value:{'+' if is_signed else ''},.{decimals}f}"


def percent(share: float) -> str:
    """A level or a chance for people: ``95%``, ``99.9%``."""
    return f"{100 * share:.3g}%" if share < 0.999 else f"{100 * share:.6g}%"


def few(names: Sequence[str], most: int = 5) -> str:
    """Names in quotes, and how many more there are."""
    said = ", ".join(f"'{name}'" for name in names[:most])
    return said if len(names) <= most else f"{said} (+{len(names) - most})"
