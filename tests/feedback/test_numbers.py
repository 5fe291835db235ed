"""Feedback, review and live figures where a number is asked for, and where rows are of a table."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING, Any

import pytest

from volano.core.errors import DataError, UserError
from volano.core.nouns import Prediction
from volano.feedback import (
    FeedbackConfig,
    export_reviews,
    fill_reviews,
    import_reviews,
    live_accuracy,
    pick_reviews,
    read_signals,
    record_feedback,
    settle,
    usable_examples,
)
from volano.feedback.agreement import krippendorff_alpha_of_numbers, measure_agreement
from volano.feedback.intake import describe_feedback
from volano.feedback.live import weighted_mean
from volano.feedback.review import Background
from volano.store.predictions import add_predictions, list_feedback
from volano.store.reviews import ReviewItem, file_reviews, open_reviews
from volano.tasks import TabularClassification, TabularRegression

if TYPE_CHECKING:
    from pathlib import Path

    from volano.store.ledger import Ledger

TASK = TabularRegression()


def priced(name: str, value: float = 100.0, width: float = 10.0, at: float = 100.0) -> Prediction:
    output = {"value": value, "low": value - width / 2, "high": value + width / 2}
    row = {"zone": "北", "area": 71.5, "floor": -1, "name": name}
    return Prediction(name, at, "m" * 64, row, output, None, None, 1.0)


def answered(ref: str, label: str, probability: float = 0.5, by: str = "ann") -> ReviewItem:
    return ReviewItem(
        "prediction", ref, {}, None, "random", probability, state="answered", label=(label,), by=by
    )


@pytest.mark.parametrize("sent", [123.5, "123.50", " 123.5 ", [123.5], ["123.5"], "1.235e2"])
def test_a_corrected_number_is_kept_in_one_spelling(ledger: Ledger, sent: object) -> None:
    add_predictions(ledger, [priced("p1")])
    (said,) = record_feedback(ledger, TASK, {"prediction": "p1", "label": sent})
    assert said["status"] == "attached"
    (kept,) = list_feedback(ledger)
    assert kept.label == ("123.5",)


@pytest.mark.parametrize(
    "sent",
    ["cheap", "", True, [1, 2], {"a": 1}, "nan", "inf", 10**400, [], "12 apples", 1e308, "-1e151"],
)
def test_what_is_no_number_is_refused_with_its_place(ledger: Ledger, sent: object) -> None:
    with pytest.raises(UserError) as caught:
        record_feedback(ledger, TASK, [{"prediction": "p1", "label": sent}])
    assert caught.value.where == "body[0].label"
    assert "1250.5" in caught.value.fix
    assert caught.value.to_dict("zh")["try"].startswith("请发送正确的数字")
    assert list_feedback(ledger) == ()


def test_a_label_of_a_table_may_be_sent_as_the_number_it_is(ledger: Ledger) -> None:
    task = TabularClassification()
    for sent in (1, 1.0, "1"):
        record_feedback(ledger, task, {"prediction": "p1", "label": sent})
    assert {kept.label for kept in list_feedback(ledger)} == {("1",)}
    with pytest.raises(UserError):
        record_feedback(ledger, task, {"prediction": "p1", "label": True})


def test_a_corrected_output_counts_where_it_reads_as_a_number(ledger: Ledger) -> None:
    add_predictions(ledger, [priced("p1"), priced("p2")])
    sent = [
        {"prediction": "p1", "output": "1,250"},
        {"prediction": "p2", "output": "far too low"},
        {"prediction": "nobody", "output": "far too low"},
    ]
    said = record_feedback(ledger, TASK, sent)
    assert ["note" in row for row in said] == [False, True, False]
    assert "no number" in said[1]["note"]
    rows = usable_examples(FeedbackConfig(), TASK, read_signals(ledger)).rows
    assert [(row["id"], row["target"]) for row in rows] == [("p1", ["1250"])]


def test_a_corrected_number_becomes_an_example_with_its_row_as_a_file_holds_it(
    ledger: Ledger,
) -> None:
    add_predictions(ledger, [priced("p1")])
    record_feedback(ledger, TASK, {"prediction": "p1", "label": 98, "by": "ann"})
    usable = usable_examples(FeedbackConfig(), TASK, read_signals(ledger))
    (row,) = usable.rows  # a number that nobody saw before is no new label
    assert row["target"] == ["98"]
    assert row["fields"] == {"zone": "北", "area": "71.5", "floor": "-1", "name": "p1"}
    assert usable.settlement.fates == {"used": 1}


def test_people_agree_on_a_number_by_its_value_and_one_who_is_trusted_settles_it(
    ledger: Ledger,
) -> None:
    add_predictions(ledger, [priced("p1")])
    record_feedback(ledger, TASK, {"prediction": "p1", "label": 98, "by": "ann"})
    record_feedback(ledger, TASK, {"prediction": "p1", "label": "98.0", "by": "bo"})
    signals = read_signals(ledger)
    (one,) = settle(FeedbackConfig(min_people=2), TASK, signals).settled
    assert (one.outcome, one.labels, one.people) == ("label", ("98",), ("ann", "bo"))
    record_feedback(ledger, TASK, {"prediction": "p1", "label": 99, "by": "cy"})
    signals = read_signals(ledger)
    assert settle(FeedbackConfig(), TASK, signals).settled[0].outcome == "conflict"
    (one,) = settle(FeedbackConfig(trusted=("cy",)), TASK, signals).settled
    assert one.labels == ("99",)


def test_a_thumb_up_confirms_the_number_where_the_project_says_so(ledger: Ledger) -> None:
    add_predictions(ledger, [priced("p1", value=100.25)])
    record_feedback(ledger, TASK, {"prediction": "p1", "score": 1})
    config = FeedbackConfig(score_makes_label=0.5)
    (one,) = settle(config, TASK, read_signals(ledger)).settled
    assert one.labels == ("100.25",)


def test_labels_of_days_when_the_project_had_labels_are_no_numbers(ledger: Ledger) -> None:
    old = Prediction("p1", 1.0, "m" * 64, {"zone": "北"}, {"label": "dear", "scores": {"dear": 1}})
    add_predictions(ledger, [old])
    record_feedback(ledger, TabularClassification(), {"prediction": "p1", "label": "cheap"})
    signals = read_signals(ledger)
    assert settle(FeedbackConfig(), TASK, signals).fates == {"label-removed": 1}
    live = live_accuracy(TASK, {"p1": old}, [answered("p1", "7"), answered("p1", "dear")])
    assert live is None


def test_the_widest_intervals_are_asked_first_and_the_rest_is_drawn_by_chance() -> None:
    rows = [priced(f"p{n:02}", value=5 * n, width=n % 20) for n in range(60)]
    background = Background(doubted={"p00"})
    picks = pick_reviews(TASK, rows, 12, seed=3, background=background)
    drawn = [item for item in picks.items if item.why == "random"]
    asked = [item.ref for item in picks.items if item.why == "unsure"]
    assert {item.probability for item in drawn} == {6 / 60}
    widths = [-(int(ref[1:]) % 20) for ref in asked[1:]]
    assert (asked[0], widths) == ("p00", sorted(widths))
    assert picks.items[0].target == (str(5 * int(picks.items[0].ref[1:])),)


def test_a_sheet_shows_the_columns_side_by_side_with_the_number_and_its_interval(
    ledger: Ledger, tmp_path: Path
) -> None:
    low = priced("p2", value=-2.5)
    low.input["low"] = "mine"  # type: ignore[index]
    add_predictions(ledger, [priced("p1"), low])
    fill_reviews(FeedbackConfig(), TASK, ledger, seed=1)
    assert export_reviews(ledger, TASK, tmp_path / "todo.csv") == 2
    text = (tmp_path / "todo.csv").read_text("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == [
        *("review", "why", "zone", "area", "floor", "name", "low (input)"),
        *("answer", "low", "high", "label", "by", "comment"),
    ]
    by_name = {row[5]: row for row in rows}
    assert by_name["p1"][2:10] == ["北", "71.5", "-1", "p1", "", "100.0", "95.0", "105.0"]
    assert by_name["p2"][7:10] == ["-2.5", "-7.5", "2.5"]


def fill(path: Path, labels: dict[str, str], by: str = "") -> None:
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": labels.get(row["name"], ""), "by": by} for row in rows)


def test_numbers_come_back_from_a_sheet_and_a_new_number_is_no_new_label(
    ledger: Ledger, tmp_path: Path
) -> None:
    add_predictions(ledger, [priced(f"p{n}") for n in range(3)])
    fill_reviews(FeedbackConfig(), TASK, ledger, seed=1)
    sheet = tmp_path / "todo.csv"
    export_reviews(ledger, TASK, sheet)
    fill(sheet, {"p0": "90", "p1": "about 9", "p2": "12,5"})
    with pytest.raises(DataError, match="2 rows hold no number: line .: . '.*'; line 4"):
        import_reviews(ledger, TASK, sheet, ())
    assert len(open_reviews(ledger)) == 3
    fill(sheet, {"p0": "90.0", "p1": "1,100", "p2": "-3"}, by="ann")
    done = import_reviews(ledger, TASK, sheet, ())
    assert (done.answered, done.new_labels) == (3, ())
    rows = usable_examples(FeedbackConfig(), TASK, read_signals(ledger)).rows
    assert [row["target"] for row in rows] == [["90"], ["1100"], ["-3"]]
    fill(sheet, {"p0": "91", "p1": "1100", "p2": "-3"}, by="bo")
    second = import_reviews(ledger, TASK, sheet, ())
    assert second.agreement is not None
    assert second.agreement.share_agreeing == pytest.approx(2 / 3)
    assert second.agreement.alpha == pytest.approx(1.0, abs=1e-4)
    assert second.agreement.kappas == {}


def test_agreement_on_numbers_is_by_distance() -> None:
    units = [[1.0, 1.0], [2.0, 3.0], [3.0, 3.0, 4.0], [9.0]]
    every = [value for unit in units[:3] for value in unit]
    seen = sum(
        (a - b) ** 2 / (len(unit) - 1) for unit in units[:3] for a in unit for b in unit
    ) / len(every)
    chance = sum((a - b) ** 2 for a in every for b in every) / len(every) / (len(every) - 1)
    assert krippendorff_alpha_of_numbers(units) == pytest.approx(1 - seen / chance)
    assert krippendorff_alpha_of_numbers([[1.0], [2.0]]) is None
    assert krippendorff_alpha_of_numbers([[1.0, 1.0]]) is None
    found = measure_agreement([(1, "ann", 1e9 + 1), (1, "bo", 1e9 + 1), (2, "ann", 1e9)])
    assert found is not None and found.share_agreeing == 1.0


def test_live_error_of_numbers_weighs_each_random_pick_by_what_it_stands_for() -> None:
    predictions = {name: priced(name, value=100.0) for name in ("p1", "p2", "p3")}
    reviews = [
        answered("p1", "110", 0.1),
        answered("p2", "98", 0.5),
        answered("p2", "96", 0.5, by="bo"),
        ReviewItem("prediction", "p3", {}, None, "unsure", state="answered", label=("0",)),
    ]
    live = live_accuracy(TASK, predictions, reviews)
    assert live is not None
    told: dict[str, Any] = live.to_dict()
    assert told["mae"]["value"] == pytest.approx((10 * 10 + 2 * 3) / 12)
    assert told["mae"]["low"] < told["mae"]["value"] < told["mae"]["high"]
    assert (live.num_labels, live.num_stands_for, live.num_left_out) == (2, 12.0, 1)
    assert live_accuracy(TASK, predictions, reviews[:1]) is None


def test_the_interval_of_a_mean_error_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(11)
    inside = 0
    for _ in range(400):
        figures = [abs(rng.gauss(0, 2)) for _ in range(40)]
        found = weighted_mean(figures, [rng.choice((1.0, 5.0)) for _ in figures])
        inside += found.low <= 2 * (2 / 3.141592653589793) ** 0.5 <= found.high
    assert 0.91 < inside / 400 < 0.98
    sure = weighted_mean([3.0, 3.0], [1, 1])
    assert (sure.low, sure.high) == (3.0, 3.0)
    wild = weighted_mean([1e-9, 5.0], [1e9, 1.0])
    assert wild.low >= 0.0


def test_the_document_says_that_a_number_is_expected() -> None:
    signal = describe_feedback(TASK)["requestBody"]["content"]["application/json"]
    label = signal["schema"]["anyOf"][0]["properties"]["label"]["anyOf"][0]
    assert {kind["type"] for kind in label["anyOf"]} == {"string", "number"}
    assert signal["example"]["label"] == 1250.5


def test_a_dispute_about_a_number_goes_to_review(ledger: Ledger) -> None:
    add_predictions(ledger, [priced("p1")])
    for who, number in (("ann", 90), ("bo", 91)):
        record_feedback(ledger, TASK, {"prediction": "p1", "label": number, "by": who})
    fill_reviews(FeedbackConfig(num_reviews=0), TASK, ledger, seed=1)
    (item,) = open_reviews(ledger)
    assert (item.why, item.target) == ("conflict", ("100",))
    assert file_reviews(ledger, [item]) == ()
