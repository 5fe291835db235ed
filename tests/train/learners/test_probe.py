from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.tiny import QUICK, tiny_rows, training_set

from volano.core.events import Events
from volano.models.bundle import write_bundle
from volano.train.encoders.base import open_base
from volano.train.learner import Lesson, TrainingSet
from volano.train.learners.probe import PROBE
from volano.train.learners.vector_heads import VectorLesson, fit_head

if TYPE_CHECKING:
    from volano.train.config import TrainConfig
    from volano.train.learner import Fitted

ROWS = tiny_rows()
TEXTS = [row["body"] for row in ROWS]
TOPICS = [row["topic"] for row in ROWS]


def probe(
    rows: TrainingSet, folder: Path, config: TrainConfig = QUICK, cache: Path | None = None
) -> Fitted:
    base = open_base(str(folder), "en", Path(), Events())
    nothing = training_set([], [], is_multiple=rows.is_multiple, unknown=rows.unknown)
    return PROBE.fit(Lesson(rows, nothing, base=base, cache=cache), config, Events())


def accuracy(fitted: Fitted) -> float:
    return float(fitted.held_out.outcomes.right_N.mean())


def digest(fitted: Fitted) -> str:
    whole = hashlib.sha256(repr(fitted.spec).encode())
    for name, array in sorted(fitted.arrays.items()):
        whole.update(name.encode() + array.tobytes())
    return whole.hexdigest()


def lesson_of(num: int, is_multiple: bool = False, settings: int = 3) -> VectorLesson:
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(4, 16))
    label_N = np.arange(num) % 4
    vectors = (centres[label_N] + chance.normal(size=(num, 16))).astype(np.float32)
    vectors[:, 3] = 0.25  # a number that never varies, as some of MiniLM's
    truth = np.zeros((num, 4), bool)
    truth[np.arange(num), label_N] = True
    if is_multiple:
        truth[::8, 0] = True
    fold_N = np.arange(num) // 4 % 5
    return VectorLesson(vectors, truth, np.ones(num), fold_N, is_multiple, settings)


@pytest.mark.parametrize("is_multiple", [False, True])
def test_a_head_tells_labels_apart_on_rows_it_had_not_seen(is_multiple: bool) -> None:
    lesson = lesson_of(400, is_multiple)
    found = fit_head(lesson)
    truth = lesson.truth_NC
    assert (found.held_out_NC.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.85
    again = lesson.vectors_ND @ found.weights_DC + found.bias_C
    assert np.isfinite(again).all()
    assert np.corrcoef(again.ravel(), found.held_out_NC.ravel())[0, 1] > 0.95


def test_the_head_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    lesson = lesson_of(400, settings=1)
    vectors = np.delete(lesson.vectors_ND, 3, axis=1)
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    truth = lesson.truth_NC.argmax(axis=1)
    theirs = LogisticRegression(C=1 / 30.0, tol=1e-6, max_iter=500).fit(scaled, truth)
    ours = fit_head(lesson)
    mine = lesson.vectors_ND @ ours.weights_DC + ours.bias_C
    mine -= mine.mean(axis=1, keepdims=True)
    yours = theirs.decision_function(scaled)
    np.testing.assert_allclose(mine, yours - yours.mean(axis=1, keepdims=True), atol=0.05)


def test_a_weight_of_two_is_the_row_twice() -> None:
    lesson = lesson_of(200, settings=1)
    twice = np.r_[np.arange(200), np.arange(100)]
    weight = np.ones(200)
    weight[:100] = 2.0
    weighed = fit_head(replace(lesson, weight_N=weight * 1.5))
    doubled = fit_head(
        replace(
            lesson,
            vectors_ND=lesson.vectors_ND[twice],
            truth_NC=lesson.truth_NC[twice],
            weight_N=np.ones(300),
            fold_N=lesson.fold_N[twice],
        )
    )
    gap = weighed.weights_DC - doubled.weights_DC
    assert np.abs(gap).max() < 0.25 * np.abs(doubled.weights_DC).max()


@pytest.mark.slow
def test_rows_of_one_unit_share_a_fold_and_a_second_run_is_the_same(
    tiny_base: Path, tmp_path: Path
) -> None:
    rows = training_set(TEXTS, TOPICS)
    first = probe(rows, tiny_base, cache=tmp_path)
    again = probe(rows, tiny_base, cache=tmp_path)
    assert digest(first) == digest(again)
    assert (first.told["texts_encoded"], again.told["texts_encoded"]) == (60, 0)
    assert accuracy(first) > 0.4
    # Each row twice: held out together, the twin must not give the answer away.
    twins = training_set([*TEXTS, *TEXTS], [*TOPICS, *TOPICS], units=[*range(60), *range(60)])
    assert accuracy(probe(twins, tiny_base, cache=tmp_path)) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("head", ["cosine", "linear"])
@pytest.mark.parametrize("kind", ["one", "several", "unknown"])
def test_the_bundle_answers_as_training_did(
    head: str, kind: str, tiny_base: Path, tmp_path: Path
) -> None:
    from volano.models.calibration import Calibration
    from volano.train.encoders.native import answer_native

    targets = [[row["topic"], *["late"] * ("late" in row["body"])] for row in ROWS]
    rows = training_set(
        TEXTS,
        targets if kind == "several" else TOPICS,
        is_multiple=kind == "several",
        unknown="account" if kind == "unknown" else "",
    )
    config = QUICK.model_copy(
        update={
            "encoder": QUICK.encoder.model_copy(update={"head": head}),
            "loop": QUICK.loop.model_copy(update={"precision": "float32"}),
        }
    )
    fitted = probe(rows, tiny_base, config)
    write_bundle(tmp_path, fitted.spec, fitted.arrays, fitted.files)
    values = answer_native(tmp_path, TEXTS)
    calibration = Calibration.load(fitted.spec.calibration, fitted.arrays)
    told = fitted.reference(range(60)).arrays()
    scores, decided = told["scores"], told["decided"]
    np.testing.assert_allclose(calibration.probabilities(values), scores, atol=1e-4)
    assert scores.shape == decided.shape == (60, len(rows.labels))
    assert fitted.spec.settings["head"] == head


@pytest.mark.slow
@pytest.mark.data
def test_banking77_is_told_apart_from_a_few_hundred_rows(
    shared_data: Path, minilm: Path, tmp_path: Path
) -> None:
    with (shared_data / "banking77" / "train.csv").open(encoding="utf-8") as stream:
        found = list(csv.DictReader(stream))
    few = sorted({row["category"] for row in found})[:10]
    found = [row for row in found if row["category"] in few][::3]
    rows = training_set([row["text"] for row in found], [row["category"] for row in found])
    fitted = probe(rows, minilm, cache=tmp_path)
    assert fitted.told["pooling"] == "mean"
    assert fitted.told["base_licence"] == "apache-2.0"
    assert accuracy(fitted) > 0.93
