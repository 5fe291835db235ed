"""Fairness: how the rates of a model differ between groups of people.

The figures are those of fairlearn's ``MetricFrame``: each rate by group, and the difference of the
largest and the smallest. Where unfairness was mitigated, the page shows what that cost.

The gate reads the same figures of candidate and champion; here the report measures and shows them.

Shape suffixes: N examples, M of one group, F figures, K = 2 F sums, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from volano.core.pages import Callout, ChartBlock, Interval, Section, Table, charts, numbers
from volano.core.seeds import derive_seed
from volano.evals.findings import metric_name
from volano.evals.thinning import Thinned
from volano.tasks.group_rates import (
    LABEL_FIGURES,
    NUMBER_FIGURES,
    group_shares,
    positive_label,
)
from volano.tasks.numbers import NumberOutcomes
from volano.tasks.resampling import Draws, interval
from volano.tasks.scoring import ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.pages import Block, Cell, Kind, Translate
    from volano.evals.config import FairnessConfig
    from volano.evals.findings import Findings
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.scoring import Floats

__all__ = ["FIGURES", "compare_groups", "fairness", "fairness_findings", "measure_fairness"]

FIGURES = (*LABEL_FIGURES, *NUMBER_FIGURES)
_LEVEL = 0.95
_MOST_DRAWS = 2000


def measure_fairness(
    config: FairnessConfig,
    outcomes: Outcomes,
    columns: Mapping[str, Sequence[str]],
    draws: Draws,
    counts: Mapping[str, int],
) -> dict[str, Any] | None:
    """The part of the report; None where no groups are named.

    Args:
        config: which columns are compared, and what counts as positive.
        outcomes: truth and answers.
        columns: the group of every example, by field.
        draws: how the examples are drawn again.
        counts: training rows of each label.

    Raises:
        ConfigError: ``evaluate.fairness.positive`` is no label.
    """
    if not config.fields:
        return None
    positive = positive_label(outcomes, config.positive, counts)
    nobody: dict[str, Any] = {"groups": [], "gaps": {}}  # all rows are of one group
    fields = [
        {
            "field": name,
            **(
                compare_groups(outcomes, columns[name], positive, config.minimum, draws)
                if name in columns
                else nobody
            ),
        }
        for name in config.fields
    ]
    scale = outcomes.scale if isinstance(outcomes, NumberOutcomes) else None
    return {"positive": positive, "minimum": config.minimum, "scale": scale, "fields": fields}


def compare_groups(
    outcomes: Outcomes, group_N: Sequence[str], positive: str, minimum: int, draws: Draws
) -> dict[str, Any]:
    """Each figure by group, and how far the groups are apart.

    Args:
        outcomes: truth and answers.
        group_N: the group of each example.
        positive: the label whose rates are compared; empty compares errors alone.
        minimum: rates of fewer examples do not count for the gap.
        draws: how the examples are drawn again.

    Returns:
        ``groups``: value, num_examples, and by figure its value, interval and ``count``, the number
        of examples that it is a rate of. ``gaps``: by figure the largest less the smallest rate,
        the two groups, and the interval of their difference, which allows for the number of pairs
        to choose from. A figure is left out where fewer than two groups can be compared.
    """
    names, place_N = np.unique(np.array(group_N, dtype=str), return_inverse=True)
    shares = group_shares(outcomes, positive)
    parts_NK = np.stack([part for both in shares.values() for part in both], axis=1)
    rated = [
        _Rated.of(str(name), parts_NK, np.flatnonzero(place_N == place), draws)
        for place, name in enumerate(names)
    ]
    gaps = {}
    for column, figure in enumerate(shares):
        counted = [group for group in rated if group.count_F[column] >= minimum]
        if len(counted) > 1:
            gaps[figure] = _gap(counted, column)
    return {"groups": [group.told(tuple(shares)) for group in rated], "gaps": gaps}


@dataclass(frozen=True)
class _Rated:
    """The rates of one group; F figures, B draws."""

    name: str
    num: int
    num_units: int
    rate_F: Floats
    count_F: Floats
    rate_BF: Floats

    @classmethod
    def of(cls, name: str, parts_NK: Floats, row_M: NDArray[np.int64], draws: Draws) -> Self:
        """From what is counted, and out of what, in turns, of the rows of the group."""
        part_MK, own = parts_NK[row_M], draws.at(row_M)
        # Groups are drawn apart from each other: a person is of one.
        num = min(own.num, _MOST_DRAWS)
        apart = Draws(own.unit_N, num, derive_seed(own.seed, name))
        thinned = Thinned.of(apart, parts_NK.shape[1])
        some_MK, whole = part_MK[thinned.row_M], _rates(part_MK.sum(axis=0))
        away_BF = _rates(thinned.draws.sums(some_MK)) - _rates(some_MK.sum(axis=0))
        return cls(
            name,
            len(row_M),
            own.num_units,
            whole,
            part_MK.sum(axis=0)[1::2],
            whole + away_BF * thinned.shrink,
        )

    def told(self, figures: Sequence[str]) -> dict[str, Any]:
        """As the report keeps it; a rate of nothing is left out."""
        found: dict[str, Any] = {"value": self.name, "num_examples": self.num}
        for column, figure in enumerate(figures):
            value = float(self.rate_F[column])
            low, high = interval(self.rate_BF[:, column], self.num_units, _LEVEL)
            if np.isfinite((value, low, high)).all():
                found[figure] = {"value": value, "low": min(low, value), "high": max(high, value),
                                 "count": int(self.count_F[column])}  # fmt: skip
        return found


def _rates(sums: Floats) -> Floats:
    return ratio(sums[..., 0::2], sums[..., 1::2])


def _gap(groups: Sequence[_Rated], column: int) -> dict[str, Any]:
    """The two groups furthest apart; with many to choose from, chance alone sets some apart."""
    most = max(groups, key=lambda group: float(group.rate_F[column]))
    least = min(groups, key=lambda group: float(group.rate_F[column]))
    rates = [float(group.rate_F[column]) for group in (most, least)]
    value = rates[0] - rates[1]
    level = 1 - (1 - _LEVEL) / comb(len(groups), 2)
    units = min(most.num_units, least.num_units)
    low, high = interval(most.rate_BF[:, column] - least.rate_BF[:, column], units, level)
    return {
        "value": value,
        "low": min(low, value),
        "high": max(high, value),
        "largest": most.name,
        "smallest": least.name,
        "rates": rates,
    }


# The page ---------------------------------------------------------------------------------------

_TITLES = {
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
    "false_positive_rate": "False positive rate",
    "error_rate": "Error rate",
    "mean_error": "Mean error",
    "absolute_error": "Mean absolute error",
}
_STATES: Mapping[str, str] = {
    "kept": "kept",
    "broken": "broken",
    "doubtful": "not shown to hold",
    "notes": "over, and the champion's too",
}
_COSTS = ("accuracy", "log_loss", "calibration_error", "cost")  # beside the project's own metric
_SHOWN = 8  # groups of a field in the picture


def fairness(say: Translate, found: Findings) -> Section | None:
    """The section of the page: each field's groups, how far apart they are, and the limits."""
    told = found.body.get("fairness")
    if not told or not any(field["groups"] for field in told["fields"]):
        return None
    checks = list(found.verdict.checks.get("fairness", ()))
    blocks: list[Block] = [Callout(kind, text) for kind, text in _told(say, checks)]
    gaps = list(_gap_rows(say, told["fields"], checks))
    if gaps:
        names = ("Group", "Figure", "Gap", "Largest", "Smallest", "Limit", "")
        blocks.append(Table(tuple(map(say, names)), tuple(gaps), say("How far groups are apart")))
    for field in told["fields"]:
        if field["groups"]:
            blocks += [_picture(say, field), _table(say, field)]
    mitigated = found.body.get("training", {}).get("mitigation")
    if mitigated:
        blocks.append(_mitigation_table(say, found.metric, mitigated))
    return Section(say("Fairness"), tuple(blocks), _note(say, told))


def _note(say: Translate, told: Mapping[str, Any]) -> str:
    if told["scale"] is not None:
        return say(
            "Errors are the answer less the truth, in standard deviations of the truth ({scale}). "
            "Rates of fewer than {minimum} examples are not compared.",
            scale=numbers.figure(told["scale"]),
            minimum=told["minimum"],
        )
    if not told["positive"]:
        return say(
            "How often answers are wrong. Rates of fewer than {minimum} examples are not compared; "
            "evaluate.fairness.positive names the label whose other rates are shown.",
            minimum=told["minimum"],
        )
    return say(
        "Positive is “{label}”: how often it is answered, how often where it is true, how often "
        "where it is not, and how often answers are wrong. Rates of fewer than {minimum} examples "
        "are not compared.",
        label=told["positive"],
        minimum=told["minimum"],
    )


def _told(say: Translate, checks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Kind, str]]:
    """What the limits come to, in a sentence."""
    broken = [check for check in checks if check["state"] == "broken"]
    doubtful = [check for check in checks if check["state"] == "doubtful"]
    if broken:
        yield "bad", say("Limits that are broken: {limits}.", limits=_named(say, broken))
    if doubtful:
        yield "warn", say("Limits that are not shown to hold: {limits}.",
                          limits=_named(say, doubtful))  # fmt: skip
    if checks and not broken and not doubtful:
        yield "good", say("No group is further from another than the project allows.")


def _named(say: Translate, checks: Sequence[Mapping[str, Any]]) -> str:
    return say(", ").join(f"{say(_TITLES[one['figure']])} · {one['field']}" for one in checks)


def _gap_rows(
    say: Translate, fields: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Cell, ...]]:
    by_name = {(check["field"], check["figure"]): check for check in checks}
    for field in fields:
        for figure in (name for name in FIGURES if name in field["gaps"]):
            gap = field["gaps"][figure]
            check = by_name.get((field["field"], figure))
            yield (
                field["field"],
                say(_TITLES[figure]),
                Interval(gap["value"], gap["low"], gap["high"]),
                gap["largest"],
                gap["smallest"],
                f"{check['limit']:g}" if check else "–",
                say(_STATES[check["state"]]) if check else "",
            )


def _picture(say: Translate, field: Mapping[str, Any]) -> ChartBlock:
    """Every figure by group, those of one figure together."""
    groups = sorted(field["groups"], key=lambda group: -group["num_examples"])[:_SHOWN]
    rows = [
        (f"{say(_TITLES[figure])} · {group['value']}", group[figure])
        for figure in FIGURES
        for group in groups
        if figure in group
    ]
    values = [Interval(one["value"], one["low"], one["high"]) for _, one in rows]
    is_share = not any(figure in NUMBER_FIGURES for group in groups for figure in group)
    return ChartBlock(
        say("Rates by {field}", field=field["field"]),
        charts.intervals(
            [name for name, _ in rows],
            values,
            x_label=say("Rate") if is_share else say("Error"),
            format="percent" if is_share else "metric",
            reference=None,
        ),
        alt=say("Each group with its interval; groups far apart are treated unlike."),
    )


def _table(say: Translate, field: Mapping[str, Any]) -> Table:
    figures = [name for name in FIGURES if any(name in group for group in field["groups"])]
    rows = tuple(
        (
            group["value"],
            group["num_examples"],
            *(
                Interval(group[name]["value"], group[name]["low"], group[name]["high"])
                if name in group
                else None
                for name in figures
            ),
        )
        for group in field["groups"]
    )
    columns = (field["field"], say("Examples"), *(say(_TITLES[name]) for name in figures))
    return Table(columns, rows)


def _mitigation_table(say: Translate, metric: str, told: Mapping[str, Any]) -> Table:
    """Gaps and metrics without mitigation and with it, on the same rows held out of training."""
    rows = [
        (say(title), *_both(told, "gaps", figure))
        for figure, title in _TITLES.items()
        if all(figure in told[side]["gaps"] for side in ("without", "with"))
    ]
    rows += [
        (metric_name(say, name), *_both(told, "metrics", name))
        for name in dict.fromkeys([metric, *_COSTS])
        if all(name in told[side]["metrics"] for side in ("without", "with"))
    ]
    names = ("Gap or metric", "Without", "With mitigation", "Change")
    caption = say(
        "What mitigation cost: {method} by {fields}, on {count} rows held out of training",
        method=told["method"],
        fields=say(", ").join(told["fields"]),
        count=numbers.count(told["rows"]),
    )
    return Table(tuple(map(say, names)), tuple(rows), caption)


def _both(told: Mapping[str, Any], kind: str, name: str) -> tuple[str, str, str]:
    before, after = (told[side][kind][name] for side in ("without", "with"))
    return (
        numbers.metric(before),
        numbers.metric(after),
        numbers.metric(after - before, signed=True),
    )


def fairness_findings(say: Translate, found: Findings) -> Iterator[tuple[bool, str]]:
    """What the summary says of the limits, and whether it is good news."""
    for kind, text in _told(say, list(found.verdict.checks.get("fairness", ()))):
        yield kind == "good", text
