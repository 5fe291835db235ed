"""Real tables through collect and prepare: kinds, leaks and splits, as their makers say."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from volano.data import SourceConfig
from volano.tasks import LabelsConfig, TabularClassification, TabularRegression

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Workshop
    from volano.core.nouns import Dataset

pytestmark = [pytest.mark.data, pytest.mark.slow]

ADULT = [
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation"),
    *("relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week"),
    *("native_country", "income"),
]
KDD = [f"c{n}" for n in range(1, 42)] + ["attack"]


def prepared(
    shop: Workshop, task: Any, *sources: SourceConfig, root: Path, split: Any = None, **fields: Any
) -> Dataset:
    collected = shop.collect(*sources, fields=fields, task=task, root=root)
    return shop.prepare(collected, task=task, **({"split": split} if split else {}))


def kinds(dataset: Dataset) -> dict[str, str]:
    return {name: one["kind"] for name, one in dataset.card["schema"]["kinds"].items()}


def worst(dataset: Dataset) -> list[str]:
    return [one["text"].format(**one["values"]) for one in dataset.card["findings"]
            if one["kind"] == "bad"]  # fmt: skip


def test_adult_keeps_its_test_file_and_has_no_leak(shared_data: Path, workshop: Workshop) -> None:
    sources = [
        SourceConfig(path=f"adult.{part}", header=False, columns=tuple(ADULT), split=split)  # type: ignore[arg-type]
        for part, split in (("data", "train"), ("test", "test"))
    ]
    task = TabularClassification(LabelsConfig(rename={"<=50K.": "<=50K", ">50K.": ">50K"}))
    root = shared_data / "adult_census"
    clean = prepared(workshop, task, *sources, root=root, target="income", group="sex")
    assert clean.card["counts"]["splits"] == {
        "train": 32_561,
        "validation": 0,
        "test": 16_281,
        "none": 0,
    }
    assert worst(clean) == []
    assert {tuple(target) for target in workshop.rows(clean, "target")} == {("<=50K",), (">50K",)}
    found = kinds(clean)
    assert found["age"] == found["capital_gain"] == "number"
    assert found["workclass"] == found["native_country"] == "category"
    near = workshop.rows(clean, "split", "near_train")
    assert 20 <= sum(flag for split, flag in near if split == "test") <= 40


def test_telco_has_a_name_for_each_row_and_no_leak(shared_data: Path, workshop: Workshop) -> None:
    source = SourceConfig(path="telco_churn/Telco-Customer-Churn.csv")
    task = TabularClassification()
    clean = prepared(workshop, task, source, root=shared_data, target="Churn")
    assert worst(clean) == []
    found = kinds(clean)
    assert found["customerID"] == "id"
    assert found["TotalCharges"] == "number"  # though eleven cells are blank
    assert found["Contract"] == "category"
    assert clean.card["counts"]["splits"]["test"] == pytest.approx(0.2 * 7_043, abs=10)


def test_california_is_split_alike_from_cheap_to_dear_and_has_no_leak(
    shared_data: Path, workshop: Workshop
) -> None:
    source = SourceConfig(path="california_housing/housing.csv")
    task, target = TabularRegression(), "median_house_value"
    clean = prepared(workshop, task, source, root=shared_data, target=target)
    assert worst(clean) == []
    assert kinds(clean)["ocean_proximity"] == "category"
    told = workshop.rows(clean, "target", "split")
    values = np.array([float(target[0]) for target, _ in told])
    is_test = np.array([split == "test" for _, split in told])
    for low, high in ((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)):
        first, last = np.quantile(values, (low, high))
        share = is_test[(values > first) & (values <= last)].mean()
        assert share == pytest.approx(0.2, abs=0.02)


def test_bike_sharing_says_that_two_columns_are_parts_of_the_answer(
    shared_data: Path, workshop: Workshop
) -> None:
    source = SourceConfig(path="Bike-Sharing-Dataset.zip", sheet="hour.csv")
    task, root = TabularRegression(), shared_data / "bike_sharing"
    fields = {"target": "cnt", "time": "dteday"}
    clean = prepared(workshop, task, source, root=root, **fields)
    (leak,) = worst(clean)
    assert leak.startswith("casual + registered is the target in 100.0% of rows")
    assert any("by_time" in note for note in clean.card["notes"])
    honest = prepared(
        workshop,
        task,
        source,
        root=root,
        split={"by_time": True},
        ignore=("casual", "registered", "instant"),
        **fields,
    )
    assert worst(honest) == []
    days = defaultdict(set)
    for time, split in workshop.rows(honest, "time", "split"):
        days[split].add(time)
    assert max(days["train"]) <= min(days["validation"]) <= max(days["validation"])
    assert max(days["validation"]) <= min(days["test"])


def test_a_table_unpacked_from_a_zip_file_is_the_same(
    shared_data: Path, workshop: Workshop
) -> None:
    packed = shared_data / "bike_sharing" / "Bike-Sharing-Dataset.zip"
    with zipfile.ZipFile(packed) as found:
        found.extract("day.csv", workshop.root)
    task = TabularRegression()
    plain = prepared(workshop, task, SourceConfig(path="day.csv"), root=workshop.root, target="cnt")
    source = SourceConfig(path=packed.name, sheet="day.csv")
    zipped = prepared(workshop, task, source, root=packed.parent, target="cnt")
    assert workshop.rows(plain, "id", "split") == workshop.rows(zipped, "id", "split")


def test_kdd_warns_of_its_equal_rows_and_keeps_them_on_one_side(
    shared_data: Path, workshop: Workshop
) -> None:
    source = SourceConfig(
        path="kdd99_intrusion/kddcup.data_10_percent.gz", header=False, columns=tuple(KDD)
    )
    task = TabularClassification()
    clean = prepared(workshop, task, source, root=shared_data, target="attack")
    assert clean.card["counts"]["rows"] == 494_021
    told = {one["text"]: one for one in clean.card["findings"]}
    (equal,) = [one for text, one in told.items() if "are equal to another in all columns" in text]
    assert equal["kind"] == "warn"
    assert equal["values"]["distinct"] == 145_584
    splits = clean.card["counts"]["splits"]
    assert splits["test"] == pytest.approx(0.2 * 494_021, rel=0.05)
    sides = defaultdict(set)
    for cluster, split in workshop.rows(clean, "cluster", "split"):
        sides[cluster].add(split)
    del sides[None]
    assert all(len(found) == 1 for found in sides.values())
