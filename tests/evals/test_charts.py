"""The charts of tables and numbers: points where they belong, plain JSON, tips that say them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from volano.core.pages import ChartBlock, Interval, Page, Section, Series, charts, render


def drawn(option: charts.Option) -> Any:
    """The option as the page's script reads it."""
    block = ChartBlock("title", option, "what it shows")
    render(Page("t", sections=(Section("s", (block,)),)))
    return json.loads(json.dumps(block.to_dict()["option"], allow_nan=False))


def test_a_curve_goes_through_its_own_points_and_a_guess_along_the_diagonal() -> None:
    groups = [("yes", [(0.0, 0.0), (0.1, 0.8), (1.0, 1.0)]), ("no", [(0.0, 0.2), (1.0, 1.0)])]
    option = drawn(charts.curves(groups, x_label="x", y_label="y", is_diagonal=True))
    first, second, diagonal = option["series"]
    assert [point["value"] for point in first["data"]] == [[0, 0], [0.1, 0.8], [1, 1]]
    assert len(second["data"]) == 2
    assert diagonal["data"] == [[0, 0], [1, 1]]
    assert option["legend"]["data"] == ["yes", "no"]
    assert len(drawn(charts.curves(groups, x_label="x", y_label="y"))["series"]) == 2


def test_points_lie_against_the_diagonal_of_their_own_range() -> None:
    points = [(1000.0, 1200.0), (5000.0, 900.0)]
    diagonal, cloud = drawn(charts.against(points, x_label="Truth", y_label="Answer"))["series"]
    assert diagonal["data"] == [[900, 900], [5000, 5000]]
    assert cloud["data"][0]["tip"] == "Truth 1,000\nAnswer 1,200"


def test_dots_stand_beside_their_labels_in_the_order_given() -> None:
    option = drawn(charts.dots(["Mon", "Tue"], [Series("a", (2.0, 1.0))], x_label="n"))
    assert option["yAxis"]["data"] == ["Mon", "Tue"]
    assert [point["value"] for point in option["series"][0]["data"]] == [[2, 0], [1, 1]]


@pytest.mark.parametrize(("less_is_better", "first"), [(False, "good"), (True, "bad")])
def test_above_the_line_is_good_or_bad(less_is_better: bool, first: str) -> None:
    values = [Interval(2, 1.5, 3), Interval(0, -1, 0.5)]
    option = charts.intervals(
        ["above", "below"], values, x_label="x", reference=1.0, less_is_better=less_is_better
    )
    colours = [point["itemStyle"]["color"] for point in drawn(option)["series"][0]["data"]]
    assert colours[0] == f"var(--{first})"
    assert colours[1] != colours[0]
