"""Feedback and review where anomalies are asked for, in the words of the data or of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError
from volano.core.nouns import Prediction
from volano.feedback import FeedbackConfig, import_reviews, read_signals, record_feedback, settle
from volano.store.predictions import add_predictions, list_feedback
from volano.store.reviews import ReviewItem, answered_reviews, file_reviews, open_reviews
from volano.tasks import AnomalyDetection, LabelsConfig

if TYPE_CHECKING:
    from pathlib import Path

    from volano.store.ledger import Ledger

TASK = AnomalyDetection()
KNOWN = ("anomaly", "normal")


def odd(name: str) -> Prediction:
    scores = {"anomaly": 0.97, "normal": 0.03}
    output = {"label": "anomaly", "confidence": 0.97, "scores": scores, "score": 0.97}
    return Prediction(name, 100.0, "m" * 64, {"amount": 900}, output, None, None, 1.0)


def taught(ledger: Ledger, task: AnomalyDetection, **sent: object) -> tuple[str, tuple[str, ...]]:
    """What one signal comes to, and the label that it teaches."""
    add_predictions(ledger, [odd("p1")])
    record_feedback(ledger, task, {"prediction": "p1", "by": "ann", **sent})
    (found,) = settle(FeedbackConfig(), task, read_signals(ledger), KNOWN).settled
    return found.outcome, found.labels


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        ("fraud", "anomaly"),
        ("正常", "normal"),
        (0, "normal"),
        ("anomaly", "anomaly"),
        ("OK", "normal"),
    ],
)
def test_feedback_may_use_the_words_of_the_data(ledger: Ledger, sent: object, label: str) -> None:
    assert taught(ledger, TASK, label=sent) == ("label", (label,))


@pytest.mark.parametrize("part", ["label", "output"])
@pytest.mark.parametrize(
    ("sent", "label"), [("benign", "normal"), ("worm", "anomaly"), ("normal", "normal")]
)
def test_a_label_of_the_answers_means_itself(
    ledger: Ledger, part: str, sent: str, label: str
) -> None:
    task = AnomalyDetection(LabelsConfig(normal="benign"))
    assert taught(ledger, task, **{part: sent}) == ("label", (label,))


def test_a_word_that_means_neither_goes_to_review(ledger: Ledger) -> None:
    assert taught(ledger, TASK, label="banana")[0] == "new-label"


def test_a_text_beside_an_answer_breaks_no_turn(ledger: Ledger) -> None:
    add_predictions(ledger, [odd("p1")])
    (said,) = record_feedback(ledger, TASK, {"prediction": "p1", "output": "looks fine to me"})
    assert "none of the labels" in said["note"]
    assert len(list_feedback(ledger)) == 1
    assert settle(FeedbackConfig(), TASK, read_signals(ledger), KNOWN).fates == {"output-only": 1}


def test_a_sheet_may_use_either_and_names_the_line_that_uses_none(
    ledger: Ledger, tmp_path: Path
) -> None:
    add_predictions(ledger, [odd("p1"), odd("p2")])
    asked = [ReviewItem("prediction", ref, {}, None, "random", 0.5) for ref in ("p1", "p2")]
    file_reviews(ledger, asked)
    first, second = (item.id for item in open_reviews(ledger))
    sheet, task = tmp_path / "done.csv", AnomalyDetection(LabelsConfig(normal="benign"))
    sheet.write_text(f"review,label\n{first},normal\n{second},benign\n", "utf-8")
    import_reviews(ledger, task, sheet, KNOWN)
    assert {item.label for item in answered_reviews(ledger)} == {("normal",)}
    sheet.write_text(f"review,label\n{first},normal\n{second},banana\n", "utf-8")
    with pytest.raises(DataError, match="'banana' says neither anomaly nor normal") as caught:
        import_reviews(ledger, TASK, sheet, KNOWN)
    assert caught.value.where == f"{sheet}:3"
