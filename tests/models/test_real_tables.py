"""What is guessed of real tables, beside the project: their mess is not of our making."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.csv
import pytest

from volano.models.rows import ArrowRows
from volano.models.table_features import TableFeaturiser

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

pytestmark = [pytest.mark.slow, pytest.mark.data]

ADULT = ("age", "workclass", "fnlwgt", "education", "education-num", "marital-status",
         "occupation", "relationship", "race", "sex", "capital-gain", "capital-loss",
         "hours-per-week", "native-country", "income")  # fmt: skip


def read(path: Path, columns: tuple[str, ...] = ()) -> pa.Table:
    options = pyarrow.csv.ReadOptions(column_names=list(columns) or None)
    # As texts, which is how a project reads cells that differ in kind.
    table = pyarrow.csv.read_csv(path, read_options=options)
    return table.cast(pyarrow.schema([(n, pyarrow.string()) for n in table.column_names]))


def kinds(made: TableFeaturiser) -> dict[str, str]:
    return {column.name: column.kind for column in made.columns}


def same_both_ways(made: TableFeaturiser, table: pa.Table) -> None:
    rows = ArrowRows(table.slice(0, 500))
    assert made.codes(rows).tobytes() == made.codes(list(rows)).tobytes()
    one_by_one = np.concatenate([made.dense([row]) for row in rows])
    assert made.dense(rows).tobytes() == one_by_one.tobytes()


def test_blanks_among_the_charges_of_telco_are_missing_numbers(shared_data: Path) -> None:
    table = read(shared_data / "telco_churn/Telco-Customer-Churn.csv").drop_columns(["Churn"])
    made = TableFeaturiser.fit(table, table.column_names)
    found = kinds(made)
    assert {name for name in found if found[name] == "number"} == {
        "tenure", "MonthlyCharges", "TotalCharges",
    }  # fmt: skip
    assert (found["customerID"], found["SeniorCitizen"]) == ("id", "boolean")
    charges = made.codes(ArrowRows(table))[:, made.names.index("TotalCharges")]
    assert np.isnan(charges).sum() == 11
    same_both_ways(made, table)


def test_question_marks_with_spaces_in_adult_are_missing_levels(shared_data: Path) -> None:
    table = read(shared_data / "adult_census/adult.data", ADULT).drop_columns(["income"])
    made = TableFeaturiser.fit(table, table.column_names)
    found = kinds(made)
    assert found["education-num"] == found["capital-gain"] == "number"
    lacking = [column.name for column in made.columns if column.has_missing]
    assert lacking == ["workclass", "occupation", "native-country"]
    assert set(found.values()) == {"number", "category"}
    same_both_ways(made, table)


def test_rooms_of_california_are_numbers_and_nearness_to_the_sea_is_none(shared_data: Path) -> None:
    table = read(shared_data / "california_housing/housing.csv")
    made = TableFeaturiser.fit(table, table.column_names)
    found = kinds(made)
    assert found.pop("ocean_proximity") == "category"
    assert set(found.values()) == {"number"}
    assert [column.name for column in made.columns if column.has_missing] == ["total_bedrooms"]
    same_both_ways(made, table)
