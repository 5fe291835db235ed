from __future__ import annotations

import pytest

from volano.core.errors import DataError
from volano.core.nouns import Answer
from volano.tasks import LabelsConfig, TextClassification


def test_an_answer_of_an_older_model_is_given_under_todays_names() -> None:
    task = TextClassification(LabelsConfig(rename={"医学": "医药", "药学": "医药"}))
    older = Answer(("医学",), 0.5, False, {"医学": 0.5, "药学": 0.25, "工学": 0.25})
    said = task.output(older)
    assert said["label"] == "医药"
    assert said["scores"] == {"医药": 0.75, "工学": 0.25}


def test_labels_are_split_renamed_and_removed() -> None:
    labels = LabelsConfig(separator="|", rename={"old": "new"}, remove=("gone",))
    task = TextClassification(labels)
    assert task.read_target(" old | gone|b ") == ("b", "new")
    assert task.read_target("gone") is None
    assert task.read_target(None) is None


def test_a_number_names_the_line_of_the_names_file() -> None:
    task = TextClassification(LabelsConfig(separator=","))
    assert task.read_target("1,0", ["joy", "love"]) == ("joy", "love")
    with pytest.raises(DataError, match="is not in the label names file"):
        task.read_target("2", ["joy", "love"])
