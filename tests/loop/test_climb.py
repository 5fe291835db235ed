"""The climb from light learners to encoders, on a random encoder of two layers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny import tiny_project, tiny_rows, write_rows

from volano.core.errors import ConfigError, ExhaustedError, UserError, VolanoError
from volano.core.events import Event, Events
from volano.core.nouns import Model
from volano.loop.climb import checkpoints_of, embeddings_of
from volano.loop.curves import read_curves
from volano.loop.doctor import examine
from volano.loop.explain import explain
from volano.loop.forget import forget
from volano.loop.overview import describe, describe_status
from volano.loop.project import Project
from volano.loop.prune import prune
from volano.loop.stages import BrokeOffError
from volano.loop.steps import Steps
from volano.store import lineage, releases, turns
from volano.train.choose import Choice, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Open = Callable[..., Project]

# One form, so that exporting takes a second; what forms there are is shown by tests/export.
FAST = {
    "export": {"engine": "onnx", "precision": "float32"},
    "evaluate": {"timed_requests": 10, "resamples": 200, "robustness_rows": 0},
}


def deep(base: Path, learner: str, **loop: Any) -> dict[str, Any]:
    told = {"epochs": 2, "patience": 0, **loop}
    return {**FAST, "train": {"learner": learner, "base": str(base), "folds": 2, "loop": told}}


def names_of(project: Project) -> list[str]:
    """The stages of the latest turn that ran."""
    record = turns.find_turn(project.ledger, "latest")
    assert record is not None
    return [stage.name for stage in record.stages if not stage.skipped]


def why_of(project: Project) -> str:
    """Why the latest turn chose as it did."""
    record = turns.find_turn(project.ledger, "latest")
    assert record is not None and record.result is not None
    return str(record.result["choice"]["why"])


def left_out(heard: list[Event]) -> list[str]:
    return [event.text for event in heard if event.kind == "warning" and "left out" in event.text]


def test_a_base_that_cannot_be_had_is_told_once_and_the_light_learners_go_on(
    reopen: Open,
) -> None:
    heard: list[Event] = []
    project = reopen("train.base=./nowhere", "effort=thorough", events=listening(heard))
    done = project.turn()
    warned = left_out(heard)
    assert len(warned) == 1
    assert "'./nowhere'" in warned[0] and "train.base" in warned[0]
    assert done.learner in ("linear", "bayes", "blend")
    why = why_of(project)
    assert "Not tried: probe, as its base cannot be had." in why
    assert "Not tried: ensemble, as finetune, on which it builds, was not." in why


def test_a_deep_learner_that_is_named_wants_its_base_before_the_data_is_read(
    reopen: Open,
) -> None:
    heard: list[Event] = []
    project = reopen("train.base=./nowhere", "train.learner=probe", events=listening(heard))
    new = {**tiny_rows()[0], "id": "N1", "body": "the courier lost a kettle"}
    write_rows(project.root / "rows.csv", [*tiny_rows(), new])
    with pytest.raises(UserError) as told:
        project.turn()
    assert not [event for event in heard if event.kind == "stage"]
    assert isinstance(told.value, ConfigError)
    assert told.value.where == "train.base"
    assert told.value.fix


def test_a_setting_that_no_learner_of_the_plan_reads_trains_nothing(reopen: Open) -> None:
    assert reopen("train.optimizer.lr=0.01", "train.loop.epochs=3").rehearse() == ()
    assert reopen("train.folds=4").rehearse()[0] == "train"


@pytest.mark.slow
def test_encoders_turn_the_wheel_and_leave_nothing_to_do(tmp_path: Path, tiny_base: Path) -> None:
    with tiny_project(tmp_path / "p", **deep(tiny_base, "finetune")) as project:
        done = project.turn()
        assert done.learner == "finetune"
        assert not checkpoints_of(project.state).exists()
        model = project.find(Model, "model:latest")
        assert model.card["engine"] == "onnx"
        curves = read_curves(project.ledger, done.number)
        assert {"loss", "epoch"} <= curves["train.finetune"].keys()
        for fold in ("train.finetune.fold-0", "train.finetune.fold-1"):
            assert {"loss", "valid_loss", "valid_score"} <= curves[fold].keys()
        assert "loss" in describe(project, "turn:latest").text
        why = {row["key"]: row["why"] for row in explain(project, "train")}
        assert why["train.encoder.pooling"] == "default; mean in turn 1"
        assert why["train.optimizer.lr"].endswith(" in turn 1")
        assert "turn" not in why["train.base"], "it is said in volano.yaml"
        again = project.turn()
        assert set(again.skipped) >= {"train", "export", "evaluate"}
        project.promote(model, because="to see it answer", forced=True)
        assert releases.champion(project.ledger) is not None
        answer = project.predict([{"body": "where is my parcel"}], explain=True)[0]
        assert answer.labels and answer.reasons
    settings = ("train.optimizer.lr=0.001", "train.loop.checkpoint_seconds=1")
    with Project.open(tmp_path / "p", set=settings) as changed:
        changed.turn()
        assert "train.finetune" in names_of(changed)
        assert "train.linear" not in names_of(changed)


@pytest.mark.slow
def test_a_probe_reads_only_new_texts_in_the_next_turn_and_forgetting_empties_its_cache(
    tmp_path: Path, tiny_base: Path
) -> None:
    with tiny_project(tmp_path / "p", **deep(tiny_base, "probe")) as project:
        assert project.turn().learner == "probe"
        cache = embeddings_of(project.state)
        before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
        assert before
        assert any(found.what == "cache/embeddings" for found in examine(project))
        new = {**tiny_rows()[0], "id": "N1", "body": "the courier lost a kettle"}
        write_rows(project.root / "rows.csv", [*tiny_rows(), new])
        project.turn()
        after = {path for path in cache.rglob("*") if path.is_file()}
        assert after > before.keys()
        assert "cache:embeddings" not in prune(project).removed
        customer = tiny_rows()[0]["customer"]
        forget(project, customer, because="asked", by="ann")
        assert not cache.exists()
        project.turn()
    with Project.open(tmp_path / "p", set=("train.base=auto", "train.learner=auto")) as light:
        light.turn()
        assert "cache:embeddings" in prune(light, is_rehearsal=True).removed
        prune(light)
        assert not embeddings_of(light.state).exists()


def unreadable(base: Path, folder: Path) -> Path:
    """The base as a family that transformers does not know: seen only where it is trained."""
    shutil.copytree(base, folder)
    told = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**told, "model_type": "no-such"}), "utf-8")
    return folder


@pytest.mark.slow
def test_an_encoder_that_cannot_be_trained_is_left_out_unless_it_is_named(
    tmp_path: Path, tiny_base: Path
) -> None:
    base = unreadable(tiny_base, tmp_path / "base")
    heard: list[Event] = []
    with tiny_project(tmp_path / "p", events=listening(heard), **deep(base, "auto")) as project:
        assert project.turn().learner in ("linear", "bayes", "blend")
        (warned,) = left_out(heard)
        assert warned.startswith("probe is left out of this turn: transformers cannot read the")
        assert "(train.base); name an encoder of a family" in warned
        why = "Not tried: probe, as train.probe broke off: transformers cannot read the base"
        assert why in why_of(project)
        heard.clear()
        assert project.rehearse() == ()
        again = project.turn()
        assert again.number == 1 and "train" in again.skipped
        assert set(left_out(heard)) == {warned}
    with Project.open(tmp_path / "p", set=("train.learner=probe",)) as named:
        with pytest.raises(ConfigError, match="transformers cannot read the base"):
            named.turn()
        assert "train.probe" not in names_of(named)


def test_what_the_machine_lacked_is_tried_again_and_what_is_wrong_is_not(tmp_path: Path) -> None:
    raised: list[VolanoError] = []

    def breaks(fault: VolanoError) -> Callable[[Events], dict[str, Any]]:
        def work(_: Events) -> dict[str, Any]:
            raised.append(fault)
            raise fault

        return work

    lacked, wrong = ExhaustedError("too little memory"), ConfigError("it has diverged")
    with tiny_project(tmp_path / "p") as project:
        for _ in range(2):
            steps = Steps(project)
            for key, fault in (("a", lacked), ("b", wrong)):
                with pytest.raises(BrokeOffError):
                    steps.model_stage("train.probe", key, breaks(fault), is_spare=True)
            with pytest.raises(ExhaustedError):
                steps.model_stage("train.probe", "a", breaks(lacked))
    assert raised == [lacked, wrong, lacked, lacked, lacked]


@pytest.mark.slow
def test_a_training_that_diverges_costs_a_turn_that_chooses_nothing_else(
    tmp_path: Path, tiny_base: Path
) -> None:
    rows = tiny_rows()
    # Labels of other rows: nothing light is so good that an encoder would not be tried.
    mixed = [{**row, "topic": rows[7 * place % 60 // 2]["topic"]} for place, row in enumerate(rows)]
    settings = deep(tiny_base, "auto")
    settings["train"]["optimizer"] = {
        "name": "sgd", "lr": 10, "head_lr": 1000, "weight_decay": 1, "clip": 0,
        "schedule": "constant",
    }  # fmt: skip
    heard: list[Event] = []
    events = listening(heard)
    folder = tmp_path / "p"
    with tiny_project(folder, mixed, events, effort="normal", **settings) as project:
        done = project.turn()
        assert done.learner != "finetune"
        assert "the training has diverged" in left_out(heard)[0]
        assert "Not tried: finetune, as train.finetune broke off" in why_of(project)
        assert project.rehearse() == ()
    with (
        Project.open(folder, set=("train.learner=finetune",)) as named,
        pytest.raises(ConfigError, match="diverged"),
    ):
        named.turn()


@pytest.mark.slow
def test_an_encoder_that_cannot_be_exported_leaves_the_turn_to_the_best_of_the_others(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dearest(natives: Sequence[Model], *others: Any) -> Choice:
        return replace(choose(natives, *others), candidate=natives[-1].hash)

    monkeypatch.setattr("volano.train.choose.choose", dearest)
    settings = deep(tiny_base, "auto")
    settings["export"] = {**settings["export"], "score_gap": 1e-9}  # no graph is so exact
    heard: list[Event] = []
    with tiny_project(tmp_path / "p", events=listening(heard), **settings) as project:
        done = project.turn()
        assert done.learner == "blend"
        assert "Not tried: probe, as export.probe broke off: the bundle" in why_of(project)
        assert left_out(heard)[0].startswith("probe is left out of this turn: the bundle does not")
        record = turns.find_turn(project.ledger, done.number)
        assert record is not None
        (probe,) = (stage.output["model"] for stage in record.stages if stage.name == "train.probe")
        # What was learnt from people's rows is known, served or not.
        assert probe in {edge.child for edge in lineage.children(project.ledger, done.dataset)}
        assert project.rehearse() == ()


@pytest.mark.slow
def test_an_interrupt_is_no_fault_of_an_encoder_and_the_default_base_is_told(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def default_base(language: str) -> str:
        return str(tiny_base) if language == "mixed" else "nothing"

    monkeypatch.setattr("volano.train.encoders.base.default_base", default_base)
    heard: list[Event] = []

    def interrupt(event: Event) -> None:
        if event.stage == "train.probe" and event.kind == "progress":
            raise KeyboardInterrupt

    settings = deep(tiny_base, "auto")
    with (
        tiny_project(tmp_path / "p", events=Events((interrupt,)), **settings) as project,
        pytest.raises(KeyboardInterrupt),
    ):
        project.turn()
    named = ("train.learner=probe", "train.base=auto")
    with Project.open(tmp_path / "p", set=named, events=listening(heard)) as project:
        assert project.turn().learner == "probe"
        told = f"encoders start from {tiny_base}, the default for mixed texts"
        assert [event.text for event in heard].count(told) == 1
        why = {row["key"]: row["why"] for row in explain(project, "train")}
        assert why["train.base"] == f"volano.yaml or --set; {tiny_base} in turn 2"


KILLED = "import sys, volano as vl\nwith vl.open(sys.argv[1]) as p: p.turn()"


@pytest.mark.slow
def test_killed_while_it_trains_an_encoder_a_turn_ends_with_the_same_model(
    tmp_path: Path, tiny_base: Path
) -> None:
    settings = deep(tiny_base, "finetune", epochs=12, checkpoint_seconds=0)
    with tiny_project(tmp_path / "whole", **settings) as undisturbed:
        expected = undisturbed.turn().model
    with tiny_project(tmp_path / "killed", **settings) as project:
        scratch = checkpoints_of(project.root / ".volano")
    running = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "killed")])
    until = time.monotonic() + 120
    while not list(scratch.rglob("*.safetensors")):
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    running.wait()
    heard: list[Event] = []
    with Project.open(tmp_path / "killed", events=listening(heard)) as project:
        assert any(found.what == "cache/training" for found in examine(project))
        unfinished = describe_status(project)["unfinished_turn"]
        assert unfinished["number"] == 1 and "train.linear" in unfinished["stages"]
        assert "cache:training" not in prune_plan(project)
        done = project.turn()
        assert done.number == 1
        assert done.model == expected
        assert not checkpoints_of(project.state).exists()
        curve = read_curves(project.ledger, 1)["train.finetune"]["loss"]
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps))


def prune_plan(project: Project) -> dict[str, int]:
    return prune(project, is_rehearsal=True).removed


def listening(heard: list[Event]) -> Events:
    return Events((heard.append,))
