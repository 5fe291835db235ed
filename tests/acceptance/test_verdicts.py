"""Verdicts of whole turns on real data: worse candidates are refused, and changed labels named."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Desk

    Rows = list[tuple[str, str]]

pytestmark = [pytest.mark.slow, pytest.mark.data]


def flipped(rows: Rows, share: float, seed: int = 0) -> Rows:
    """The same rows, a share of them under another label drawn at random."""
    rng = random.Random(seed)
    labels = sorted({label for _, label in rows})
    wrong = set(rng.sample(range(len(rows)), round(share * len(rows))))
    return [
        (text, rng.choice([other for other in labels if other != label]) if at in wrong else label)
        for at, (text, label) in enumerate(rows)
    ]


def test_a_candidate_trained_on_a_quarter_of_flipped_labels_is_refused(
    desk: Desk, banking: tuple[Rows, Rows]
) -> None:
    train, test = banking
    desk.start(desk.write("train.csv", train), desk.write("test.csv", test))
    first = desk.turn()
    assert first.verdict.decision == "PROMOTE"
    champion = desk.champion()
    desk.write("train.csv", flipped(train, 0.25))
    second = desk.turn()
    assert second.verdict.decision == "REJECT"
    assert second.verdict.effect is not None
    assert second.verdict.effect.high < 0
    assert any("a real loss" in reason for reason in second.verdict.because)
    assert desk.champion() == champion


def test_a_candidate_better_on_the_whole_but_worse_on_a_group_is_refused_with_the_group_named(
    desk: Desk, shared_data: Path
) -> None:
    with (shared_data / "cold_zh" / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["topic"], row["label"], row["TEXT"]) for row in csv.DictReader(file)]
    columns = ("topic", "label", "TEXT")
    rng = random.Random(1)
    rng.shuffle(rows)
    few = desk.write("train.csv", rows[:800], columns)
    desk.start(few, shared_data / "cold_zh" / "dev.csv")
    assert desk.turn().verdict.decision == "PROMOTE"
    champion = desk.champion()
    spoilt = [
        (topic, {"0": "1", "1": "0"}[label], text)
        if topic == "gender" and rng.random() < 0.33
        else (topic, label, text)
        for topic, label, text in rows
    ]
    desk.write("train.csv", spoilt, columns)
    second = desk.turn().verdict
    assert second.decision == "REJECT"
    assert second.effect is not None
    assert second.effect.low > 0, "on the whole the candidate is better"
    assert second.because[0].startswith("worse where group is 'gender'")
    worse = {(one["field"], one["value"]) for one in second.checks["slices"] if one["is_worse"]}
    assert worse == {("group", "gender")}
    assert desk.champion() == champion


@pytest.fixture
def subjects(desk: Desk, papers: tuple[Rows, Rows]) -> Desk:
    """A project that knows all subjects of papers but one, after its first turn."""
    train, test = (without(part, "医学") for part in papers)
    desk.start(desk.write("train.csv", train), desk.write("test.csv", test))
    assert desk.turn().verdict.decision == "PROMOTE"
    return desk


def without(rows: Rows, label: str) -> Rows:
    return [row for row in rows if row[1] != label]


def said(desk: Desk, *settings: str) -> str:
    verdict = desk.turn(*settings).verdict
    return "\n".join((verdict.decision, *verdict.because))


def test_a_label_that_was_added_is_named_and_so_is_the_gain_without_it(
    subjects: Desk, papers: tuple[Rows, Rows]
) -> None:
    for name, rows in zip(("train.csv", "test.csv"), papers, strict=True):
        subjects.write(name, rows)
    reasons = said(subjects)
    assert reasons.startswith("PROMOTE")
    assert "the champion never learned '医学': 106 examples" in reasons
    assert "on the other 894 the gain is" in reasons


def test_renamed_and_merged_labels_are_no_loss_for_the_champion(subjects: Desk) -> None:
    rename = 'labels.rename={"农学": "农业", "经济学": "经管", "管理学": "经管"}'
    verdict = subjects.turn(rename).verdict
    assert verdict.decision == "HOLD"
    assert verdict.effect is not None
    assert abs(verdict.effect.value) < 0.03
    assert not any("never learned" in reason for reason in verdict.because)
    assert not any("no labels today" in reason for reason in verdict.because)


def test_answers_under_a_label_that_was_removed_are_counted_and_named(subjects: Desk) -> None:
    reasons = said(subjects, 'labels.remove=["历史学"]')
    assert reasons.startswith("HOLD")
    assert "the champion still answers '历史学'" in reasons


def test_a_label_renamed_in_the_file_alone_counts_as_one_new_and_one_gone(
    subjects: Desk, papers: tuple[Rows, Rows]
) -> None:
    for name, part in zip(("train.csv", "test.csv"), papers, strict=True):
        rows = [(text, "农业" if label == "农学" else label) for text, label in part]
        subjects.write(name, without(rows, "医学"))
    reasons = said(subjects)
    assert reasons.startswith("PROMOTE")
    assert "the champion never learned '农业'" in reasons
    assert "the champion still answers '农学'" in reasons
