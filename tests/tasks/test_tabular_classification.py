"""Labels of rows of a table, and cells that say none."""

import pytest

from volano.tasks import LabelsConfig, TabularClassification, TextClassification


@pytest.mark.parametrize("cell", [None, "", " ", "?", "NA", "n/a", "NaN", float("nan"), "未填"])
def test_a_cell_that_says_nothing_is_no_label(cell: object) -> None:
    assert TabularClassification().read_target(cell) is None


@pytest.mark.parametrize("cell", ["-", "+", "none", "无", "missing", "unknown"])
def test_what_may_be_a_label_is_one(cell: str) -> None:
    assert TabularClassification().read_target(cell) == (cell,)


def test_a_label_that_looks_missing_is_one_where_the_project_names_it() -> None:
    task = TabularClassification(LabelsConfig(rename={"NA": "namibia"}))
    assert task.read_target("NA") == ("namibia",)
    assert task.read_target("?") is None
    assert TabularClassification(LabelsConfig(unknown="n/a")).read_target("n/a") == ("n/a",)


def test_a_number_that_is_none_is_no_label_of_a_text_either() -> None:
    assert TextClassification().read_target(float("nan")) is None
    assert TextClassification().read_target("NA") == ("NA",)
