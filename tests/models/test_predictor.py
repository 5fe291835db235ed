from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_bundle, tiny_rows, training_set

from volano.core.errors import UserError
from volano.models import Predictor
from volano.models.linear import Head, LinearEngine, blend

ROWS = tiny_rows()
TOPICS = training_set([row["body"] for row in ROWS], [row["topic"] for row in ROWS])


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(tiny_bundle(tmp_path_factory.mktemp("one")))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    targets = [(row["topic"], *(["short"] * (len(row["body"]) < 20))) for row in ROWS]
    rows = training_set([row["body"] for row in ROWS], targets, is_multiple=True)
    return Predictor.load(tiny_bundle(tmp_path_factory.mktemp("many"), rows))


def with_calibration(predictor: Predictor, unknown: str = "", **changes: float) -> Predictor:
    return Predictor(
        replace(predictor.spec, unknown=unknown),
        predictor.engine,
        replace(predictor.calibration, **changes),  # type: ignore[arg-type]
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=70))
def test_a_row_is_answered_alike_alone_and_in_any_batch(predictor, several, places) -> None:
    for asked in (predictor, several):
        together = asked.predict([ROWS[place] for place in places])
        for place, answer in zip(places, together, strict=True):
            assert answer == asked.predict([ROWS[place]])[0]


def test_eight_threads_get_the_same_answers(predictor: Predictor) -> None:
    expected = predictor.predict(ROWS, explain=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [row for _ in range(4) for row in ROWS]
        found = list(pool.map(lambda row: predictor.predict([row], explain=True)[0], asked))
    assert found == expected * 4


def test_scores_are_probabilities_in_the_order_of_the_labels(predictor: Predictor) -> None:
    answer = predictor.predict([ROWS[0]])[0]
    assert tuple(answer.scores) == predictor.labels == ("account", "delivery", "refund")
    assert sum(answer.scores.values()) == pytest.approx(1.0)
    assert answer.confidence == max(answer.scores.values()) == answer.scores[answer.labels[0]]


def test_no_rows_get_no_answers(predictor: Predictor) -> None:
    assert predictor.predict([]) == []
    assert predictor.scores([]).shape == (0, 3)


def test_a_row_without_its_text_column_says_which_row_and_which_column(
    predictor: Predictor,
) -> None:
    with pytest.raises(UserError, match="a row has no text: 'body' is missing") as caught:
        predictor.predict([ROWS[0], {"text": "where is my parcel"}])
    assert caught.value.where == "inputs[1]"


@pytest.mark.parametrize("nothing", [None, "", "   "])
def test_an_empty_text_is_answered(predictor: Predictor, nothing: str | None) -> None:
    assert predictor.predict([{"body": nothing}]) == predictor.predict([{"body": ""}])


@pytest.mark.parametrize("value", [7, 7.5, True, ["a", "b"], {"a": 1}])
def test_a_value_that_is_no_text_is_read_as_its_text(predictor: Predictor, value: object) -> None:
    assert predictor.predict([{"body": value}]) == predictor.predict([{"body": str(value)}])


def test_fields_that_the_model_does_not_read_change_nothing(predictor: Predictor) -> None:
    assert predictor.predict([{"body": "password", "tier": "plus", "x": object()}]) == (
        predictor.predict([{"body": "password"}])
    )


def test_several_text_columns_are_read_in_the_order_of_the_project(predictor: Predictor) -> None:
    spec = replace(predictor.spec, text=("title", "body"))
    two = Predictor(spec, predictor.engine, predictor.calibration)
    assert two.text_of({"body": "lost", "title": "parcel"}) == "parcel\nlost"
    assert two.text_of({"body": "lost", "title": None}) == "lost"
    assert two.predict([{"body": "lost"}]) == predictor.predict([{"body": "lost"}])
    with pytest.raises(UserError, match="'title', 'body' is missing"):
        two.predict([{}])


def test_reasons_name_the_words_that_speak_for_the_label(predictor: Predictor) -> None:
    english = predictor.predict([{"body": "I forgot the password"}], explain=True)[0]
    assert english.labels == ("account",)
    assert english.reasons[0][0] == "password"
    assert english.reasons[0][1] > 0
    chinese = predictor.predict([{"body": "快递还没有到"}], explain=True)[0]
    assert "快递" in chinese.reasons[0][0]
    assert predictor.predict([{"body": "I forgot the password"}])[0].reasons == ()


def test_reasons_add_up_to_the_lead_over_the_mean_of_all_labels(predictor: Predictor) -> None:
    engine = predictor.engine
    assert isinstance(engine, LinearEngine)
    one = engine.heads[0]
    other = Head(one.weights[:, ::-1].copy(), one.bias * 0, 0.3, 2.0)
    mixed = LinearEngine(engine.featuriser, (replace(one, share=0.7, temperature=0.5), other))
    text = ROWS[5]["body"]
    values = mixed.decide([text])[0]
    nothing = mixed.decide([""])[0]
    lead = (values - values.mean()) - (nothing - nothing.mean())
    for label in range(3):
        told = mixed.reasons(text, label, is_rival=True)
        assert sum(weight for _, weight in told) == pytest.approx(lead[label], abs=1e-4)


def test_reasons_of_overlapping_labels_add_up_to_the_labels_own_value(several: Predictor) -> None:
    engine = several.engine
    values = engine.decide(["快递还没有到", ""])
    told = engine.reasons("快递还没有到", 1, is_rival=False)
    assert sum(weight for _, weight in told) == pytest.approx(values[0, 1] - values[1, 1], abs=1e-4)


def test_an_unsure_answer_is_the_label_of_the_unknown(predictor: Predictor) -> None:
    strict = with_calibration(predictor, unknown="refund", unknown_below=0.999_999)
    answer = strict.predict([{"body": "where is the password"}])[0]
    assert (answer.labels, answer.unknown) == (("refund",), True)
    assert answer.confidence == max(answer.scores.values())


def test_without_a_label_of_the_unknown_an_unsure_answer_keeps_its_label(
    predictor: Predictor,
) -> None:
    strict = with_calibration(predictor, unknown_below=0.999_999)
    answer = strict.predict([{"body": "where is the password"}])[0]
    assert (answer.labels, answer.unknown) == (("account",), True)
    assert not predictor.predict([ROWS[0]])[0].unknown


def test_the_label_of_the_unknown_excludes_the_others(several: Predictor) -> None:
    both = with_calibration(several, unknown="short", threshold_C=np.zeros(4))
    answer = both.predict([ROWS[0]])[0]
    assert (answer.labels, answer.unknown) == (("short",), True)


def test_overlapping_labels_pass_their_own_threshold_or_the_likeliest_is_taken(
    several: Predictor,
) -> None:
    assert several.predict([{"body": "快递没到"}])[0].labels == ("delivery", "short")
    never = np.full(4, 2.0)
    silent = with_calibration(several, threshold_C=never, at_least_one=False)
    assert silent.predict([ROWS[0]])[0].labels == ()
    forced = with_calibration(several, threshold_C=never, at_least_one=True)
    assert forced.predict([{"body": "my parcel"}])[0].labels == ("delivery",)


def test_one_head_is_not_touched_by_blending() -> None:
    values = np.array([[1.0, -2.0]])
    head = Head(np.zeros((0, 2), np.float32), np.zeros(2, np.float32), 0.5, 3.0)
    assert blend([values], [head]) is values
