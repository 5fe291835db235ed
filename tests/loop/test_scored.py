"""Two reports become a pair on the same examples, or say why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import StoreError
from volano.core.nouns import Report
from volano.loop.gate import GateConfig
from volano.loop.judge import judge
from volano.loop.scored import commonest, guessing, scored_pair
from volano.tasks import LabelsConfig, TabularRegression, TextClassification

if TYPE_CHECKING:
    from pathlib import Path

GUESS = commonest([["card"], ["card"], ["loan"]])


def report(
    folder: Path,
    answers: dict[str, str],
    *,
    truth: dict[str, str] | None = None,
    labels: tuple[str, ...] = ("card", "loan"),
    **body: Any,
) -> Report:
    """A report on disk: what was answered, by id, and what is true (``card`` where not said)."""
    folder.mkdir()
    truth = truth or {}
    table = pa.table(
        {
            "id": list(answers),
            "truth": [[truth.get(row, "card")] for row in answers],
            "labels": [[label] for label in answers.values()],
            "confidence": [0.9] * len(answers),
            "unknown": [False] * len(answers),
            "scores": [
                [0.9 if name == said else 0.1 for name in labels] for said in answers.values()
            ],
            "unit": [f"u:{row[0]}" for row in answers],
            "slice:language": ["en" if row < "m" else "zh" for row in answers],
        }
    )
    table = table.replace_schema_metadata({"labels": json.dumps(labels)})
    pq.write_table(table, folder / "answers.parquet")
    written = {"model": folder.name, "learner": "linear", "labels": list(labels), **body}
    (folder / "report.json").write_text(json.dumps(written), "utf-8")
    return Report(folder.name, folder)


def test_both_models_are_joined_by_id_over_one_list_of_labels(tmp_path: Path) -> None:
    ours = report(
        tmp_path / "ours",
        {"b": "card", "a": "loan", "z": "新卡"},
        truth={"a": "loan", "z": "新卡"},
        labels=("card", "loan", "新卡"),
        cost={"p95_ms": 1.5, "bytes": 10},
        parity={"score_gap": 0.0, "agreement": 1.0},
    )
    theirs = report(tmp_path / "theirs", {"z": "loan", "a": "card", "b": "card"})
    candidate, champion = scored_pair(TextClassification(), ours, theirs, GUESS)
    assert champion is not None
    assert candidate.ids == champion.ids == ("a", "b", "z")
    assert candidate.outcomes.labels == champion.outcomes.labels == ("card", "loan", "新卡")
    assert candidate.outcomes.right_N.tolist() == [True, True, True]
    assert champion.outcomes.right_N.tolist() == [False, True, False]
    assert candidate.slices == {"language": ["en", "en", "zh"]}
    assert candidate.unit_N.tolist() == [0, 1, 2]
    assert (candidate.p95_ms, candidate.num_bytes) == (1.5, 10)
    assert champion.known == frozenset({"card", "loan"})
    assert candidate.is_baseline


def test_an_older_models_labels_are_read_under_todays_names(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "loan"}, truth={"a": "loan"})
    theirs = report(tmp_path / "theirs", {"a": "credit"}, labels=("card", "credit"))
    task = TextClassification(LabelsConfig(rename={"credit": "loan"}))
    _, champion = scored_pair(task, ours, theirs, GUESS)
    assert champion is not None
    assert champion.known == frozenset({"card", "loan"})
    assert champion.outcomes.right_N.tolist() == [True]


def test_a_swap_of_names_is_not_followed_twice(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "loan"}, truth={"a": "loan"})
    task = TextClassification(LabelsConfig(rename={"card": "loan", "loan": "card"}))
    candidate, _ = scored_pair(task, ours, None, GUESS)
    assert candidate.outcomes.decided_NC[0].tolist() == [False, True]


def test_the_truth_of_the_candidates_report_counts(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "loan"}, truth={"a": "loan"})
    theirs = report(tmp_path / "theirs", {"a": "card"}, truth={"a": "card"})
    _, champion = scored_pair(TextClassification(), ours, theirs, GUESS)
    assert champion is not None
    assert champion.outcomes.right_N.tolist() == [False]


def test_a_champion_scored_on_other_examples_must_be_scored_again(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "card", "b": "card", "c": "card"})
    theirs = report(tmp_path / "theirs", {"a": "card", "x": "card"})
    with pytest.raises(StoreError) as caught:
        scored_pair(TextClassification(), ours, theirs, GUESS)
    assert "2 of today's 3 test examples are missing, and 1 are no test" in (caught.value.what)
    assert "score the champion again" in caught.value.fix


def test_a_report_without_answers_or_with_repeated_ones_is_refused(tmp_path: Path) -> None:
    whole = report(tmp_path / "whole", {"a": "card"})
    (whole.folder / "answers.parquet").unlink()
    with pytest.raises(StoreError, match="no answers"):
        scored_pair(TextClassification(), whole, None, GUESS)
    twice = report(tmp_path / "twice", {"a": "card"})
    table = pq.read_table(twice.folder / "answers.parquet")
    pq.write_table(pa.concat_tables([table, table]), twice.folder / "answers.parquet")
    with pytest.raises(StoreError, match="1 examples twice"):
        scored_pair(TextClassification(), twice, None, GUESS)


def test_a_pair_of_reports_is_judged(tmp_path: Path) -> None:
    rows = [f"{chr(97 + row // 26)}{chr(97 + row % 26)}" for row in range(400)]
    truth = {row: "loan" if place % 2 else "card" for place, row in enumerate(rows)}
    theirs = {row: "card" if place % 5 else truth[row] for place, row in enumerate(rows)}
    parity = {"score_gap": 0.0, "agreement": 1.0}
    pairs = scored_pair(
        TextClassification(),
        report(tmp_path / "ours", truth, truth=truth, parity=parity),
        report(tmp_path / "theirs", theirs, truth=truth, parity=parity),
        GUESS,
    )
    verdict = judge(GateConfig(), TextClassification(), *pairs)
    assert verdict.promotes
    assert (verdict.candidate, verdict.champion) == ("ours", "theirs")


def test_the_guess_of_the_report_is_taken_where_none_is_given(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "loan"}, guess={"labels": ["新卡"], "metrics": {}})
    candidate, _ = scored_pair(TextClassification(), ours, None)
    assert candidate.guess is not None
    assert candidate.guess.labels == ("新卡",)
    assert candidate.outcomes.labels == ("card", "loan", "新卡")


def test_the_commonest_set_of_labels_is_the_guess() -> None:
    found = commonest([["b", "a"], ["a", "b"], ["a"], []])
    assert found.labels == ("a", "b")
    assert found.confidence == 0.5
    assert found.scores == {"a": 0.75, "b": 0.5}


def test_without_training_rows_there_is_nothing_to_guess() -> None:
    with pytest.raises(ValueError, match="no training rows"):
        commonest([])


def number_report(folder: Path, values: dict[str, float], **body: Any) -> Report:
    """A report of numbers: what was answered, by id; 10 is always true."""
    folder.mkdir()
    table = pa.table({
        "id": list(values),
        "truth": pa.array([["10"]] * (len(values) - 1) + [["30"]]),
        "value": list(values.values()),
        "low": [value - 1 for value in values.values()],
        "high": [value + 1 for value in values.values()],
        "unit": [f"r:{row}" for row in values],
        "slice:truth": ["Q1 ≤ 10"] * (len(values) - 1) + ["Q2 > 10"],
    })  # fmt: skip
    pq.write_table(table, folder / "answers.parquet")
    guess = {"labels": [], "scores": {}, "value": 15.0, "low": 5.0, "high": 30.0, "metrics": {}}
    written = {"model": folder.name, "learner": "linear", "labels": [], "guess": guess, **body}
    (folder / "report.json").write_text(json.dumps(written), "utf-8")
    return Report(folder.name, folder)


def test_numbers_are_joined_by_id_on_one_scale(tmp_path: Path) -> None:
    ours = number_report(tmp_path / "ours", {"a": 9.0, "b": 11.0, "c": 31.0})
    theirs = number_report(tmp_path / "theirs", {"a": 12.0, "b": 10.0, "c": 20.0})
    candidate, champion = scored_pair(TabularRegression(), ours, theirs)
    assert champion is not None
    assert candidate.outcomes.labels == ()
    assert candidate.outcomes.arrays()["value"].tolist() == [9, 11, 31]
    assert champion.outcomes.arrays()["value"].tolist() == [12, 10, 20]
    assert candidate.outcomes.right_N.tolist() == [True] * 3
    assert champion.outcomes.right_N.tolist() == [False, True, False]  # a fifth of 9.4 is 1.9
    assert candidate.slices == {"truth": ["Q1 ≤ 10", "Q1 ≤ 10", "Q2 > 10"]}
    assert candidate.guess is not None
    said = guessing(candidate.guess, candidate.outcomes).arrays()
    assert (said["value"].tolist(), said["high"].tolist()) == ([15.0] * 3, [30.0] * 3)
    assert said["truth"].tolist() == [10, 10, 30]


def test_credit_is_by_what_mistakes_cost(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "card", "b": "loan", "c": "card"}, truth={"a": "loan"})
    candidate, _ = scored_pair(TextClassification(), ours, None, GUESS)
    assert candidate.credit.tolist() == [0, 0, 1]
    costs = TextClassification(LabelsConfig(costs={"loan": {"card": 4}}))
    candidate, _ = scored_pair(costs, ours, None, GUESS)
    assert candidate.credit.tolist() == [0, 0.75, 1]


def test_examples_without_truth_are_left_out(tmp_path: Path) -> None:
    ours = report(tmp_path / "ours", {"a": "card", "b": "loan"})
    table = pq.read_table(ours.folder / "answers.parquet")
    some = table.set_column(1, "truth", pa.array([["card"], None]))
    pq.write_table(some, ours.folder / "answers.parquet")
    candidate, _ = scored_pair(TextClassification(), ours, None, GUESS)
    assert candidate.ids == ("a",)
    none = table.set_column(1, "truth", pa.array([None, None], pa.list_(pa.string())))
    pq.write_table(none, ours.folder / "answers.parquet")
    candidate, _ = scored_pair(TextClassification(), ours, None, GUESS)
    assert candidate.ids == ()
