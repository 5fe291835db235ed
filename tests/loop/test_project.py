from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny import tiny_project

import volano as vl
from volano.core.errors import ConfigError, UnknownNameError, UserError
from volano.core.nouns import Model, Report
from volano.store import turns

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project


def test_the_stages_one_by_one_are_a_turn(tmp_path: Path) -> None:
    tiny_project(tmp_path / "tickets").close()
    project = vl.open(tmp_path / "tickets")
    tickets = project.collect()
    clean = project.prepare(tickets)
    candidate = project.train(clean)
    report = project.evaluate(candidate)
    verdict = project.judge(report)
    assert verdict.promotes
    release = project.promote(candidate, because=verdict)
    assert not release.forced
    done = project.turn()
    assert (done.number, done.model, done.dataset) == (1, candidate.hash, clean.hash)
    assert done.verdict == verdict
    assert project.turn().is_unchanged
    assert clean.dropped == {}
    project.close()


def test_results_have_a_short_repr_and_one_screen(turned: Project) -> None:
    data = turned.prepare()
    model = turned.train(data)
    report = turned.evaluate(model, data)
    assert repr(data) == f"Dataset({data.short!r})"
    assert "36 train, 6 validation, 18 test" in str(data)
    assert repr(model) == f"Model({model.short!r})"
    assert "3: account, delivery, refund" in str(model)
    assert "accuracy" in str(report) and "guessing" in str(report)
    assert repr(turned.turn()).startswith("Turn(1, PROMOTE")
    for thing in (data, model, report, turned.turn()):
        assert len(str(thing).splitlines()) < 24
    assert repr(turned).startswith("Project(")


def test_references_find_what_they_name(turned: Project) -> None:
    champion = turned.find(Model, "model:champion")
    assert turned.find(Model, "latest") == champion
    assert turned.find(Model, champion.hash[:8]) == champion
    report = turned.find(Report, "report:champion")
    assert report == turned.find(Report, "report:latest")
    with pytest.raises(UserError, match="is not a model"):
        turned.find(Model, "dataset:latest")
    with pytest.raises(UnknownNameError):
        turned.find(Model, "ffffffff")


def test_before_the_first_turn_every_reference_says_what_to_do(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "tickets") as project:
        for name in ("model:champion", "model:latest"):
            with pytest.raises(UserError) as told:
                project.find(Model, name)
            assert told.value.fix == "turn the wheel first: volano turn"


def test_a_folder_without_a_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no project here"):
        vl.open(tmp_path)
    (tmp_path / "volano.yaml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        vl.open(tmp_path)


def test_the_project_file_itself_may_be_named(turned: Project) -> None:
    assert vl.open(turned.root / "volano.yaml").root == turned.root


def test_opening_a_project_touches_nothing(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "tickets") as project:
        assert project.task.name == "text-classification"
    assert not (tmp_path / "tickets" / ".volano").exists()


def test_a_gate_metric_that_does_not_exist_is_told_before_anything_runs(tmp_path: Path) -> None:
    with tiny_project(tmp_path / "tickets", gate={"metric": "acuracy"}) as project:
        with pytest.raises(ConfigError, match="acuracy"):
            project.turn()
        assert turns.list_turns(project.ledger) == ()


def test_the_champion_answers_rows_by_the_projects_column_names(turned: Project) -> None:
    (answer,) = turned.predict([{"body": "I want my money back for the kettle"}])
    assert answer.labels == ("refund",)
