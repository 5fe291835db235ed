from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from volano.core.events import Event, Events
from volano.feedback import FeedbackConfig, feedback_dataset, record_feedback
from volano.store.ledger import Ledger
from volano.store.predictions import add_predictions, purge_predictions
from volano.store.reviews import ReviewAnswer, ReviewItem, answer_reviews, file_reviews

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from volano.core.nouns import Prediction
    from volano.store.artifacts import ArtifactStore
    from volano.tasks import TextClassification

    Predicted = Callable[..., Prediction]

CONFIG = FeedbackConfig()


def fill(ledger: Ledger, task: TextClassification, predicted: Predicted) -> None:
    masked = predicted("p3")
    masked = replace(masked, output={**masked.output, "input_masked": True})
    odd = replace(predicted("p5"), input={"body": "加号", "n": 1.5, "deep": {"b": [1]}, "x": None})
    gone = replace(predicted("p6"), input=None)
    add_predictions(ledger, [predicted("p1"), predicted("p2"), masked, odd, gone])
    for name in ("p1", "p3", "p5", "p6"):
        record_feedback(ledger, task, {"prediction": name, "label": "loan", "by": "ann"})
    items = [
        ReviewItem("prediction", "p2", {"body": "text of p2"}, ("card",), "random", 0.25),
        ReviewItem("example", "e1", {"body": "old row"}, ("card",), "suspect-label"),
    ]
    filed = file_reviews(ledger, items)
    answer_reviews(ledger, [ReviewAnswer(item.id, ("card",), "rev") for item in filed])


def test_labelled_answers_become_a_dataset_of_raw_fields(
    ledger: Ledger, store: ArtifactStore, task: TextClassification, predicted: Predicted
) -> None:
    fill(ledger, task, predicted)
    heard: list[Event] = []
    dataset = feedback_dataset(CONFIG, task, ledger, store, Events((heard.append,), "feedback"))
    assert dataset is not None
    rows = {row["id"]: row for row in dataset.examples.to_pylist()}
    assert list(rows) == ["e1", "p1", "p2", "p5"]
    assert rows["p1"] == {
        "id": "p1",
        "about": "prediction",
        "fields": {"body": "text of p1", "tier": "gold", "n": None, "deep": None, "x": None},
        "target": ["loan"],
        "split": None,
        "weight": 1.0,
        "source": "feedback",
        "line": 2,
        "subject": "u1",
        "group": "gold",
        "time": "1970-01-01T00:01:40+00:00",
        "label_from": "feedback",
        "picked": "informative",
    }
    assert rows["p5"]["fields"]["n"] == "1.5"
    assert rows["p5"]["fields"]["deep"] == '{"b":[1]}'
    assert (rows["p2"]["label_from"], rows["p2"]["picked"]) == ("review", "random")
    assert (rows["e1"]["label_from"], rows["e1"]["picked"]) == ("review", "informative")
    assert {row["about"] for name, row in rows.items() if name != "e1"} == {"prediction"}
    assert rows["e1"]["about"] == "example"  # its row may be gone from the sources by now
    assert dataset.card["not_usable"] == {"input-masked": 1, "input-not-kept": 1}
    assert dataset.card["counts"]["rows"] == 4
    said = " ".join(event.text for event in heard)
    assert "6 signals: used 6" in said
    assert "1 labelled answers cannot be learned from: input-masked" in said


def test_the_same_ledger_content_gives_the_same_hash(
    tmp_path: Path, store: ArtifactStore, task: TextClassification, predicted: Predicted
) -> None:
    hashes = set()
    for name in ("one", "two"):
        with Ledger.open(tmp_path / name / "ledger.db") as ledger:
            fill(ledger, task, predicted)
            for _ in range(2):
                dataset = feedback_dataset(CONFIG, task, ledger, store, Events())
                assert dataset is not None
                hashes.add(dataset.hash)
    assert len(hashes) == 1


def test_without_usable_signals_there_is_no_dataset(
    ledger: Ledger, store: ArtifactStore, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p1")])
    record_feedback(ledger, task, {"prediction": "p1", "comment": "hm"})
    assert feedback_dataset(CONFIG, task, ledger, store, Events()) is None


def test_inputs_that_retention_erased_are_no_examples(
    ledger: Ledger, store: ArtifactStore, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p1")])
    record_feedback(ledger, task, {"prediction": "p1", "label": "loan"})
    item = ReviewItem("prediction", "p1", {"body": "text of p1"}, ("card",), "random", 0.5)
    (filed,) = file_reviews(ledger, [item])
    answer_reviews(ledger, [ReviewAnswer(filed.id, ("loan",), "rev")])
    purge_predictions(ledger, 200.0)
    assert feedback_dataset(CONFIG, task, ledger, store, Events()) is None
