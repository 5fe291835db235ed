from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny import tiny_project

from volano.core.errors import UnknownNameError
from volano.core.nouns import Model
from volano.loop.overview import describe, describe_status, difference, list_nouns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from volano.loop.project import Project


def test_status_before_and_after_the_first_turn(tmp_path: Path, turned: Project) -> None:
    with tiny_project(tmp_path / "fresh") as fresh:
        told = describe_status(fresh)
        assert told["champion"] is None and told["turn"] is None
    told = describe_status(turned)
    assert told["turn"]["decision"] == "PROMOTE"
    assert told["champion"]["forced"] is False
    assert told["predictions"] == 0 and told["live_accuracy"] is None


@pytest.mark.slow
def test_a_forced_promotion_stands_in_status_and_releases(
    turned: Project, reopen: Callable[..., Project]
) -> None:
    made = reopen("train.learner=bayes").turn()
    turned.promote(made.model, because="the boss says so", by="ann", forced=True)
    told = describe_status(turned)["champion"]
    assert told["forced"] is True and told["because"] == "the boss says so"
    newest = list_nouns(turned, "releases")[0]
    assert (newest["by"], newest["forced"]) == ("ann", True)


@pytest.mark.parametrize("noun", ["models", "datasets", "reports", "turns", "releases"])
def test_every_noun_can_be_listed(turned: Project, noun: str) -> None:
    rows = list_nouns(turned, noun)
    assert rows and all(row.keys() == rows[0].keys() for row in rows)


def test_a_turn_is_shown_with_its_stages_and_what_they_said(turned: Project) -> None:
    found = describe(turned, "turn:1")
    assert found.facts["verdict"]["decision"] == "PROMOTE"
    assert {"name", "seconds", "peak_bytes", "skipped"} == found.facts["stages"][0].keys()
    assert "train.linear" in found.text and "peak" in found.text
    assert describe(turned, "turn:latest").facts == found.facts
    with pytest.raises(UnknownNameError, match="no turn named '9'"):
        describe(turned, "turn:9")


def test_lineage_is_shown_both_ways(turned: Project) -> None:
    model = describe(turned, "model:champion")
    assert [end["role"] for end in model.facts["parents"]] == ["exported"]
    assert [end["noun"] for end in model.facts["children"]] == ["report"]
    assert "(exported)" in model.text
    data = describe(turned, "dataset:latest")
    assert {end["role"] for end in data.facts["children"]} == {"trained", "scored on"}
    assert "metrics" in describe(turned, "report:latest").facts


def test_a_model_differs_from_itself_in_nothing(turned: Project) -> None:
    found = difference(turned, "model:champion", "model:latest")
    assert found["same"] is True
    assert all(row["gain"] == 0 for row in found["metrics"].values())


def test_comparing_a_model_that_was_never_scored_scores_it_on_the_last_data(
    turned: Project,
) -> None:
    (turned.root / "rows.csv").unlink()  # looking reads no source
    bayes = next(m for m in turned.store.list(Model) if m.learner == "bayes")
    found = difference(turned, "model:champion", bayes.hash)
    assert found["second"]["learner"] == "bayes"
    assert found["metrics"]["accuracy"]["second"]["value"] > 0.5
