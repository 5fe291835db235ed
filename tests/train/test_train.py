from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.tiny import tiny_project, tiny_rows

from volano.core.errors import ConfigError, DataError
from volano.core.nouns import Model
from volano.export.config import ExportConfig
from volano.export.export import export
from volano.models.statistics import STATISTICS, Statistics
from volano.tasks.scoring import CLASSIFICATION_METRICS, LabelOutcomes
from volano.tasks.text_classification import TextClassification
from volano.train.choose import choose, why_stop
from volano.train.config import TrainConfig, plan_learners, resolve_train
from volano.train.held_out import Marked, read_held_out, write_held_out
from volano.train.learners.distil import DISTIL
from volano.train.learners.encoder import FINETUNE, LORA
from volano.train.learners.ensemble import ENSEMBLE
from volano.train.learners.probe import PROBE
from volano.train.learners.text_linear import BAYES, BLEND, LINEAR
from volano.train.train import Plan, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from volano.core.nouns import Dataset
    from volano.loop.project import Project

LEARNERS = (LINEAR, BAYES, BLEND, PROBE, FINETUNE, LORA, ENSEMBLE, DISTIL)
KNOWN: dict[str, Any] = {one.name: one for one in LEARNERS}
TASK = TextClassification()
QUICK, _ = resolve_train(TrainConfig(), "quick", 0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with tiny_project(tmp_path_factory.mktemp("tiny") / "p") as opened:
        yield opened


@pytest.fixture(scope="module")
def data(project: Project) -> Dataset:
    return project.prepare()


@pytest.fixture(scope="module")
def native(project: Project, data: Dataset) -> Model:
    return train(QUICK, project.task, data, Plan(LINEAR), project.store, project.events)


def test_what_the_rows_were_like_lies_beside_the_model_and_what_is_exported(
    project: Project, native: Model
) -> None:
    told = Statistics.read(native.folder)
    assert told is not None
    assert told.num_rows == told.num_sampled == native.card["training"]["rows"]
    assert [(one.column, one.aspect) for one in told.columns] == [
        ("body", "length"), ("body", "language"),
    ]  # fmt: skip
    assert [one.aspect for one in told.answers] == ["label", "confidence"]
    assert set(told.answers[0].levels) == set(native.card["labels"])
    served = export(ExportConfig(), native, project.store, project.events)
    assert Statistics.read(served.folder) == told
    manifest = json.loads((served.folder / "manifest.json").read_text())
    assert STATISTICS in manifest["outside"]  # it alters no answer, so it is no part of the name


def test_a_native_model_says_how_it_was_made(native: Model, data: Dataset) -> None:
    card = native.card
    assert card["learner"] == "linear"
    assert card["dataset"] == data.hash
    assert card["labels"] == ["account", "delivery", "refund"]
    training = card["training"]
    assert training["rows"] == data.labelled("train", "validation").num_rows
    assert sum(card["label_counts"].values()) == training["rows"]
    assert 0.7 < training["out_of_fold"]["accuracy"] <= 1
    assert training["out_of_fold"]["accuracy"] <= training["seen"]["accuracy"] <= 1


def test_training_again_gives_the_same_model(
    project: Project, data: Dataset, native: Model
) -> None:
    again = train(QUICK, project.task, data, Plan(LINEAR), project.store, project.events)
    assert again.hash == native.hash


def test_no_test_example_is_held_out_or_suspected(native: Model, data: Dataset) -> None:
    learnt = data.labelled("train", "validation").column("id").to_pylist()
    assert len(read_held_out(native.folder).unit_N) == len(learnt)
    suspects = pq.read_table(native.folder / "suspects.parquet").column("id").to_pylist()
    assert set(suspects) <= set(learnt)


def test_reference_rows_are_spread_over_all_rows(native: Model, data: Dataset) -> None:
    table = pq.read_table(native.folder / "reference.parquet")
    assert table.num_rows == data.labelled("train", "validation").num_rows
    assert table.column_names == ["text", "scores", "decided", "truth"]


def test_rows_with_one_label_only_are_refused(tmp_path: Path) -> None:
    rows = [row | {"topic": "refund"} for row in tiny_rows()]
    with (
        tiny_project(tmp_path / "p", rows) as project,
        pytest.raises(DataError, match="the same label, 'refund'"),
    ):
        project.train()


def test_one_dial_derives_what_is_not_said_and_says_why() -> None:
    config, derived = resolve_train(TrainConfig(folds=4), "thorough", 9)
    assert (config.folds, config.settings_tried, config.seed) == (4, 5, 9)
    keys = ["settings_tried", "seed", "loop.epochs", "trees.rounds", "trees.seeds"]
    assert [fact.key for fact in derived] == [f"train.{key}" for key in keys]
    assert derived[0].why == "effort is thorough"


@pytest.mark.parametrize(
    ("learner", "several", "expected"),
    [
        ("auto", "", ("linear", "bayes", "blend")),
        ("auto", ",", ("linear", "bayes")),
        ("linear", "", ("linear",)),
        ("bayes", "", ("linear", "bayes")),
        ("blend", "", ("linear", "bayes", "blend")),
        ("finetune", ",", ("linear", "finetune")),
        ("distil", "", ("linear", "finetune", "distil")),
        ("ensemble", "", ("linear", "finetune", "bayes", "blend", "ensemble")),
    ],
)
def test_the_baseline_comes_first_and_parts_before_what_they_make(
    learner: str, several: str, expected: tuple[str, ...]
) -> None:
    task = TextClassification(TASK.labels.model_copy(update={"separator": several}))
    assert plan_learners(TrainConfig(learner=learner), task, KNOWN) == expected


@pytest.mark.parametrize(
    ("effort", "deep"),
    [
        ("quick", ("probe",)),
        ("normal", ("probe", "finetune")),
        ("thorough", ("probe", "finetune", "lora", "ensemble")),
    ],
)
def test_with_a_base_effort_says_how_far_the_plan_goes(effort: Any, deep: tuple[str, ...]) -> None:
    light = ("linear", "bayes", "blend")
    assert plan_learners(TrainConfig(base="there"), TASK, KNOWN, effort) == (*light, *deep)
    several = TextClassification(TASK.labels.model_copy(update={"separator": ","}))
    planned = plan_learners(TrainConfig(base="there"), several, KNOWN, effort)
    assert planned == ("linear", "bayes", *(name for name in deep if name != "ensemble"))


def test_a_learner_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="'lineer'") as caught:
        plan_learners(TrainConfig(learner="lineer"), TASK, KNOWN)
    assert "linear" in caught.value.fix


def test_a_learner_of_another_task_is_refused() -> None:
    task = replace(TASK, name="text-regression", answers="number")
    with pytest.raises(ConfigError, match="'bayes' cannot do this text-regression"):
        plan_learners(TrainConfig(learner="bayes"), task, KNOWN)
    several = TextClassification(TASK.labels.model_copy(update={"separator": ","}))
    with pytest.raises(ConfigError, match="'blend' cannot do") as caught:
        plan_learners(TrainConfig(learner="blend"), several, KNOWN)
    assert caught.value.fix == "one of linear, bayes, probe, finetune, lora, distil, or auto"


def answered(folder: Path, name: str, right: list[bool], units: list[int] | None = None) -> Model:
    """A model that answered these rows right or wrong."""
    from volano.models import Spec, write_bundle

    folder.mkdir(exist_ok=True, parents=True)
    write_bundle(folder, Spec("t", "linear", ("body",), ("no", "yes")), {})
    truth = np.tile([True, False], (len(right), 1))
    decided = np.array([[one, not one] for one in right])
    outcomes = LabelOutcomes(("no", "yes"), truth, decided, decided * 0.9 + 0.05, False)
    unit_N = np.arange(len(right)) if units is None else np.array(units)
    write_held_out(folder, Marked(outcomes, unit_N, np.arange(len(unit_N))))
    return Model(name, folder, {"learner": name})


def natives(tmp_path: Path, **num_wrong: int) -> list[Model]:
    """Models of these learners, each wrong on so many of 200 rows: on the first ones."""
    return [
        answered(tmp_path / name, name, [False] * wrong + [True] * (200 - wrong))
        for name, wrong in num_wrong.items()
    ]


ACCURACY = CLASSIFICATION_METRICS["accuracy"]
ALL = np.arange(0)  # none is held out, so folds answer all


def two(tmp_path: Path, *rights: list[bool], **more: Any) -> list[Model]:
    names = ("linear", "bayes")
    return [
        answered(tmp_path / name, name, right, **more)
        for name, right in zip(names, rights, strict=True)
    ]


def test_the_dearer_model_is_taken_where_it_is_clearly_better(tmp_path: Path) -> None:
    natives = two(tmp_path, [True] * 60 + [False] * 40, [True] * 90 + [False] * 10)
    choice = choose(natives, ACCURACY)
    assert (choice.candidate, choice.baseline) == ("bayes", "linear")
    assert choice.figures == {"linear": 0.6, "bayes": 0.9}
    assert "bayes 0.900 (+0.2" in choice.why


def test_the_cheaper_model_stays_where_nothing_is_proven(tmp_path: Path) -> None:
    natives = two(tmp_path, [True] * 60 + [False] * 40, [True] * 62 + [False] * 38)
    assert choose(natives, ACCURACY).candidate == "linear"


def test_rows_of_one_person_prove_as_much_as_one_row(tmp_path: Path) -> None:
    rights = [True] * 60 + [False] * 40, [True] * 70 + [False] * 30
    assert choose(two(tmp_path, *rights), ACCURACY).candidate == "bayes"
    units = [*range(60), *[60] * 10, *range(61, 91)]
    assert choose(two(tmp_path, *rights, units=units), ACCURACY).candidate == "linear"


def test_a_learner_that_the_project_names_is_taken(tmp_path: Path) -> None:
    natives = two(tmp_path, [True] * 90 + [False] * 10, [True] * 60 + [False] * 40)
    choice = choose(natives, ACCURACY, "bayes")
    assert (choice.candidate, choice.baseline) == ("bayes", "linear")
    assert choice.why == "train.learner is bayes"


def test_a_metric_of_which_less_is_better_is_compared_the_right_way_round(tmp_path: Path) -> None:
    natives = two(tmp_path, [True] * 60 + [False] * 40, [True] * 90 + [False] * 10)
    assert choose(natives, CLASSIFICATION_METRICS["log_loss"]).candidate == "bayes"


def test_what_could_not_be_proven_better_is_not_trained(tmp_path: Path) -> None:
    assert why_stop(natives(tmp_path / "a", linear=4), ACCURACY, ALL) == ""
    because = why_stop(natives(tmp_path / "b", linear=2), ACCURACY, ALL)
    assert because == (
        "as even a faultless one could not be proven better than linear on 200 held-out rows"
    )


def test_only_mistakes_on_rows_that_an_encoder_is_held_out_on_leave_room(tmp_path: Path) -> None:
    made = natives(tmp_path, linear=60)  # all among the first hundred
    assert why_stop(made, ACCURACY, np.arange(50, 200)) == ""
    assert "on 100 held-out rows" in why_stop(made, ACCURACY, np.arange(100, 200))


def test_a_weak_probe_does_not_keep_an_encoder_from_being_trained(tmp_path: Path) -> None:
    assert why_stop(natives(tmp_path, linear=40, probe=120), ACCURACY, ALL) == ""


def test_fine_tuning_that_gains_nothing_ends_the_climb(tmp_path: Path) -> None:
    gained = natives(tmp_path / "a", linear=60, probe=60, finetune=30)
    assert why_stop(gained, ACCURACY, ALL) == ""
    lost = natives(tmp_path / "b", linear=60, probe=60, finetune=59)
    assert why_stop(lost, ACCURACY, ALL).startswith(
        "as finetune is not proven better than linear ("
    )


def test_the_choice_says_what_was_not_tried_and_why(tmp_path: Path) -> None:
    made = natives(tmp_path, linear=2)
    choice = choose(made, ACCURACY, left={"finetune": "as nothing is left to gain"})
    assert choice.why.endswith("Not tried: finetune, as nothing is left to gain.")
