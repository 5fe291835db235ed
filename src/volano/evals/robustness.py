"""Robustness: what rows altered by rule cost a model, as served.

A sample of the test examples is altered and asked again: texts with typos, case, noise and
paraphrase (``volano.evals.altering``), tables with empty cells, noise on numbers and categories
never seen (``volano.evals.cells``). What counts is the paired difference on the rows that a rule
could alter, with its interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.pages import (
    Bar,
    ChartBlock,
    Details,
    Section,
    Table,
    charts,
    numbers,
)
from volano.core.seeds import derive_seed
from volano.evals.altering import KINDS, alter, has_ideograms, words_of
from volano.evals.cells import CELL_KINDS, Cells, row_text
from volano.evals.findings import interval, metric_name, one_line, said
from volano.evals.trial import answer_text, ask
from volano.models.rows import table_of
from volano.tasks.resampling import estimate
from volano.tasks.scoring import LabelOutcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.core.pages import Block, Cell, Translate
    from volano.evals.findings import Findings
    from volano.evals.trial import Trial
    from volano.models.rows import Row
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Floats

__all__ = ["measure_robustness", "robustness", "robustness_findings", "sample_size"]

_SEED = derive_seed(0, "robustness")
_SECONDS = 20.0  # the answers to altered rows shall take no longer, by the speed just measured
_FEWEST = 50  # altered rows below which a figure says too little; a slow model is asked so many
_FEW = 10  # rows of a language below which an interval shows nothing
_EXAMPLES = 8  # answers that an alteration spoilt, of each kind
_WORTH_SAYING = 0.02  # a loss that the summary speaks of

_TITLES = {
    "typos": "Typos",
    "case": "Case and width",
    "noise": "Noise",
    "paraphrase": "Paraphrase",
    "blank": "Empty cells",
    "jitter": "Noise on numbers",
    "unseen": "Categories never seen",
}
_RULES = {
    "numbers": "every number moved by 5 % of its column's spread",
    "wrong letter": "a neighbouring key, or a character of like sound or shape",
    "swapped letters": "two letters or characters swapped",
    "dropped letter": "a letter or character left out",
    "doubled letter": "a letter or character doubled",
    "all capitals": "all capitals",
    "no capitals": "no capitals",
    "Every Word": "every word capitalised",
    "full width": "letters and marks in full width",
    "half width": "Chinese marks in half width",
    "spaces": "stray spaces",
    "punctuation": "stray punctuation",
    "emoji": "an emoji of no mood",
    "line ends": "a line end in the text or after it",
    "HTML entities": "HTML entities",
    "drawn-out letters": "a letter or mark drawn out",
    "contractions": "contractions (I'm, I am)",
    "greeting": "a greeting before it",
    "closing": "polite words after it",
    "synonyms": "words of the same meaning",
    "question forms": "another form of question",
}
_BY_COLUMN = ("blank", "unseen")  # kinds whose rules are columns
_NOTES = {
    "text": (
        "A sample of {count} test examples, altered by rule so that they still mean the same, and "
        "asked again. Digits, negations and codes are left alone."
    ),
    "columns": (
        "A sample of {count} test examples, altered by rule and asked again: one cell left empty, "
        "every number moved a little, one category replaced by a word that no training row held."
    ),
}
_CALM = {
    "text": "Typos, case, noise and paraphrase by rule cost it next to nothing.",
    "columns": ("Empty cells, noise on numbers and categories never seen cost it next to nothing."),
}


def sample_size(asked: int, rows_per_second: float) -> int:
    """How many rows to alter: half as many, and half again, where the model is slow.

    >>> sample_size(500, 4000.0), sample_size(500, 60.0), sample_size(0, 4000.0)
    (500, 250, 0)
    """
    size = asked
    while size // 2 >= _FEWEST and size * len(KINDS) > _SECONDS * rows_per_second:
        size //= 2
    return size


@dataclass(frozen=True)
class _Way:
    """How rows of one kind of input are altered.

    Attributes:
        kinds: of alteration.
        alter: from a row's place and a kind to the rule that altered it and the altered row; an
            empty rule where none applies.
        quote: what a person is shown of a row and of the altered row.
        is_chinese: whether the row at a place holds Chinese.
    """

    kinds: tuple[str, ...]
    alter: Callable[[int, str], tuple[str, Row]]
    quote: Callable[[Row, Row], tuple[str, str]]
    is_chinese: Callable[[int], bool]


def measure_robustness(trial: Trial, size: int, events: Events) -> dict[str, Any] | None:
    """The part of the report: for each kind of alteration what it costs; None for no rows.

    Rows are taken by their ids, so a smaller sample is part of a larger one.
    """
    if not size:
        return None
    sample = trial.sample(size, "robustness")
    is_table = trial.task.input == "columns"
    way = _way_of_tables(trial) if is_table else _way_of_texts(trial, sample)
    return {
        "metric": trial.task.default_metric,
        "input": trial.task.input,
        "num_examples": len(sample),
        "kinds": [_measure(trial, way, kind, sample, events) for kind in way.kinds],
    }


def _way_of_texts(trial: Trial, sample: Sequence[int]) -> _Way:
    """Each text of a row is altered; a paraphrase greets once, so it alters the longest alone."""
    known = set().union(*(words_of(text) for row in sample for text in _texts(trial, row).values()))

    def altered(row: int, kind: str) -> tuple[str, Row]:
        draw = Random(f"{_SEED} {kind} {trial.ids[row]}")
        texts = _texts(trial, row)
        if kind == "paraphrase" and texts:
            longest = max(texts, key=lambda name: len(texts[name]))
            texts = {longest: texts[longest]}
        rules, written = [], dict(trial.rows[row])
        for name, text in texts.items():
            rule, changed = alter(text, kind, draw, known)
            if rule:
                rules.append(rule)
                written[name] = changed
        return rules[0] if rules else "", written

    def quote(row: Row, changed: Row) -> tuple[str, str]:
        return trial.predictor.text_of(row), trial.predictor.text_of(changed)

    def is_chinese(row: int) -> bool:
        return any(map(has_ideograms, _texts(trial, row).values()))

    return _Way(tuple(KINDS), altered, quote, is_chinese)


def _texts(trial: Trial, row: int) -> dict[str, str]:
    """The texts that the model reads of a row, by column."""
    found = ((name, trial.rows[row].get(name)) for name in trial.predictor.spec.text)
    return {name: text for name, text in found if isinstance(text, str) and text.strip()}


def _way_of_tables(trial: Trial) -> _Way:
    columns = trial.predictor.spec.columns
    cells = Cells.of(table_of(trial.rows, columns), trial.kinds)

    def altered(row: int, kind: str) -> tuple[str, Row]:
        return cells.alter(trial.rows[row], kind, Random(f"{_SEED} {kind} {trial.ids[row]}"))

    def quote(row: Row, changed: Row) -> tuple[str, str]:
        names = [name for name in columns if row.get(name) != changed.get(name)]
        return row_text(row, names), row_text(changed, names)

    return _Way(CELL_KINDS, altered, quote, lambda _: False)


def _measure(
    trial: Trial, way: _Way, kind: str, sample: Sequence[int], events: Events
) -> dict[str, Any]:
    altered = {row: way.alter(row, kind) for row in sample}
    rows = [row for row in sample if altered[row][0]]
    asked = ask(trial.predictor, [altered[row][1] for row in rows], "altered rows", events)
    task, num = trial.task, len(rows)
    answers = [task.answer_today(answer) for answer in asked]
    truth = [trial.truth[row] for row in rows]
    both = task.outcomes([*truth, *truth], [*(trial.answers[row] for row in rows), *answers])
    before, after = both.at(np.arange(num)), both.at(np.arange(num, 2 * num))
    row_M = np.array(rows, dtype=np.int64)
    rules = [altered[row][0] for row in rows]
    quoted = [way.quote(trial.rows[row], altered[row][1]) for row in rows]
    is_chinese = np.array([way.is_chinese(row) for row in rows], dtype=bool)
    parts = {"zh": is_chinese, "other": ~is_chinese} if len(set(is_chinese.tolist())) > 1 else {}
    return {
        "kind": kind,
        **_figures(trial, before, after, row_M),
        "languages": [
            {"language": name, **_figures(trial, before.at(at_M), after.at(at_M), row_M[at_M])}
            for name, is_in in parts.items()
            if (at_M := np.flatnonzero(is_in)).size
        ],
        "rules": _by_rule(rules, before, after),
        "examples": [
            {
                "id": trial.ids[rows[place]],
                "rule": rules[place],
                "text": quoted[place][0],
                "altered": quoted[place][1],
                **told,
            }
            for place, told in _spoilt(before, after)
        ],
    }


def _figures(
    trial: Trial, before: Outcomes, after: Outcomes, row_M: NDArray[np.int64]
) -> dict[str, Any]:
    """Score before and after, the paired gain, and the share of answers that changed.

    A loss is below zero, whatever the metric. Figures are None where it has no value, as on no
    rows.
    """
    metric = trial.task.metrics[trial.task.default_metric]
    told: dict[str, Any] = {"num_examples": len(row_M), "before": None, "after": None,
                            "difference": None, "changed": None}  # fmt: skip
    if not len(row_M):
        return told
    sign = 1.0 if metric.better == "higher" else -1.0

    def gain(sums: Floats) -> Floats:
        first, second = np.split(sums, 2, axis=-1)
        return sign * (metric.combine(second) - metric.combine(first))

    parts_NK = np.concatenate([metric.parts(before), metric.parts(after)], axis=1)
    told["changed"] = float(after.differs_N(before).mean())
    figures = metric.of(before), metric.of(after)
    exact = None if metric.exact is None else sign * (figures[1] - figures[0])
    difference = estimate(parts_NK, gain, trial.draws.at(row_M), exact)
    if np.isfinite(difference.value):
        told |= {"before": figures[0], "after": figures[1],
                 "difference": difference.to_dict()}  # fmt: skip
    return told


def _by_rule(rules: Sequence[str], before: Outcomes, after: Outcomes) -> list[dict[str, Any]]:
    """How often each rule was drawn, changed the answer, and spoilt a right one or mended one."""
    name_N = np.array(rules, dtype=object)
    changed_N = after.differs_N(before)
    return [
        {
            "rule": rule,
            "num_examples": int(at.sum()),
            "changed": float(changed_N[at].mean()),
            "spoilt": int((before.right_N & ~after.right_N)[at].sum()),
            "mended": int((~before.right_N & after.right_N)[at].sum()),
        }
        for rule in dict.fromkeys(sorted(rules))
        if (at := name_N == rule).any()
    ]


def _spoilt(before: Outcomes, after: Outcomes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Right answers that became wrong: those whose wrong answer is surest, or furthest off."""
    spoilt = np.flatnonzero(before.right_N & ~after.right_N)
    if isinstance(after, LabelOutcomes):
        sure_N = after.scores_NC.max(axis=1, initial=0.0)
    else:
        sure_N = 1.0 - after.credit_N
    for place in spoilt[np.lexsort((spoilt, -sure_N[spoilt]))][:_EXAMPLES].tolist():
        is_sure = isinstance(after, LabelOutcomes)
        yield (
            place,
            {
                "decided": answer_text(before, place),
                "decided_altered": answer_text(after, place),
                "confidence": float(sure_N[place]) if is_sure else None,
            },
        )


# The page ---------------------------------------------------------------------------------------


def robustness(say: Translate, found: Findings) -> Section | None:
    """The section of the page: the cost of each kind, what the rules did, and the worst of it."""
    told = _told(found)
    if told is None:
        return None
    rows = list(_lines(say, told["kinds"]))
    shown = [(name, row) for name, row in rows if row["difference"] is not None]
    if not shown:
        return None
    metric = metric_name(say, told["metric"])
    differences = [interval(row["difference"], signed=True) for _, row in shown]
    chart = ChartBlock(
        say("What an alteration costs, with its 95 % interval"),
        charts.intervals([name for name, _ in shown], differences, x_label=metric),
        alt=say("An interval that lies wholly to the left of the line is a proven loss."),
    )
    cells: list[tuple[Cell, ...]] = [
        (name, row["num_examples"], row["before"], row["after"], difference, Bar(row["changed"]))
        for (name, row), difference in zip(shown, differences, strict=True)
    ]
    columns = (
        "Alteration",
        "Examples",
        "as it is",
        "altered",
        "Difference",
        "Answers that changed",
    )
    blocks: list[Block] = [chart, Table(tuple(map(say, columns)), tuple(cells))]
    blocks.append(Details(say("What each rule did"), (_rules_table(say, told["kinds"]),)))
    blocks += [_examples(say, one, found.is_table) for one in told["kinds"] if one["examples"]]
    note = say(_NOTES[told.get("input", "text")], count=numbers.count(told["num_examples"]))
    return Section(say("Robustness"), tuple(blocks), note)


def _told(found: Findings) -> dict[str, Any] | None:
    """None also in a report from before there was such a part."""
    told: dict[str, Any] | None = found.body.get("robustness")
    return told


def _lines(
    say: Translate, kinds: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each kind, and below it its languages where there are two."""
    names = {"zh": say("Chinese"), "other": say("others")}
    for one in kinds:
        title = say(_TITLES[one["kind"]])
        yield title, one
        for part in (part for part in one["languages"] if part["num_examples"] >= _FEW):
            yield f"{title} · {names[part['language']]}", part


def _rules_table(say: Translate, kinds: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            say(_TITLES[one["kind"]]),
            say(_RULES[rule["rule"]]) if one["kind"] not in _BY_COLUMN else rule["rule"],
            rule["num_examples"],
            Bar(rule["changed"]),
            rule["spoilt"],
            rule["mended"],
        )
        for one in kinds
        for rule in one["rules"]
    ]
    columns = ("Alteration", "Rule", "Examples", "Answers that changed", "spoilt", "mended")
    return Table(tuple(map(say, columns)), tuple(rows))


def _examples(say: Translate, kind: Mapping[str, Any], is_table: bool) -> Details:
    """The surest wrong answers that an alteration made of right ones."""
    rows: list[tuple[Cell, ...]] = [
        (
            one_line(one["text"], 120, is_table=is_table),
            one_line(one["altered"], 120, is_table=is_table),
            said(one["decided"]),
            _with_confidence(said(one["decided_altered"]), one["confidence"]),
        )
        for one in kind["examples"]
    ]
    heading = say("Row") if is_table else say("Text")
    columns = (heading, say("altered"), say("Answer"), say("Answer when altered"))
    title = say("Right answers that were spoilt: {kind}", kind=say(_TITLES[kind["kind"]]))
    return Details(title, (Table(columns, tuple(rows)),))


def _with_confidence(answer: str, confidence: float | None) -> str:
    return answer if confidence is None else f"{answer} ({numbers.percent(confidence)})"


def robustness_findings(say: Translate, found: Findings) -> Iterator[tuple[bool, str]]:
    """What the summary says: proven losses worth a word, or that nothing costs it much."""
    told = _told(found)
    known = [one for one in (told or {}).get("kinds", ()) if one["difference"] is not None]
    enough = [one for one in known if one["num_examples"] >= _FEWEST]
    if not enough:
        return
    unit = found.unit(told["metric"]) if told else 1.0
    lost = [one for one in enough if _is_loss(one["difference"], unit)]
    text = "{kind} cost it {points}: {before} falls to {after} on {count} altered examples."
    if told and not found.is_higher_better(told["metric"]):
        text = "{kind} cost it {points}: {before} rises to {after} on {count} altered examples."
    for one in sorted(lost, key=lambda one: float(one["difference"]["value"])):
        yield (
            False,
            say(
                text,
                kind=say(_TITLES[one["kind"]]),
                points=numbers.metric(-one["difference"]["value"]),
                before=numbers.metric(one["before"]),
                after=numbers.metric(one["after"]),
                count=numbers.count(one["num_examples"]),
            ),
        )
    if (
        told
        and len(enough) == len(told["kinds"])
        and all(one["difference"]["low"] > -_WORTH_SAYING * unit for one in enough)
    ):
        yield True, say(_CALM[told.get("input", "text")])


def _is_loss(difference: Mapping[str, float], unit: float) -> bool:
    return difference["high"] < 0 and difference["value"] <= -_WORTH_SAYING * unit
