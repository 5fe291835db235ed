from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.tiny import tiny_rows, training_set
from tests.tiny_encoder import FAMILIES, tiny_encoder

from volano.core.events import Event, Events
from volano.core.nouns import Model
from volano.models.bundle import write_bundle
from volano.models.calibration import Calibration
from volano.train.config import TrainConfig
from volano.train.held_out import Marked, write_held_out
from volano.train.learner import Base, Lesson
from volano.train.learners.distil import DISTIL, spread
from volano.train.learners.encoder import FINETUNE, LORA
from volano.train.learners.ensemble import ENSEMBLE
from volano.train.learners.text_linear import BAYES, BLEND, LINEAR

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from volano.train.learner import Fitted, Learner, TrainingSet

pytestmark = pytest.mark.slow

ROWS = tiny_rows()
TEXTS = [row["body"] for row in ROWS]
TOPICS = [row["topic"] for row in ROWS]
SHORT = {"loop": {"epochs": 2}, "folds": 2, "seed": 0, "settings_tried": 1}
BOTH = pytest.mark.parametrize("learner", [FINETUNE, LORA], ids=lambda one: one.name)


def base_of(folder: Path) -> Base:
    return Base("tiny", folder, "hash")


def config_of(**sections: Any) -> TrainConfig:
    return TrainConfig.model_validate({**SHORT, **sections})


def lesson_of(base: Path, times: int = 2, **more: Any) -> Lesson:
    """Enough validation rows to be held out on: the tiny rows, twice over."""
    rows = training_set(TEXTS * times, TOPICS * times)
    return Lesson(rows, rows, base=base_of(base), **more)


def fit(learner: Learner, lesson: Lesson, config: TrainConfig | None = None) -> Fitted:
    return learner.fit(lesson, config or config_of(), Events())


def digest(fitted: Fitted) -> str:
    whole = hashlib.sha256()
    for name, found in sorted(fitted.arrays.items()):
        whole.update(name.encode() + found.tobytes())
    return whole.hexdigest()


def native_scores(fitted: Fitted, folder: Path, texts: list[str]) -> np.ndarray:
    """What the bundle's files answer, by reading the texts anew."""
    from volano.train.encoders.native import answer_native

    folder.mkdir(exist_ok=True)
    write_bundle(folder, fitted.spec, fitted.arrays, fitted.files)
    calibration = Calibration.load(fitted.spec.calibration, fitted.arrays)
    return calibration.probabilities(answer_native(folder, texts))


def part_of(fitted: Fitted, rows: TrainingSet, folder: Path, name: str) -> Model:
    """A native bundle with its held-out answers, as the train stage leaves it."""
    folder.mkdir()
    write_bundle(folder, fitted.spec, fitted.arrays, fitted.files)
    held = fitted.held_out
    write_held_out(folder, Marked(held.outcomes, rows.unit_N[held.row_H], held.row_H))
    return Model(name, folder, {"learner": name})


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_answers_from_its_bundle_as_it_was_trained(kind: str, tmp_path: Path) -> None:
    lesson = lesson_of(tiny_encoder(tmp_path / "base", kind), times=1)
    lesson = replace(lesson, valid=training_set(TEXTS * 2, TOPICS * 2))
    for learner in (FINETUNE, LORA):
        fitted = fit(learner, lesson, config_of(loop={"epochs": 1}))
        expected = fitted.reference(range(len(ROWS))).arrays()["scores"]
        found = native_scores(fitted, tmp_path / learner.name, TEXTS)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert not [name for name in fitted.arrays if "lora" in name or "pooler" in name]
        assert fitted.spec.engine == "encoder"
        assert fitted.told["epochs"][0]["valid_loss"] > 0


@BOTH
def test_the_same_seed_gives_the_same_weights_to_the_digit(
    learner: Learner, tiny_base: Path
) -> None:
    lesson = lesson_of(tiny_base)
    first = digest(fit(learner, lesson))
    assert digest(fit(learner, lesson)) == first
    assert digest(fit(learner, lesson, config_of(seed=1))) != first


def test_it_learns_and_lora_leaves_the_words_alone(tiny_base: Path) -> None:
    config = config_of(loop={"epochs": 12}, optimizer={"lr": 2e-3})
    fitted = fit(FINETUNE, lesson_of(tiny_base, 3), config)
    losses = [epoch["train_loss"] for epoch in fitted.told["epochs"]]
    assert losses[-1] < losses[0] / 2
    assert fitted.told["epochs"][-1]["valid_score"] > 0.9
    moved = fit(LORA, lesson_of(tiny_base, 3), config)
    words = "module.body.embeddings.word_embeddings.weight"
    query = "module.body.encoder.layer.0.attention.self.query.weight"
    from safetensors.numpy import load_file

    base = load_file(tiny_base / "model.safetensors")
    name = next(name for name in base if name.endswith("word_embeddings.weight"))
    np.testing.assert_array_equal(moved.arrays[words], base[name])
    other = next(name for name in base if name.endswith("layer.0.attention.self.query.weight"))
    assert np.abs(moved.arrays[query] - base[other]).max() > 1e-4
    assert np.abs(fitted.arrays[words] - base[name]).max() > 1e-4


def lesson_by_lot(num_valid: int, base: Path) -> Lesson:
    """Labels drawn by lot can be learnt by heart, and never foretold."""
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    texts = [" ".join(rng.choice(letters, 6)) for _ in range(150 + num_valid)]
    labels = rng.choice(["yes", "no"], len(texts)).tolist()
    train = training_set(texts[:150], labels[:150])
    valid = training_set(texts[150:], labels[150:])
    return Lesson(train, valid, base=base_of(base))


def share_foretold(fitted: Fitted) -> float:
    return float(fitted.held_out.outcomes.right_N.mean())


@BOTH
@pytest.mark.parametrize("num_valid", [0, 30, 120])
def test_no_row_is_answered_by_a_model_that_saw_it(
    learner: Learner, num_valid: int, tiny_base: Path
) -> None:
    lesson = lesson_by_lot(num_valid, tiny_base)
    config = config_of(loop={"epochs": 6}, optimizer={"lr": 3e-3})
    fitted = fit(learner, lesson, config)
    num = 150 + num_valid
    expected = np.arange(150, 270) if num_valid == 120 else np.arange(num)
    np.testing.assert_array_equal(fitted.held_out.row_H, expected)
    assert share_foretold(fitted) == pytest.approx(0.5, abs=0.15)


def test_a_teacher_that_knows_rows_by_heart_does_not_whisper_them(
    tiny_base: Path, tmp_path: Path
) -> None:
    lesson = lesson_by_lot(0, tiny_base)
    config = config_of(loop={"epochs": 12}, optimizer={"lr": 3e-3}, distil={"layers": 2})
    taught = fit(FINETUNE, lesson, config)
    assert taught.reference(range(150)).right_N.mean() > 0.8
    parts = {"finetune": part_of(taught, lesson.rows, tmp_path / "teacher", "finetune")}
    short = config.model_copy(update={"loop": config.loop.model_copy(update={"epochs": 2.0})})
    pupil = fit(DISTIL, replace(lesson, parts=parts), short)
    assert share_foretold(pupil) == pytest.approx(0.5, abs=0.15)


def test_rows_of_one_unit_do_not_answer_for_each_other(tiny_base: Path) -> None:
    texts = [f"{word} {word}" for word in "abcdefghijkl" for _ in range(4)]
    units = np.arange(12).repeat(4).tolist()
    labels = np.random.default_rng(2).choice(["yes", "no"], 12).repeat(4).tolist()
    rows = training_set(texts, labels, units=units)
    lesson = Lesson(rows, training_set([], []), base=base_of(tiny_base))
    fitted = fit(FINETUNE, lesson, config_of(loop={"epochs": 10}, optimizer={"lr": 3e-3}))
    assert fitted.held_out.outcomes.right_N.mean() < 0.8
    assert "folds" in fitted.told["held_out"]


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["parcel late", "money back"], ["a", "b"]),
        (["one", "two", "three", "four"], ["a", "b", "c", "d"]),
        ([""] * 6, ["a", "b", "b"] * 2),
        (["parcel late"] * 5 + ["money back"], ["a"] * 5 + ["b"]),
    ],
    ids=["one row a label", "four labels", "all empty", "a label with one example"],
)
def test_few_and_odd_rows_still_give_a_model(
    texts: list[str], labels: list[str], tiny_base: Path, tmp_path: Path
) -> None:
    lesson = Lesson(training_set(texts, labels), training_set([], []), base=base_of(tiny_base))
    fitted = fit(FINETUNE, lesson, config_of(loop={"epochs": 1}))
    told = fitted.reference(range(len(texts))).arrays()
    assert np.isfinite(told["scores"]).all()
    np.testing.assert_allclose(native_scores(fitted, tmp_path, texts), told["scores"], atol=1e-5)
    assert told["decided"].sum() == len(texts)


def test_several_labels_are_calibrated_one_by_one(tiny_base: Path) -> None:
    both = [(topic, "early") if place % 3 else (topic,) for place, topic in enumerate(TOPICS)]
    rows = training_set(TEXTS * 2, both * 2, is_multiple=True)
    fitted = fit(FINETUNE, Lesson(rows, rows, base=base_of(tiny_base)))
    assert fitted.spec.is_multiple
    assert fitted.arrays["calibration.slope"].shape == (4,)
    scores = fitted.reference([0, 1]).arrays()["scores"]
    assert (scores.sum(axis=1) > 0).all()


def test_weights_of_rows_and_classes_and_fooling_change_what_is_learnt(tiny_base: Path) -> None:
    lesson = lesson_of(tiny_base)
    plain = digest(fit(FINETUNE, lesson))
    heavy = training_set(TEXTS * 2, TOPICS * 2, weights=[1.0, 5.0] * len(TEXTS))
    assert digest(fit(FINETUNE, replace(lesson, train=heavy))) != plain
    for setting in ({"adversarial": 0.5}, {"label_smoothing": 0.0}, {"dropout": 0.0},
                    {"pooling": "max"}, {"head": "linear"}):  # fmt: skip
        assert digest(fit(FINETUNE, lesson, config_of(encoder=setting))) != plain
    even = fit(FINETUNE, lesson, config_of(encoder={"class_weights": "balanced"}))
    assert digest(even) == plain, "the tiny rows have as many of each label"


def test_an_unknown_label_is_answered_where_nothing_is_sure(tiny_base: Path) -> None:
    rows = training_set(TEXTS * 2, TOPICS * 2, unknown="other")
    fitted = fit(FINETUNE, Lesson(rows, rows, base=base_of(tiny_base)))
    assert fitted.spec.unknown == ""
    assert fitted.spec.calibration["unknown_below"] > 0


def test_a_training_goes_on_from_what_is_in_its_scratch(tiny_base: Path, tmp_path: Path) -> None:
    lesson = lesson_of(tiny_base, scratch=tmp_path / "scratch")
    first = fit(FINETUNE, lesson)
    again = fit(FINETUNE, lesson)
    assert digest(again) == digest(first)
    assert again.told["resumed_from"] == first.told["steps"]
    # How often checkpoints are written is no part of what is trained.
    rarely = config_of(loop={"epochs": 2, "checkpoint_seconds": 9.0})
    assert fit(FINETUNE, lesson, rarely).told["resumed_from"] == first.told["steps"]


def test_validation_rows_are_learnt_from_once_they_have_answered(tiny_base: Path) -> None:
    lesson = lesson_of(tiny_base)
    said: list[Event] = []
    fitted = FINETUNE.fit(lesson, config_of(), Events((said.append,), "train.finetune"))
    turned = [*TOPICS[1:], TOPICS[0]] * 2
    other = fit(FINETUNE, replace(lesson, valid=training_set(TEXTS * 2, turned)))
    assert digest(other) != digest(fitted)
    assert fitted.told["finishing_epoch"]
    assert "a finishing epoch over all rows" in "".join(event.text for event in said)
    # Its steps count from 0 as well: on the same curve they would hide those before.
    curves = [(event.stage, event.done) for event in said if event.text == "loss"]
    assert len(curves) == len(set(curves))
    assert {stage for stage, _ in curves} == {"train.finetune", "train.finetune.finish"}


def test_two_processes_learn_what_one_does(tiny_base: Path) -> None:
    lesson = lesson_of(tiny_base)
    config = {"encoder": {"dropout": 0.0}}
    one = fit(FINETUNE, lesson, config_of(**config))
    two = fit(FINETUNE, lesson, config_of(**config, loop={"epochs": 2, "processes": 2}))
    assert two.told["processes"] == 2
    for mine, theirs in zip(one.told["epochs"], two.told["epochs"], strict=True):
        assert theirs["train_loss"] == pytest.approx(mine["train_loss"], rel=0.02)
    scores = [found.reference([0, 1]).arrays()["scores"] for found in (two, one)]
    np.testing.assert_allclose(*scores, atol=0.05)


@pytest.mark.parametrize(
    ("num", "kept", "places"),
    [(6, 3, (0, 2, 5)), (12, 6, (0, 2, 4, 7, 9, 11)), (2, 1, (0,)), (4, 4, (0, 1, 2, 3))],
)
def test_kept_layers_are_evenly_spread(num: int, kept: int, places: tuple[int, ...]) -> None:
    assert spread(num, kept) == places


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert", "deberta-v2"])
def test_a_pupil_has_fewer_layers_and_learns_what_its_teacher_answers(
    kind: str, tmp_path: Path
) -> None:
    lesson = lesson_of(tiny_encoder(tmp_path / "base", kind))
    config = config_of(loop={"epochs": 6}, distil={"share": 1.0, "temperature": 1.0})
    taught = fit(FINETUNE, lesson, config)
    teacher = part_of(taught, lesson.rows, tmp_path / "teacher", "finetune")
    lesson = replace(lesson, parts={"finetune": teacher})
    pupil = fit(DISTIL, lesson, config)
    assert sum(a.size for a in pupil.arrays.values()) < sum(a.size for a in taught.arrays.values())
    assert pupil.told["base"] == "tiny, layers 1 of 2"
    expected = pupil.reference(range(20)).arrays()["scores"]
    found = native_scores(pupil, tmp_path / "pupil", TEXTS[:20])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # It learns from its teacher: taught by another's answers it answers otherwise.
    alone = fit(DISTIL, lesson, config_of(loop={"epochs": 6}, distil={"share": 0.0}))
    assert digest(alone) != digest(pupil)


def test_a_pupil_may_start_from_a_base_of_its_own(tiny_base: Path, tmp_path: Path) -> None:
    lesson = lesson_of(tiny_base)
    taught = fit(FINETUNE, lesson)
    parts = {"finetune": part_of(taught, lesson.rows, tmp_path / "teacher", "finetune")}
    small = tiny_encoder(tmp_path / "small", hidden_size=16, num_hidden_layers=1)
    lesson = replace(lesson, parts=parts, base=Base("small", small, "hash"))
    pupil = fit(DISTIL, lesson, config_of(distil={"base": "small"}))
    assert pupil.arrays["module.head.weight"].shape == (3, 16)


def test_an_ensemble_weighs_what_both_had_not_seen(tiny_base: Path, tmp_path: Path) -> None:
    lesson = lesson_of(tiny_base)
    rows, config = lesson.rows, config_of()
    parts: dict[str, Model] = {}
    for learner in (LINEAR, BAYES, BLEND, FINETUNE):
        made = learner.fit(replace(lesson, parts=parts), config, Events())
        parts[learner.name] = part_of(made, rows, tmp_path / learner.name, learner.name)
    fitted = ENSEMBLE.fit(replace(lesson, parts=parts), config, Events())
    assert fitted.spec.engine == "ensemble"
    np.testing.assert_array_equal(fitted.held_out.row_H, np.arange(len(rows) // 2, len(rows)))
    assert sum(fitted.told["shares"].values()) == pytest.approx(1.0)
    names = set(fitted.files)
    assert {"parts/0/tokenizer.json", "parts/0/weights.safetensors", "parts/1/model.json"} <= names
    assert not [name for name in names if name.endswith("parquet")]
    # The engine over the parts (here both light ones) answers as the training code does.
    from volano.models import Predictor

    light = replace(ENSEMBLE, parts=("bayes", "linear"))
    told = light.fit(replace(lesson, parts=parts), config, Events())
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle", told.spec, told.arrays, told.files)
    found = Predictor.load(tmp_path / "bundle")
    expected = told.reference(range(20)).arrays()["scores"]
    np.testing.assert_allclose(found.scores(list(rows.rows[:20])), expected, atol=1e-9)
    reasons = found.predict([rows.rows[0]], explain=True)[0].reasons
    assert reasons


def test_an_ensemble_is_for_one_label() -> None:
    from volano.tasks.task import LabelsConfig
    from volano.tasks.text_classification import TextClassification

    assert ENSEMBLE.fits(TextClassification())
    assert not ENSEMBLE.fits(TextClassification(LabelsConfig(separator=",")))


def test_a_number_of_rows_that_is_named_is_obeyed_and_the_card_says_why(tiny_base: Path) -> None:
    lesson = lesson_of(tiny_base)  # of 120 rows to learn from, and as many held out
    told = [fit(FINETUNE, lesson, config_of(loop={"epochs": 1, **rows})).told
            for rows in ({}, {"batch_rows": 40})]  # fmt: skip
    assert [(one["batch_rows"], one["steps"]) for one in told] == [(8, 15), (40, 3)]
    whys = [one["batch_rows_why"] for one in told]
    assert whys == ["there are 120 training rows", "named in the project"]


def test_what_is_cut_is_warned_of(tiny_base: Path) -> None:
    said: list[Event] = []
    config = config_of(encoder={"max_tokens": 8}, loop={"epochs": 1})
    fitted = FINETUNE.fit(lesson_of(tiny_base), config, Events((said.append,)))
    assert fitted.told["texts_cut"] > 0
    assert [event.kind for event in said if "tokens" in event.text and event.kind == "warning"]


def test_importing_the_learners_loads_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, volano.train.learners.encoder, volano.train.learners.distil,"
        "volano.train.learners.ensemble, volano.models.ensemble;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
