"""Builders of charts: plain numbers in, an Apache ECharts option of JSON values out.

Three keys are ours and are read by `page.js`: `tip` on a point is its tooltip (shown as text, never
as HTML), `format` on an axis label or series says how its numbers are written, and a colour
`var(--name)` is the token of that name in `page.css`, so a chart follows light, dark and print.
Words come from the caller, in the reader's language.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from volano.core.pages import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.pages.page import Interval

__all__ = [
    "Format",
    "Option",
    "Series",
    "against",
    "bars",
    "confusion",
    "curves",
    "dots",
    "histogram",
    "intervals",
    "lines",
    "reliability",
    "scatter",
    "stacked_bars",
]

Format: TypeAlias = Literal["count", "metric", "percent"]
Option: TypeAlias = dict[str, object]

LABEL_WIDTH = 180
LABELLED_CLASSES = 12  # with more, the numbers no longer fit into the cells of a confusion matrix


@dataclass(frozen=True)
class Series:
    """A name and its numbers, one for each label, bin or position."""

    name: str
    values: tuple[float, ...]


def bars(
    labels: Sequence[str], first: Series, second: Series | None = None, *, format: Format = "count"
) -> Option:
    """Horizontal bars, the largest of the first series on top."""
    order = sorted(range(len(labels)), key=lambda i: -first.values[i])
    shown = [first] if second is None else [first, second]
    return {
        **_frame([one.name for one in shown]),
        "xAxis": _value_axis(format=format),
        "yAxis": _label_axis([labels[i] for i in order]),
        "series": [
            {
                "type": "bar",
                "name": one.name,
                "barMaxWidth": 16,
                "barGap": "10%",
                "itemStyle": {"borderRadius": [0, 2, 2, 0]},
                "data": [
                    _point(one.values[i], f"{labels[i]}\n{_named(one, i, format)}") for i in order
                ],
            }
            for one in shown
        ],
    }


def stacked_bars(
    labels: Sequence[str], parts: Sequence[Series], *, format: Format = "count"
) -> Option:
    """Horizontal bars made of parts, in the order given."""
    return {
        **_frame([part.name for part in parts]),
        "xAxis": _value_axis(format=format),
        "yAxis": _label_axis(labels),
        "series": [
            {
                "type": "bar",
                "name": part.name,
                "stack": "all",
                "barMaxWidth": 16,
                "itemStyle": {"borderColor": "var(--paper)", "borderWidth": 0.5},
                "data": [
                    _point(value, f"{label}\n{_named(part, i, format)}")
                    for i, (label, value) in enumerate(zip(labels, part.values, strict=True))
                ],
            }
            for part in parts
        ],
    }


def histogram(
    edges: Sequence[float],
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    format: Format = "count",
) -> Option:
    """How often values fall between edges; several series lie over each other, see-through."""
    bins = [f"{_short(a)}–{_short(b)}" for a, b in zip(edges, edges[1:], strict=False)]
    return {
        **_frame([one.name for one in series]),
        "xAxis": {"type": "category", "data": bins, **_named_axis(x_label)},
        "yAxis": _value_axis(y_label, format=format),
        "series": [
            {
                "type": "bar",
                "name": one.name,
                "barGap": "-100%",
                "barCategoryGap": "8%",
                "itemStyle": {"opacity": 1 if len(series) == 1 else 0.6},
                "data": [
                    _point(value, f"{between}\n{_named(one, i, format)}")
                    for i, (between, value) in enumerate(zip(bins, one.values, strict=True))
                ],
            }
            for one in series
        ],
    }


def dots(
    labels: Sequence[str], series: Sequence[Series], *, x_label: str, format: Format = "metric"
) -> Option:
    """A value, or several, of each label, from top to bottom in the order given.

    Points and not bars: the axis need not hold zero, and a bar that does not begin there misleads.
    """
    return {
        **_frame([one.name for one in series]),
        "xAxis": _value_axis(x_label, format=format, scale=True),
        "yAxis": {**_label_axis(labels), "splitLine": {"show": True}},
        "series": [
            {
                "type": "scatter",
                "name": one.name,
                "symbolSize": 10,
                "data": [
                    _point([value, place], f"{label}\n{_named(one, place, format)}")
                    for place, (label, value) in enumerate(zip(labels, one.values, strict=True))
                ],
            }
            for one in series
        ],
    }


def lines(
    positions: Sequence[float],
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    format: Format = "metric",
    x_format: Format = "count",
) -> Option:
    """Values along a numeric axis: a loss over steps, a score over turns."""
    whole = {"minInterval": 1} if all(float(at).is_integer() for at in positions) else {}
    return {
        **_frame([one.name for one in series]),
        "tooltip": {"trigger": "axis"},
        "xAxis": {**_value_axis(x_label, format=x_format, scale=True), **whole},
        "yAxis": _value_axis(y_label, format=format, scale=True),
        "series": [
            {
                "type": "line",
                "name": one.name,
                "format": format,
                "showSymbol": len(positions) <= 30,
                "symbolSize": 6,
                "data": [list(pair) for pair in zip(positions, one.values, strict=True)],
            }
            for one in series
        ],
    }


def curves(
    groups: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    x_label: str,
    y_label: str,
    is_diagonal: bool = False,
) -> Option:
    """Named curves of shares over shares, each through its own points: ROC, precision-recall.

    The diagonal is where a guess would lie, if there is such a line.
    """
    drawn: list[Option] = [
        {
            "type": "line",
            "name": name,
            "showSymbol": False,
            "lineStyle": {"width": 2},
            "data": [
                _point([x, y], f"{name}\n{numbers.percent(x)}, {numbers.percent(y)}".strip())
                for x, y in points
            ],
        }
        for name, points in groups
    ]
    return {
        **_frame([name for name, _ in groups]),
        "xAxis": {**_value_axis(x_label, format="percent"), "min": 0, "max": 1},
        "yAxis": {**_value_axis(y_label, format="percent"), "min": 0, "max": 1},
        "series": [*drawn, *([_diagonal(0.0, 1.0)] if is_diagonal else [])],
    }


def reliability(
    confidences: Sequence[float],
    accuracies: Sequence[float],
    counts: Sequence[int],
    *,
    x_label: str,
    y_label: str,
) -> Option:
    """Calibration: what the model claimed against what came true; size is the number of answers."""
    most = max(counts, default=1)
    points = [
        _point(
            [claimed, true],
            f"{x_label} {numbers.metric(claimed)}\n{y_label} {numbers.metric(true)}\n"
            f"n = {numbers.count(n)}",
            symbolSize=round(7 + 25 * math.sqrt(n / most), 1),
        )
        for claimed, true, n in zip(confidences, accuracies, counts, strict=True)
        if n > 0
    ]
    cloud = {"type": "scatter", "data": points, "itemStyle": {"opacity": 0.85}}
    return {
        **_frame([]),
        "color": ["var(--series-1)"],
        "xAxis": {**_value_axis(x_label, format="percent"), "min": 0, "max": 1},
        "yAxis": {**_value_axis(y_label, format="percent"), "min": 0, "max": 1},
        "series": [_diagonal(0, 1), cloud],
    }


def _diagonal(low: float, high: float) -> Option:
    return {
        "type": "line",
        "data": [[low, low], [high, high]],
        "silent": True,
        "showSymbol": False,
        "lineStyle": {"color": "var(--muted)", "type": "dashed", "width": 1},
    }


def confusion(
    labels: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    truth_label: str,
    answer_label: str,
    max_classes: int = 80,
) -> Option:
    """A row for each true class; colour is the share of that row, empty cells are left out.

    Of more than `max_classes` the most confused are shown, and the page says how many.
    """
    kept = _most_confused(counts, max_classes)
    names = [labels[i] for i in kept]
    left_out = {"left_out": {"shown": len(kept), "total": len(labels)}}
    return {
        **_frame([]),
        **(left_out if len(kept) < len(labels) else {}),
        "xAxis": {**_label_axis(names, answer_label), "inverse": False, "position": "top"},
        "yAxis": _label_axis(names, truth_label),
        "visualMap": _share_colours(),
        "series": [
            {
                "type": "heatmap",
                "data": _cells(labels, counts, kept),
                "label": {"show": len(kept) <= LABELLED_CLASSES},
                "itemStyle": {"borderColor": "var(--paper)", "borderWidth": 1},
            }
        ],
    }


def _most_confused(counts: Sequence[Sequence[int]], max_classes: int) -> list[int]:
    """The classes with most errors made in or for them, in their own order."""
    errors = [sum(row) - row[i] for i, row in enumerate(counts)]
    for row_number, row in enumerate(counts):
        for i, n in enumerate(row):
            errors[i] += n if i != row_number else 0
    return sorted(sorted(range(len(counts)), key=lambda i: -errors[i])[:max_classes])


def _cells(
    labels: Sequence[str], counts: Sequence[Sequence[int]], kept: Sequence[int]
) -> list[Option]:
    cells = []
    for row, truth in enumerate(kept):
        total = sum(counts[truth])
        for column, answer in enumerate(kept):
            if n := counts[truth][answer]:
                tip = f"{labels[truth]} → {labels[answer]}\n{n:,} ({numbers.percent(n / total)})"
                ink = "var(--on-strong)" if n / total > 0.5 else "var(--ink)"
                label = {"color": ink, "formatter": numbers.count(n)}
                named = {"label": label} if len(kept) <= LABELLED_CLASSES else {}
                cells.append(_point([column, row, round(n / total, 4)], tip, **named))
    return cells


def _share_colours() -> Option:
    return {
        "type": "continuous",
        "show": False,
        "min": 0,
        "max": 1,
        "dimension": 2,
        "inRange": {"color": ["var(--heat-0)", "var(--heat-1)", "var(--heat-2)"]},
    }


def intervals(
    labels: Sequence[str],
    values: Sequence[Interval],
    *,
    x_label: str,
    format: Format = "metric",
    reference: float | None = 0.0,
    less_is_better: bool = False,
) -> Option:
    """A forest plot: each value with the interval it lies in, and a line to compare with.

    An interval wholly above the reference is drawn in the colour of good, wholly below in that of
    bad (the other way round where less is better), and one that contains it is quiet. Without a
    reference all are alike. The axis holds zero only where that is the reference.
    """
    whiskers, dots = [], []
    for row, (label, one) in enumerate(zip(labels, values, strict=True)):
        low, value, high = (
            numbers.metric(number, signed=one.signed) for number in (one.low, one.value, one.high)
        )
        tip = f"{label}\n{value}  [{low}, {high}]"
        colour = _side(one, reference, less_is_better=less_is_better)
        style = {"color": colour, "borderColor": colour, "borderWidth": 1.5}
        spread = [one.low, one.value, one.value, one.value, one.high]
        whiskers.append(_point(spread, tip, itemStyle=style))
        dots.append(_point([one.value, row], tip, itemStyle={"color": colour}))
    return {
        **_frame([]),
        "xAxis": _value_axis(x_label, format=format, scale=reference != 0.0),
        "yAxis": _label_axis(labels),
        "series": [
            {"type": "boxplot", "boxWidth": [7, 7], "data": whiskers}
            | ({"markLine": _line_at(reference)} if reference is not None else {}),
            {"type": "scatter", "symbolSize": 9, "z": 3, "data": dots},
        ],
    }


def _side(one: Interval, reference: float | None, *, less_is_better: bool) -> str:
    if reference is None:
        return "var(--series-1)"
    above, below = ("bad", "good") if less_is_better else ("good", "bad")
    if one.low > reference:
        return f"var(--{above})"
    return f"var(--{below})" if one.high < reference else "var(--muted)"


def _line_at(reference: float) -> Option:
    return {
        "silent": True,
        "symbol": "none",
        "label": {"show": False},
        "lineStyle": {"color": "var(--muted)", "type": "solid", "width": 1},
        "data": [{"xAxis": reference}],
    }


def scatter(
    groups: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, x_label: str, y_label: str
) -> Option:
    """Points in named groups: two measures of the same things."""
    return {
        **_frame([name for name, _ in groups]),
        "xAxis": _value_axis(x_label, format="metric", scale=True),
        "yAxis": _value_axis(y_label, format="metric", scale=True),
        "series": [
            {
                "type": "scatter",
                "name": name,
                "symbolSize": 7,
                "itemStyle": {"opacity": 0.7},
                "data": [
                    _point([x, y], f"{name}\n{numbers.metric(x)}, {numbers.metric(y)}".strip())
                    for x, y in points
                ],
            }
            for name, points in groups
        ],
    }


def against(points: Sequence[tuple[float, float]], *, x_label: str, y_label: str) -> Option:
    """Two readings of the same number, and the diagonal on which they agree."""
    ends = [end for point in points for end in point] or [0.0, 1.0]
    cloud = {
        "type": "scatter",
        "symbolSize": 5,
        "itemStyle": {"opacity": 0.5},
        "data": [
            _point([x, y], f"{x_label} {numbers.figure(x)}\n{y_label} {numbers.figure(y)}")
            for x, y in points
        ],
    }
    return {
        **_frame([]),
        "color": ["var(--series-1)"],
        "xAxis": _value_axis(x_label, format="metric", scale=True),
        "yAxis": _value_axis(y_label, format="metric", scale=True),
        "series": [_diagonal(min(ends), max(ends)), cloud],
    }


def _frame(names: Sequence[str]) -> Option:
    """Room around the plot; a legend only when there is something to tell apart."""
    with_legend = len(names) > 1
    legend = {"legend": {"top": 0, "left": 0, "data": list(names)}} if with_legend else {}
    return {
        **legend,
        "tooltip": {"trigger": "item"},
        "grid": {"left": 4, "right": 20, "top": 40 if with_legend else 12, "bottom": 4},
    }


def _value_axis(name: str = "", *, format: Format, scale: bool = False) -> Option:
    return {
        "type": "value",
        "scale": scale,
        "axisLabel": {"format": format, "hideOverlap": True},
        **_named_axis(name),
    }


def _label_axis(labels: Sequence[str], name: str = "") -> Option:
    """Labels read from top to bottom; a long one is cut, and whole in the tooltip."""
    return {
        "type": "category",
        "inverse": True,
        "data": list(labels),
        "axisLabel": {"width": LABEL_WIDTH, "overflow": "truncate", "hideOverlap": True},
        **_named_axis(name),
    }


def _named_axis(name: str) -> Option:
    return {"name": name, "nameLocation": "middle"} if name else {}


def _point(value: float | list[float], tip: str, **style: object) -> Option:
    return {"value": value, "tip": tip, **style}


def _named(series: Series, index: int, format: Format) -> str:
    value = series.values[index]
    match format:
        case "metric":
            written = numbers.metric(value)
        case "percent":
            written = numbers.percent(value)
        case "count":
            written = _short(value)
    return f"{series.name}  {written}" if series.name else written


def _short(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
