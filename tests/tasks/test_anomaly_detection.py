"""Anomalies: truth as people write it, and figures at a budget."""

import pytest

from volano.core.errors import ConfigError, DataError
from volano.core.nouns import Answer
from volano.tasks import AnomalyDetection, LabelsConfig
from volano.tasks.task import AlertsConfig

ODD, FINE = ("anomaly",), ("normal",)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [("Fraud", ODD), (1, ODD), ("异常", ODD), (True, ODD), ("ok", FINE), (0.0, FINE),
     ("正常", FINE), ("1.0", ODD), ("0.0", FINE), ("", None), (None, None), ("?", None),
     ("NA", None), (float("nan"), None)],
)  # fmt: skip
def test_truth_is_read_as_people_write_it(cell: object, labels: tuple[str, ...] | None) -> None:
    assert AnomalyDetection().read_target(cell) == labels


def test_every_label_but_the_normal_one_is_an_anomaly() -> None:
    task = AnomalyDetection(LabelsConfig(normal="normal."))
    assert task.read_target("normal.") == FINE
    assert task.read_target("smurf.") == ODD
    assert task.read_target("NaN") is None
    assert AnomalyDetection(LabelsConfig(normal="n/a")).read_target("n/a") == FINE


def test_what_may_mean_either_is_asked() -> None:
    with pytest.raises(DataError, match="neither anomaly nor normal") as told:
        AnomalyDetection().read_target("smurf.")
    assert "labels: {normal: LABEL}" in told.value.fix


def test_what_has_no_meaning_here_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither several labels"):
        AnomalyDetection(LabelsConfig(unknown="other"))
    with pytest.raises(ValueError, match="greater than 0"):
        AlertsConfig(per_day=0)


def answer(score: float, *, is_odd: bool) -> Answer:
    return Answer(ODD if is_odd else FINE, score, False, {"anomaly": score, "normal": 1 - score})


def test_figures_at_the_budget_count_what_was_called() -> None:
    task = AnomalyDetection()
    truth = [ODD, ODD, FINE, FINE]
    answers = [answer(s, is_odd=s > 0.8) for s in (0.99, 0.5, 0.9, 0.1)]
    found = task.outcomes(truth, answers)
    assert task.metrics["precision_at_budget"].of(found) == 0.5
    assert task.metrics["recall_at_budget"].of(found) == 0.5
    assert task.metrics["roc_auc"].of(found) == 0.75
    said = task.output(answers[1])
    # Within a budget the answer need not be the likelier label; the score is of the anomaly.
    assert (said["label"], said["score"]) == ("normal", 0.5)


def test_guessing_calls_nothing_an_anomaly() -> None:
    task = AnomalyDetection()
    assert task.guess([]).labels == FINE
    assert task.guess([ODD, FINE, FINE, FINE]).scores == {"anomaly": 0.25, "normal": 0.75}
