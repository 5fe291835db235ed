"""One line in ``volano.yaml``, and every answer says whether it may go out alone."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from tests.app.test_http import served
from tests.tiny import tiny_project, tiny_rows

from volano.core.errors import ConfigError
from volano.loop.batch import predict_file
from volano.loop.explain import explain
from volano.loop.overview import describe_status
from volano.loop.project import Project
from volano.store import predictions, turns
from volano.store.reviews import open_reviews

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.app.conftest import Ran

TARGET = ("automatic_precision=0.7",)
SURE = [row["body"] for row in tiny_rows()]
# Two questions in one are hard to answer.
VAGUE = [one[:9] + other[-9:] for one, other in zip(SURE, SURE[1:], strict=False)]
ROWS = [{"body": text} for text in [*SURE, *VAGUE, "zzz"]]


def test_an_answer_is_routed_alike_over_http_in_python_and_in_a_batch(tickets: Path) -> None:
    with Project.open(tickets, set=TARGET) as project:
        by_python = [answer.route for answer in project.predict(ROWS)]
        (tickets / "q.jsonl").write_text("\n".join(map(json.dumps, ROWS)), "utf-8")
        predict_file(project, tickets / "q.jsonl", tickets / "a.csv", "model:champion")
        with (tickets / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
            by_batch = [row["route"] for row in csv.DictReader(stream)]
        with served(project) as client:
            said = client.post("/v1/predict", json={"inputs": ROWS}).json()["predictions"]
        logged = predictions.list_predictions(project.ledger)
    assert set(by_python) == {"automatic", "person"}
    assert by_python[-1] == "person"
    assert by_python == by_batch == [answer["route"] for answer in said]
    kept = {prediction.id: prediction.output["route"] for prediction in logged}
    assert kept == {answer["id"]: answer["route"] for answer in said}


def test_without_a_target_no_answer_speaks_of_a_route(tickets: Path) -> None:
    with Project.open(tickets) as project, served(project) as client:
        (said,) = client.post("/v1/predict", json={"inputs": ROWS[:1]}).json()["predictions"]
        assert "route" not in said
        assert {answer.route for answer in project.predict(ROWS)} == {None}
        assert describe_status(project)["automatic"] is None


def test_people_are_asked_first_what_is_theirs_and_status_says_how_much_it_is(
    tickets: Path, volano: Callable[..., Ran]
) -> None:
    with Project.open(tickets, set=TARGET) as project:
        with served(project) as client:
            said = client.post("/v1/predict", json={"inputs": ROWS}).json()["predictions"]
        for_people = sum(answer["route"] == "person" for answer in said)
        found = describe_status(project)["automatic"]
        assert (found["automatic"], found["person"]) == (len(said) - for_people, for_people)
    assert volano("review", "--export", "todo.csv").code == 0
    with (tickets / "todo.csv").open(encoding="utf-8-sig", newline="") as stream:
        todo = [row for row in csv.DictReader(stream) if row["why"] != "suspect-label"]
    why = [row["why"] for row in todo]
    assert why[0] == "person"
    assert why == sorted(why, key=["person", "random", "unsure"].index)
    with Project.open(tickets) as project:
        asked = {item.ref for item in open_reviews(project.ledger)}
    theirs = {answer["id"] for answer in said if answer["route"] == "person"}
    assert len(theirs) > 10
    assert theirs <= asked
    shown = volano("status").out
    assert f"automatic   {len(said) - for_people:,} of {len(said):,} answers" in shown


def test_another_target_makes_other_pages_and_judges_nothing_again(tickets: Path) -> None:
    def judged(project: Project) -> int:
        stages = [s for turn in turns.list_turns(project.ledger) for s in turn.stages]
        return sum(stage.name == "judge" and not stage.skipped for stage in stages)

    with Project.open(tickets, set=TARGET) as project:
        before = judged(project)
        turn = project.turn()
        assert not turn.is_unchanged or turn.seconds == {}
        assert judged(project) == before
        page = (tickets / turn.reports["model"]).with_suffix(".json").read_text("utf-8")
        assert "the target is 70.0%" in page
        assert project.turn().number == turn.number


def test_explain_says_what_the_target_comes_to(tickets: Path, tmp_path: Path) -> None:
    with Project.open(tickets, set=TARGET) as project:
        target, threshold = explain(project, "automatic_precision")
        assert target["value"] == 0.7
        assert 0 < threshold["value"] < 1
        assert "held-out answers as sure as this" in threshold["why"]
    with Project.open(tickets, set=("automatic_precision=0.99",)) as project:
        assert explain(project, "automatic_precision")[1]["value"] == "none"
        assert {answer.route for answer in project.predict(ROWS)} == {"person"}
    with tiny_project(tmp_path / "fresh", automatic_precision=0.9) as project:
        assert [row["value"] for row in explain(project, "automatic_precision")] == [0.9]
        assert not project.state.exists()


@pytest.mark.parametrize("value", ["95", "0", "1", "on"])
def test_a_target_that_is_no_share_is_refused(tickets: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="automatic_precision"):
        Project.open(tickets, set=(f"automatic_precision={value}",))
