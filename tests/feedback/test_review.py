from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from volano.feedback import FeedbackConfig, fill_reviews, pick_reviews, record_feedback
from volano.feedback.review import Background, unsureness
from volano.store.predictions import add_predictions
from volano.store.reviews import open_reviews

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.core.nouns import Prediction
    from volano.store.ledger import Ledger
    from volano.tasks import TextClassification

    Predicted = Callable[..., Prediction]


def test_half_is_drawn_by_chance_and_half_where_the_model_was_least_sure(
    task: TextClassification, predicted: Predicted
) -> None:
    rows = [predicted(f"p{n:02}", card=0.5 + n / 100, loan=0.5 - n / 100) for n in range(40)]
    picks = pick_reviews(task, rows, 10, seed=1)
    why = [item.why for item in picks.items]
    assert why == ["random"] * 5 + ["unsure"] * 5
    assert {item.probability for item in picks.items[:5]} == {5 / 40}
    drawn = {item.ref for item in picks.items[:5]}
    least_sure = [row.id for row in rows if row.id not in drawn][:5]
    assert [item.ref for item in picks.items[5:]] == least_sure
    assert picks.items[0].target == ("card",)
    assert pick_reviews(task, rows, 10, seed=1) == picks


def test_every_prediction_is_drawn_with_the_probability_that_is_kept(
    task: TextClassification, predicted: Predicted
) -> None:
    rows = [predicted(f"p{n}") for n in range(20)]
    times: Counter[str] = Counter()
    for seed in range(1000):
        picks = pick_reviews(task, rows, 10, seed)
        times.update(item.ref for item in picks.items if item.why == "random")
        assert {i.probability for i in picks.items if i.why == "random"} == {0.25}
    assert sum(times.values()) == 5000
    assert all(190 < times[row.id] < 310 for row in rows)  # 250, four standard errors


def test_few_predictions_are_all_drawn_with_certainty(
    task: TextClassification, predicted: Predicted
) -> None:
    picks = pick_reviews(task, [predicted("p1"), predicted("p2")], 10, seed=0)
    assert [(item.why, item.probability) for item in picks.items] == [("random", 1.0)] * 2


def test_doubt_comes_first_and_the_same_input_is_asked_once(
    task: TextClassification, predicted: Predicted
) -> None:
    old = {"at": 10.0}
    rows = [
        predicted("sure", card=0.99, loan=0.01, **old),
        predicted("open", card=0.5, loan=0.5, text="same", **old),
        predicted("twin", card=0.5, loan=0.5, text="same", **old),
        predicted("seen", card=0.5, loan=0.5, **old),
    ]
    background = Background(since=50.0, reviewed={"seen"}, doubted={"sure"})
    picks = pick_reviews(task, rows, 8, seed=0, background=background)
    assert [item.ref for item in picks.items] == ["sure", "open"]
    assert picks.left_out == {"same-input": 1}


@pytest.mark.parametrize(
    ("output", "low", "high"),
    [
        ({"label": "a", "scores": {"a": 0.98, "b": 0.02}}, 0.0, 0.1),
        ({"label": "a", "scores": {"a": 0.98, "b": 0.02}, "unknown": True}, 0.5, 0.6),
        ({"labels": ["a"], "scores": {"a": 0.9, "b": 0.5}}, 1.0, 1.0),
        ({"labels": [], "scores": {"a": 0.01, "b": 0.02}}, 0.0, 0.1),
        ({"label": None, "scores": {}}, 1.0, 1.0),
        ({"label": "normal", "scores": {"anomaly": 0.97}, "score": 0.97}, 0.97, 0.97),
        ({"label": "normal", "scores": {"anomaly": 0.5}, "score": 0.5}, 0.5, 0.5),
    ],
)
def test_unsureness_reads_margins(output: dict[str, object], low: float, high: float) -> None:
    assert low <= unsureness(output) <= high


def test_a_turn_files_picks_and_conflicts_and_draws_each_answer_once(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    config = FeedbackConfig(num_reviews=4)
    add_predictions(ledger, [predicted(f"p{n}") for n in range(10)])
    record_feedback(ledger, task, {"prediction": "p0", "label": "card", "by": "ann"})
    record_feedback(ledger, task, {"prediction": "p0", "label": "loan", "by": "bo"})
    first = fill_reviews(config, task, ledger, seed=3)
    by_ref = {item.ref: item.why for item in open_reviews(ledger)}
    assert Counter(item.why for item in first)["random"] == 2
    assert by_ref["p0"] in {"conflict", "random"}
    assert fill_reviews(config, task, ledger, seed=4) == ()
    add_predictions(ledger, [predicted("q1", at=300.0)])
    later = fill_reviews(config, task, ledger, seed=5)
    assert [(i.ref, i.why, i.probability) for i in later][0] == ("q1", "random", 1.0)


def test_a_conflict_without_picks_is_filed_alone(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p0")])
    record_feedback(ledger, task, {"prediction": "p0", "label": "new label", "by": "ann"})
    filed = fill_reviews(FeedbackConfig(num_reviews=0), task, ledger, seed=0)
    assert [(item.ref, item.why, item.target) for item in filed] == [("p0", "conflict", ("card",))]


def test_a_label_of_todays_data_is_not_asked_about(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    add_predictions(ledger, [predicted("p0")])
    record_feedback(ledger, task, {"prediction": "p0", "label": "fees", "by": "ann"})
    config = FeedbackConfig(num_reviews=0)
    assert fill_reviews(config, task, ledger, seed=0, labels={"fees"}) == ()
    assert [item.why for item in fill_reviews(config, task, ledger, seed=0)] == ["conflict"]


def test_a_corrected_output_is_a_doubt(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    rows = [predicted(f"p{n}", card=0.9 - n / 100, loan=0.1 + n / 100) for n in range(6)]
    add_predictions(ledger, rows)
    config = FeedbackConfig(num_reviews=2, min_people=2)
    fill_reviews(config, task, ledger, seed=0)
    left = sorted({row.id for row in rows} - {item.ref for item in open_reviews(ledger)})
    for name in left:
        output = "loan" if name == left[0] else "card"
        record_feedback(ledger, task, {"prediction": name, "output": output, "by": "ann"})
    (asked,) = fill_reviews(FeedbackConfig(num_reviews=1, min_people=2), task, ledger, seed=0)
    assert (asked.ref, asked.why) == (left[0], "unsure")


def routed(prediction: Prediction, route: str) -> Prediction:
    return replace(prediction, output={**prediction.output, "route": route})


def test_what_is_for_a_person_comes_first_and_all_of_it(
    task: TextClassification, predicted: Predicted
) -> None:
    rows = [
        routed(predicted(f"p{n:02}", card=0.5 + n / 200, loan=0.5 - n / 200), route)
        for n, route in enumerate(["person", "automatic"] * 40)
    ]
    picks = pick_reviews(task, rows, 10, seed=1)
    why = [item.why for item in picks.items]
    drawn = {item.ref for item in picks.items if item.why == "random"}
    for_people = [row.id for row in rows[::2] if row.id not in drawn]
    assert why == ["person"] * len(for_people) + ["random"] * 5
    assert [item.ref for item in picks.items[: len(for_people)]] == for_people  # least sure first
    few = pick_reviews(task, rows[:3] + rows[41::2], 20, seed=1)
    number = Counter(item.why for item in few.items)
    assert (number["random"], number["person"] + number["unsure"]) == (10, 10)


def test_routes_change_neither_the_random_draw_nor_its_order(
    task: TextClassification, predicted: Predicted
) -> None:
    rows = [predicted(f"p{n:02}") for n in range(40)]
    for seed in range(20):
        plain = pick_reviews(task, rows, 10, seed)
        mixed = [routed(row, "person" if n % 3 else "automatic") for n, row in enumerate(rows)]
        random = [i for i in pick_reviews(task, mixed, 10, seed).items if i.why == "random"]
        assert random == [item for item in plain.items if item.why == "random"]


def test_the_queue_begins_with_what_is_for_a_person(
    ledger: Ledger, task: TextClassification, predicted: Predicted
) -> None:
    rows = [predicted(f"p{n}", card=0.5 + n / 40, loan=0.5 - n / 40) for n in range(10)]
    add_predictions(ledger, [routed(r, "person" if n > 7 else "automatic")
                             for n, r in enumerate(rows)])  # fmt: skip
    fill_reviews(FeedbackConfig(num_reviews=6), task, ledger, seed=0)
    why = [item.why for item in open_reviews(ledger)]
    assert why == sorted(why, key=["person", "random", "unsure"].index)
    assert {r.id for r in rows[8:]} <= {item.ref for item in open_reviews(ledger)}
    assert fill_reviews(FeedbackConfig(num_reviews=6), task, ledger, seed=0) == ()
