from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.models.tiny_tables import COLUMNS, ENGINES, arrow, messy_rows, table_bundle, truth_of

from volano.core.errors import StoreError, UserError
from volano.models import Predictor
from volano.models.bundle import read_spec
from volano.models.calibration import Calibration
from volano.models.routing import Curve

if TYPE_CHECKING:
    from pathlib import Path

ROWS = messy_rows()
ANSWERS = ("two", "three", "number")
BOTH = [(name, answers) for name in ENGINES for answers in ANSWERS]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Predictor]:
    root = tmp_path_factory.mktemp("tables")
    return {
        (name, answers): Predictor.load(table_bundle(root / f"{name}-{answers}", name, answers))
        for name, answers in BOTH
    }


def as_told(predictor: Predictor, row: dict[str, Any]) -> dict[str, Any]:
    """What the task's ``output`` makes of the answer to a row."""
    answer = predictor.predict([row])[0]
    if answer.value is not None:
        return {"value": answer.value, "low": answer.low, "high": answer.high}
    given: dict[str, Any] = {"label": answer.labels[0]}
    if predictor.spec.is_multiple:
        given = {"labels": list(answer.labels)}
    given |= {"confidence": answer.confidence, "unknown": answer.unknown,
              "scores": dict(answer.scores)}  # fmt: skip
    return given | ({"route": answer.route} if answer.route else {})


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_a_table_of_answers_says_what_single_requests_say(predictors, both) -> None:
    predictor = predictors[both]
    table = predictor.answer_table(arrow(ROWS))
    assert table.to_pylist() == [as_told(predictor, row) for row in ROWS]
    assert predictor.predict(arrow(ROWS)) == predictor.predict(ROWS)
    assert predictor.answer_table(arrow(ROWS)[:0]).schema == table.schema


def test_routes_and_several_labels_stand_in_the_table_too(predictors) -> None:
    one = replace(predictors["trees", "two"], automatic_from=0.9)
    table = one.answer_table(arrow(ROWS))
    assert set(table.column("route").to_pylist()) == {"automatic", "person"}
    assert table.to_pylist() == [as_told(one, row) for row in ROWS]
    base = predictors["table-linear", "three"]
    several = replace(
        base,
        spec=replace(base.spec, is_multiple=True),
        calibration=Calibration(
            slope_C=np.full(3, 2.0),
            offset_C=np.array([0.1, -0.2, 0.3]),
            threshold_C=np.full(3, 0.5),
        ),
    )
    assert several.answer_table(arrow(ROWS)).to_pylist() == [as_told(several, r) for r in ROWS]


def test_no_rows_get_no_answers(predictors) -> None:
    for both in BOTH:
        assert predictors[both].predict([]) == []
    assert predictors["trees", "number"].values([]).shape == (0,)
    assert predictors["trees", "three"].scores([]).shape == (0, 3)


def test_a_number_comes_with_the_interval_that_holds_the_truth(predictors) -> None:
    predictor, truth = predictors["table-linear", "number"], truth_of(ROWS, "number")
    answers = predictor.predict(ROWS)
    inside = [a.low <= true <= a.high for a, true in zip(answers, truth, strict=True)]
    assert np.mean(inside) >= 0.9
    assert [answer.value for answer in answers] == predictor.values(ROWS).tolist()
    assert all(answer.labels == () and not answer.scores for answer in answers)


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_reasons_add_up_to_what_the_answer_says(predictors, both) -> None:
    predictor = predictors[both]
    for answer in predictor.predict(ROWS[:12], explain=True):
        total = sum(weight for _, weight in answer.reasons)
        assert answer.reasons[-1][0] == "(base)"
        if both[1] == "number":
            assert total == pytest.approx(answer.value, abs=1e-5)
            continue
        scores = np.array(list(answer.scores.values()))
        if both[1] == "two":
            likeliest = scores.max()
            assert total == pytest.approx(np.log(likeliest / (1 - likeliest)), abs=1e-5)
        else:
            assert total == pytest.approx((np.log(scores) - np.log(scores).mean()).max(), abs=1e-5)


def test_reasons_of_overlapping_labels_add_up_to_their_own_log_odds(predictors) -> None:
    base = predictors["table-linear", "three"]
    lines = {"slope_C": np.array([2.0, 1.0, 0.5]), "offset_C": np.array([0.1, -0.2, 0.3])}
    calibration = Calibration(**lines, threshold_C=np.full(3, 0.5))
    several = replace(base, spec=replace(base.spec, is_multiple=True), calibration=calibration)
    answer = several.predict([ROWS[3]])[0]
    for label, score in answer.scores.items():
        total = sum(weight for _, weight in several.explain(ROWS[3], label))
        assert total == pytest.approx(np.log(score / (1 - score)), abs=1e-9)


def test_reasons_name_columns_with_their_cells_strongest_first(predictors) -> None:
    reasons = predictors["ensemble", "two"].predict(ROWS[:1], explain=True)[0].reasons
    texts = [text for text, _ in reasons]
    assert f"tenure = {ROWS[0]['tenure']}" in texts
    weights = [abs(weight) for text, weight in reasons if not text.startswith("(")]
    assert weights == sorted(weights, reverse=True)
    assert 0.0 not in weights


def test_beyond_eight_columns_the_others_are_one_reason(tmp_path: Path) -> None:
    import pyarrow as pa

    from volano.models import Spec, write_bundle
    from volano.models.table_features import TableFeaturiser
    from volano.models.table_linear import TableLinearEngine

    names = [f"x{n}" for n in range(12)]
    rng = np.random.default_rng(0)
    made = TableFeaturiser.fit(pa.table({name: rng.normal(size=50) for name in names}), names)
    engine = TableLinearEngine(made, rng.normal(size=(made.width, 2)), np.zeros(2))
    spec = Spec("t", "table-linear", (), ("a", "b"), settings=engine.settings(),
                columns=tuple(names), calibration=Calibration().settings())  # fmt: skip
    write_bundle(tmp_path, spec, engine.arrays())
    answer = Predictor.load(tmp_path).predict([dict.fromkeys(names, 0.7)], explain=True)[0]
    assert [text for text, _ in answer.reasons[-2:]] == ["(other columns)", "(base)"]
    assert len(answer.reasons) == 10
    odds = np.log(answer.confidence / (1 - answer.confidence))
    assert sum(weight for _, weight in answer.reasons) == pytest.approx(odds)


def test_a_column_that_a_row_lacks_is_missing_there(predictors) -> None:
    for both in BOTH:
        part = {"plan": "pro", "tenure": 5}
        whole = {**dict.fromkeys(COLUMNS), **part}
        assert predictors[both].predict([part]) == predictors[both].predict([whole])


def test_a_row_without_any_column_says_which_row_and_what_is_read(predictors) -> None:
    predictor = predictors["trees", "two"]
    with pytest.raises(
        UserError, match="none of the columns that the model reads: 'customer_id'"
    ) as told:
        predictor.predict([ROWS[0], {"body": "text"}])
    assert told.value.where == "inputs[1]"
    with pytest.raises(UserError, match="none of the columns"):
        predictor.answer_table(arrow([{"other": 1}]).select(["other"]))


def test_fields_that_the_model_does_not_read_change_nothing(predictors) -> None:
    for both in BOTH:
        asked = {**ROWS[0], "more": object(), "churned": "yes"}
        assert predictors[both].predict([asked]) == predictors[both].predict([ROWS[0]])


def test_the_answer_is_the_label_of_least_expected_cost(predictors) -> None:
    predictor = predictors["trees", "two"]
    # Missing a "yes" costs nine times a false one, so "yes" is answered from 0.1 on.
    costs = np.array([[0.0, 1.0], [9.0, 0.0]])
    dear = replace(predictor, calibration=replace(predictor.calibration, cost_CC=costs))
    for plain, told in zip(predictor.predict(ROWS), dear.predict(ROWS, explain=True), strict=True):
        label = "yes" if told.scores["yes"] > 0.1 else "no"
        assert (told.labels, told.scores) == ((label,), plain.scores)
        # Sure of what it answers, and why: not of the label that costs kept it from.
        assert (told.confidence, told.explained) == (told.scores[label], label)
    assert dear.answer_table(arrow(ROWS)).to_pylist() == [as_told(dear, row) for row in ROWS]


def test_costs_of_nought_for_right_and_one_for_wrong_change_nothing(predictors) -> None:
    predictor = predictors["trees", "three"]
    even = replace(predictor.calibration, cost_CC=1.0 - np.eye(3))
    assert replace(predictor, calibration=even).predict(ROWS) == predictor.predict(ROWS)


def test_an_answer_that_costs_chose_is_as_sure_as_its_own_label() -> None:
    calibration = Calibration(cost_CC=np.array([[0.0, 1.0], [9.0, 0.0]]))
    from volano.models.routing import sureness

    scores = np.array([[0.8, 0.2], [0.3, 0.7]])
    decided = calibration.decide(scores)
    assert sureness(scores, decided, is_multiple=False).tolist() == [0.2, 0.7]


def test_calibration_brings_back_its_costs() -> None:
    costs = np.array([[0.0, 5.0], [1.0, 0.0]])
    fitted = Calibration(temperature=1.5, cost_CC=costs)
    again = Calibration.load(fitted.settings(), fitted.arrays())
    assert np.array_equal(again.cost_CC, costs)
    assert Calibration.load(Calibration().settings(), {}).cost_CC is None


def test_a_number_has_no_route(predictors) -> None:
    assert predictors["trees", "number"].routed(0.9).predict(ROWS[:1])[0].route is None
    sure = np.linspace(1, 0.5, 500)
    curve = Curve.of(sure, sure > 0.8, np.arange(500))
    labelled = predictors["trees", "two"]
    marked = replace(labelled, calibration=replace(labelled.calibration, curve=curve)).routed(0.9)
    assert {answer.route for answer in marked.predict(ROWS)} == {"automatic", "person"}


@pytest.mark.parametrize("both", BOTH, ids=str)
def test_a_bundle_says_what_it_reads_and_answers(predictors, both) -> None:
    spec = predictors[both].spec
    assert (spec.reads, spec.text, spec.format) == (COLUMNS, (), 2)
    assert spec.answers == ("number" if both[1] == "number" else "labels")
    assert predictors[both].featuriser is not None


def test_a_bundle_whose_spread_is_gone_is_a_store_error(tmp_path: Path) -> None:
    from volano.models import write_bundle
    from volano.models.bundle import read_arrays

    folder = table_bundle(tmp_path / "b", "trees", "number")
    kept = {k: v for k, v in read_arrays(folder).items() if not k.startswith("spread.")}
    files = {"trees/0.txt": (folder / "trees" / "0.txt").read_bytes()}
    write_bundle(folder, read_spec(folder), kept, files)
    with pytest.raises(StoreError, match="missing or damaged"):
        Predictor.load(folder)


def test_a_bundle_that_names_other_columns_than_it_reads_is_a_store_error(tmp_path: Path) -> None:
    import json

    folder = table_bundle(tmp_path / "b", "table-linear")
    spec = json.loads((folder / "model.json").read_text("utf-8"))
    spec["columns"] = spec["columns"][:3]
    (folder / "model.json").write_text(json.dumps(spec), "utf-8")
    with pytest.raises(StoreError, match="does not name"):
        Predictor.load(folder)
