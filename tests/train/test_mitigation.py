"""Mitigation: gaps get narrower, held-out rows say at what cost, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tiny import QUICK

from volano.core.errors import ConfigError
from volano.core.events import Event, Events
from volano.core.nouns import Dataset, Model
from volano.models import Predictor
from volano.models.shifted import NOBODY
from volano.store.artifacts import ArtifactStore
from volano.tasks import LabelsConfig, TabularClassification, TabularRegression, TextClassification
from volano.tasks.anomaly_detection import AnomalyDetection
from volano.train.held_out import read_held_out
from volano.train.learners.mitigated import Mitigated
from volano.train.learners.table_blend import BLEND
from volano.train.learners.table_linear import LINEAR
from volano.train.learners.table_trees import TREES
from volano.train.mitigation import (
    Mitigation,
    MitigationConfig,
    balanced_weights,
    check_mitigation,
    even_shifts,
    group_gaps,
    need_groups_read,
    only_large,
)
from volano.train.train import Plan, people_of, train

if TYPE_CHECKING:
    from pathlib import Path

NUM = 1500
TASK = TabularClassification()
THRESHOLDS = Mitigation("thresholds", "selection_rate", ("sex",), "yes", 30)
REWEIGHT = replace(THRESHOLDS, method="reweight")


def loans(num: int = NUM, seed: int = 0) -> tuple[dict[str, Any], list[str]]:
    """Men earn more, and who earns more repays; a few rows do not say whose they are."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], num)
    income = np.exp(rng.normal(7.5, 0.5, num) + 0.5 * (sex == "m"))
    debt = rng.gamma(2, 400, num)
    good = 1.6 * (np.log(income) - 7.7) - debt / 900 + 0.8
    repaid = np.where(rng.random(num) < 1 / (1 + np.exp(-2 * good)), "yes", "no")
    told = [None if place % 50 == 0 else who for place, who in enumerate(sex.tolist())]
    town = ["Nowhere" if place % 100 == 0 else "Here" for place in range(num)]
    return {"sex": told, "income": income, "debt": debt, "town": town}, repaid.tolist()


@dataclass
class Lender:
    """A store, a Dataset, and models of it."""

    store: ArtifactStore
    data: Dataset
    task: TabularClassification = TASK

    @classmethod
    def of(cls, root: Path, labels: list[str] | None = None, reads: tuple[str, ...] = ()) -> Lender:
        store = ArtifactStore(str(root / "artifacts"), root / "cache")
        fields, repaid = loans()
        columns = {name: pa.array(cells) for name, cells in fields.items()}
        targets = [[label] for label in (labels or repaid)]
        table = pa.table({
            "id": [f"r{n:04}" for n in range(NUM)],
            "fields": pa.StructArray.from_arrays(list(columns.values()), list(columns)),
            "target": pa.array(targets, pa.list_(pa.string())),
            "split": ["validation" if n % 5 == 0 else "train" for n in range(NUM)],
            "weight": pa.array([1.0] * NUM),
            "subject": pa.array([None] * NUM, pa.string()),
            "cluster": pa.array([None] * NUM, pa.string()),
        })  # fmt: skip
        read = list(reads or columns)
        card = {"schema": {"reads": read, "fields": {"text": "", "kinds": {}}}, "settings": {}}
        with store.draft() as folder:
            pq.write_table(table, folder / "examples.parquet")
            return cls(store, store.keep(Dataset, folder, card))

    def plain(self, learner: Any = LINEAR, **parts: Model) -> Model:
        """Without mitigation."""
        return train(QUICK, self.task, self.data, Plan(learner, parts), self.store, Events())

    def mitigated(
        self, plain: Model, how: Mitigation, learner: Any = LINEAR, told: Any = None, **parts: Model
    ) -> Model:
        """With it."""
        people = people_of(self.task, self.data, how.fields)
        wanted = Mitigated(learner, how, plain, people, self.task)
        events = Events([told.append]) if told is not None else Events()
        return train(QUICK, self.task, self.data, Plan(wanted, parts), self.store, events)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.of(tmp_path_factory.mktemp("lender"))


@pytest.fixture(scope="module")
def plain(lender: Lender) -> Model:
    return lender.plain()


def gaps_on_new_rows(model: Model) -> dict[str, float]:
    """As served, on rows that nobody has seen."""
    fields, repaid = loans(4000, seed=9)
    rows = [dict(zip(fields, cells, strict=True)) for cells in zip(*fields.values(), strict=True)]
    answers = Predictor.load(model.folder).predict(rows)
    outcomes = TASK.outcomes([(one,) for one in repaid], answers)
    who = np.array([NOBODY if one is None else ["f", "m"].index(one) for one in fields["sex"]])
    return group_gaps(outcomes, who, "yes", 30)


def cost(model: Model) -> Any:
    return model.card["training"]["mitigation"]


@pytest.mark.parametrize("learner", [LINEAR, TREES], ids=lambda one: one.name)
def test_thresholds_even_the_rate_and_tell_what_it_cost(lender: Lender, learner: Any) -> None:
    before, told = lender.plain(learner), []
    model = lender.mitigated(before, THRESHOLDS, learner, told)
    assert gaps_on_new_rows(before)["selection_rate"] > 0.15
    assert gaps_on_new_rows(model)["selection_rate"] < 0.08
    found = cost(model)
    assert found["without"]["gaps"]["selection_rate"] > 0.15
    assert found["with"]["gaps"]["selection_rate"] < 0.05
    assert found["with"]["metrics"]["accuracy"] < found["without"]["metrics"]["accuracy"]
    assert (found["rows"], found["positive"], model.card["learner"]) == (NUM, "yes", learner.name)
    assert dict(found["shifts"])["f"] > 0 > dict(found["shifts"])["m"]
    notes = [event.text for event in told if isinstance(event, Event)]
    assert any("selection_rate 0." in text for text in notes)


def test_thresholds_can_even_the_rate_where_the_label_is_true(lender: Lender, plain: Model) -> None:
    how = replace(THRESHOLDS, constraint="true_positive_rate")
    model = lender.mitigated(plain, how)
    assert gaps_on_new_rows(plain)["true_positive_rate"] > 0.08
    assert gaps_on_new_rows(model)["true_positive_rate"] < 0.05


@pytest.mark.parametrize("learner", [LINEAR, TREES], ids=lambda one: one.name)
def test_weights_narrow_the_gap_and_tell_what_it_cost(lender: Lender, learner: Any) -> None:
    before = lender.plain(learner)
    model = lender.mitigated(before, REWEIGHT, learner)
    assert gaps_on_new_rows(model)["selection_rate"] < gaps_on_new_rows(before)["selection_rate"]
    found = cost(model)
    assert found["with"]["gaps"]["selection_rate"] < found["without"]["gaps"]["selection_rate"]
    assert found["weights"][0] < 1 < found["weights"][1]
    # Calibrated on rows as they are: confidence stays honest.
    assert found["with"]["metrics"]["calibration_error"] < 0.05


def test_a_blend_is_weighed_of_weighed_parts(lender: Lender) -> None:
    parts = {one.name: lender.plain(one) for one in (LINEAR, TREES)}
    before = lender.plain(BLEND, **parts)
    weighed = {name: lender.mitigated(parts[name], REWEIGHT, one)
               for name, one in (("linear", LINEAR), ("trees", TREES))}  # fmt: skip
    model = lender.mitigated(before, REWEIGHT, BLEND, **weighed)
    assert gaps_on_new_rows(model)["selection_rate"] < gaps_on_new_rows(before)["selection_rate"]
    even = lender.mitigated(before, THRESHOLDS, BLEND, **parts)
    assert gaps_on_new_rows(even)["selection_rate"] < 0.08


def test_the_bundle_answers_as_training_said(lender: Lender, plain: Model) -> None:
    from volano.export.config import ExportConfig
    from volano.export.export import export

    model = lender.mitigated(plain, THRESHOLDS)
    served = export(ExportConfig(), model, lender.store, Events())
    assert served.card["parity"]["agreement"] == 1.0
    assert cost(served) == cost(model)
    assert len(read_held_out(model.folder).row_N) == NUM


def test_costs_of_mistakes_still_say_how_many_are_selected(lender: Lender) -> None:
    task = TabularClassification(LabelsConfig(costs={"no": {"yes": 3.0}}))
    careful = replace(lender, task=task)
    before = careful.plain()
    found = cost(careful.mitigated(before, THRESHOLDS))
    assert found["with"]["gaps"]["selection_rate"] < found["without"]["gaps"]["selection_rate"]
    said = [read_held_out(one.folder).of_labels.decided_NC[:, 1].mean()
            for one in (before, careful.mitigated(before, THRESHOLDS))]  # fmt: skip
    assert said[0] == pytest.approx(said[1], abs=0.02)
    assert said[0] < 0.4
    free = replace(lender, task=TabularClassification(LabelsConfig(costs={"yes": {"no": 0.0}})))
    with pytest.raises(ConfigError, match="one label is never answered"):
        free.mitigated(free.plain(), THRESHOLDS)


def test_small_groups_are_left_as_they_are_and_that_is_said(lender: Lender, plain: Model) -> None:
    told: list[Any] = []
    how = replace(THRESHOLDS, fields=("town", "sex"))
    found = cost(lender.mitigated(plain, how, told=told))
    # Where nobody says the sex there is no group; eight people of Nowhere do.
    assert {group for group, _ in found["shifts"]} == {"here · f", "here · m"}
    small = replace(THRESHOLDS, minimum=NUM)
    with pytest.raises(ConfigError, match="fewer than two groups of sex have 1500 rows"):
        lender.mitigated(plain, small)
    with pytest.raises(ConfigError, match="fewer than two groups"):
        lender.mitigated(plain, replace(small, method="reweight"))


def test_thresholds_need_the_group_to_be_read_and_weights_do_not(tmp_path: Path) -> None:
    blind = Lender.of(tmp_path, reads=("income", "debt"))
    before = blind.plain()
    with pytest.raises(ConfigError, match="models do not read 'sex'") as caught:
        need_groups_read(THRESHOLDS, ("income", "debt"))
    assert "data.fields.ignore" in caught.value.fix
    need_groups_read(REWEIGHT, ("income", "debt"))
    model = blind.mitigated(before, REWEIGHT)
    assert "sex" not in Predictor.load(model.folder).spec.reads
    assert gaps_on_new_rows(model)["selection_rate"] < gaps_on_new_rows(before)["selection_rate"]


def test_three_labels_can_be_weighed_and_have_no_one_threshold(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    _, repaid = loans()
    labels = ["late" if rng.random() < 0.2 else label for label in repaid]
    lender = Lender.of(tmp_path, labels)
    before = lender.plain()
    with pytest.raises(ConfigError, match="between two known labels"):
        lender.mitigated(before, THRESHOLDS)
    assert cost(lender.mitigated(before, REWEIGHT))["positive"] == "yes"


def test_a_column_that_is_not_there_is_named(lender: Lender) -> None:
    with pytest.raises(ConfigError, match="no column named 'sexe'") as caught:
        people_of(TASK, lender.data, ("sexe",))
    assert caught.value.where == "evaluate.fairness.fields"


def test_what_cannot_be_mitigated_is_refused_before_data_is_read() -> None:
    on = MitigationConfig(method="reweight")
    check_mitigation(MitigationConfig(), TextClassification(), ())
    check_mitigation(on, TASK, ("sex",))
    with pytest.raises(ConfigError, match="nobody says which groups") as caught:
        check_mitigation(on, TASK, ())
    assert caught.value.where == "evaluate.fairness.fields"
    with pytest.raises(ConfigError, match="true_positive_rate is for thresholds"):
        rate = MitigationConfig(method="reweight", constraint="true_positive_rate")
        check_mitigation(rate, TASK, ("sex",))
    for task in (TextClassification(), TabularRegression(), AnomalyDetection()):
        with pytest.raises(ConfigError, match="it is for labels of tables"):
            check_mitigation(on, task, ("sex",))


def test_balanced_weights_part_group_and_label_and_keep_both_shares() -> None:
    rng = np.random.default_rng(0)
    group, weight = rng.integers(0, 3, 600), rng.uniform(0.5, 2, 600)
    label = (rng.random(600) < 0.2 + 0.2 * group).astype(int)
    group[:40] = NOBODY
    found = balanced_weights(weight, label, group)
    assert (found[:40] == weight[:40]).all()
    known = group != NOBODY
    joint = np.zeros((3, 2))
    np.add.at(joint, (group[known], label[known]), found[known])
    before = np.bincount(group[known], weight[known])
    np.testing.assert_allclose(joint.sum(axis=1), before)
    np.testing.assert_allclose(joint / joint.sum(axis=1, keepdims=True),
                               np.tile(joint.sum(axis=0) / joint.sum(), (3, 1)))  # fmt: skip


def test_shifts_select_the_same_share_of_each_group_as_of_all_before() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 3000)
    logit = rng.normal(group - 1.0, 1.0)
    everyone = np.ones(3000, bool)
    for cut in (0.0, 0.7):
        moved = logit + even_shifts(logit, group, everyone, cut)[group]
        rates = [(moved[group == one] >= cut).mean() for one in range(3)]
        np.testing.assert_allclose(rates, (logit >= cut).mean(), atol=0.001)
    never = even_shifts(np.full(4, -3.0), np.array([0, 0, 1, 1]), np.ones(4, bool), 0.0)
    assert (np.full(4, -3.0) + never[[0, 0, 1, 1]] < 0).all()


def test_groups_that_are_too_small_are_of_nobody() -> None:
    group = np.array([0, 0, 0, 1, 1, 1, 2, NOBODY])
    kept, num_small = only_large(group, 3, THRESHOLDS)
    assert kept.tolist() == [0, 0, 0, 1, 1, 1, NOBODY, NOBODY]
    assert num_small == 1


def test_thresholds_are_as_even_as_those_of_fairlearn_and_as_accurate() -> None:
    fair = pytest.importorskip("fairlearn.postprocessing", reason="fairlearn is not installed")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """Scores that stand in the rows."""

        classes_ = np.array([0, 1])

        def fit(self, rows: Any, truth: Any) -> Any:
            self.fitted_ = True
            return self

        def predict_proba(self, rows: Any) -> Any:
            return np.stack([1 - rows[:, 0], rows[:, 0]], axis=1)

    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 4000)
    logit = rng.normal(group * 1.0 - 0.5, 1.5)
    truth = rng.random(4000) < 1 / (1 + np.exp(-logit))
    rows = (1 / (1 + np.exp(-logit)))[:, None]
    for constraint, counts, asked in (
        ("selection_rate", np.ones(4000, bool), "demographic_parity"),
        ("true_positive_rate", truth, "true_positive_rate_parity"),
    ):
        theirs = fair.ThresholdOptimizer(
            estimator=Given().fit(rows, truth),
            constraints=asked,
            prefit=True,
            predict_method="predict_proba",
        ).fit(rows, truth.astype(int), sensitive_features=group)
        said = theirs.predict(rows, sensitive_features=group, random_state=0).astype(bool)
        ours = logit + even_shifts(logit, group, counts, 0.0)[group] >= 0
        gaps = [abs(np.diff([answers[counts & (group == one)].mean() for one in (0, 1)])[0])
                for answers in (ours, said)]  # fmt: skip
        assert gaps[0] < 0.005, constraint
        assert gaps[0] <= gaps[1] + 0.005
        assert (ours == truth).mean() == pytest.approx((said == truth).mean(), abs=0.02)
