from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny import tiny_rows

from volano.core.nouns import Report, Verdict
from volano.core.pages import render
from volano.evals.fitting import course_of
from volano.evals.page import Findings, report_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.evals.conftest import Bench

ROWS = [(row["body"], (row["topic"],)) for row in tiny_rows()]
VERDICT = Verdict("HOLD", ("it may be luck",))


def training(
    train: Sequence[float], valid: Sequence[float | None], score: float | None = 0.8
) -> dict[str, Any]:
    """What an encoder's card tells of its epochs."""
    pairs = enumerate(zip(train, valid, strict=True))
    epochs = [
        {"number": n, "train_loss": t, "valid_loss": v, "valid_score": score, "seconds": 41.6}
        for n, (t, v) in pairs
    ]
    return {"epochs": epochs}


OVER = training([2.0, 1.0, 0.5, 0.2], [1.5, 0.8, 0.81, 0.9])
FALLING = training([2.0, 1.0, 0.5], [1.5, 1.0, 0.9])
LEVEL = training([2.0, 1.0, 0.9], [1.5, 0.8, 0.805])


@pytest.fixture
def report(bench: Bench) -> Report:
    return bench.report(bench.model(ROWS[:24]), bench.data(ROWS[:24], ROWS[24:]))


def told(report: Report, more: dict[str, Any], language: Any = "en") -> str:
    """The page of a report whose training told this, without its charts."""
    body = {**report.body, "training": {**report.body["training"], **more}}
    changed = Report(report.hash, report.folder, report.card)
    object.__setattr__(changed, "body", body)
    shown = report_page(Findings(changed, VERDICT, changed), "tickets", language)
    render(shown)
    return json.dumps(shown.to_dict(), ensure_ascii=False)


def test_the_course_knows_the_best_epoch_and_what_came_after() -> None:
    course = course_of(OVER)
    assert course is not None
    assert (course.best, course.is_over_fitted, course.is_still_falling) == (1, True, False)
    assert course.rise == pytest.approx(0.125)
    falling, level = course_of(FALLING), course_of(LEVEL)
    assert falling is not None
    assert level is not None
    assert (falling.is_over_fitted, falling.is_still_falling) == (False, True)
    assert (level.is_over_fitted, level.is_still_falling) == (False, False)


def test_validation_loss_that_rises_with_training_loss_is_no_over_fitting() -> None:
    course = course_of(training([2.0, 1.0, 3.0], [1.5, 0.8, 2.0]))
    assert course is not None
    assert not course.is_over_fitted


@pytest.mark.parametrize(
    "found",
    [{}, {"epochs": []}, training([1.0], [None], None), training([1.0, 0.9], [0.5, None])],
)
def test_a_training_that_nobody_watched_has_no_course(found: dict[str, Any]) -> None:
    assert course_of(found) is None


def test_over_fitting_is_said_in_words_with_numbers(report: Report) -> None:
    shown = told(report, {**OVER, "best_epoch": 1})
    assert "Validation loss was least after epoch 2 of 4: 0.800, and the score there was" in shown
    assert "rose to 0.900, by 12.5%, while training loss fell from 1.000 to 0.200" in shown
    assert "The weights after epoch 2 are those that answer." in shown
    finished = told(report, {**OVER, "best_epoch": 1, "finishing_epoch": True})
    assert "From the weights after epoch 2 a finishing epoch over all rows" in finished
    assert "are those that answer." not in finished
    assert "Loss after each epoch" in shown
    assert "more epochs may pay" not in shown
    assert "验证损失升到 0.900，升高 12.5%" in told(report, OVER, "zh")


def test_a_loss_that_still_falls_asks_for_more_epochs(report: Report) -> None:
    shown = told(report, FALLING)
    assert "still falling at the end, by 10.0% in the last epoch" in shown
    assert "Train for more epochs" in shown
    assert "levelled off" in told(report, LEVEL)


def test_one_epoch_shows_no_curve(report: Report) -> None:
    shown = told(report, training([1.0], [0.8], None))
    assert "One epoch alone" in shown
    assert "Loss after each epoch" not in shown


def test_a_score_on_known_rows_far_above_that_on_others_is_said(report: Report) -> None:
    wide = {"seen": {"accuracy": 0.99}, "out_of_fold": {"accuracy": 0.7}}
    assert "0.990 on rows that it has learnt from and 0.700" in told(report, wide)
    assert "0.290 apart" in told(report, wide)
    near = {"seen": {"accuracy": 0.9}, "out_of_fold": {"accuracy": 0.89}}
    assert "only 0.010 apart" in told(report, near)
    # The test rows fall short of what was held out, or they do not.
    assert "clearly less" in told(report, {"out_of_fold": {"accuracy": 1.1}})
    assert "has not promised too much" in told(report, {"out_of_fold": {"accuracy": 0.1}})


def test_a_card_that_tells_nothing_has_no_section(report: Report) -> None:
    assert "Over-fitting" not in told(report, {"out_of_fold": {}})
