"""Small real models of tables: boosted trees over a table of people who left, or of prices."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow.csv import write_csv

from volano.core.nouns import Model
from volano.loop.project import Project
from volano.models import Predictor
from volano.models.bundle import Spec, write_bundle
from volano.models.calibration import Calibration
from volano.models.rows import ArrowRows
from volano.models.spread import Spread
from volano.models.table_features import TableFeaturiser
from volano.models.trees import TreesEngine
from volano.store.releases import promote

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROW", "people", "predictor_of_labels", "predictor_of_numbers", "table_project"]

ROW = {"tenure": 2, "plan": "basic", "since": "2024-03-05", "active": True, "city": "北京"}


def people(num: int = 400) -> pa.Table:
    """Rows with a number, a category, a date, yes or no, Chinese levels, and a name for each."""
    rng = np.random.default_rng(5)
    days = [f"2024-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(num)]
    return pa.table({
        "tenure": rng.integers(0, 70, num).astype(float),
        "plan": rng.choice(["basic", "plus", "family"], num),
        "since": days,
        "active": rng.random(num) > 0.3,
        "city": rng.choice(["北京", "上海", "成都"], num),
        "customer_id": [f"C{n:05}" for n in range(num)],
    })  # fmt: skip


def _fitted(table: pa.Table, columns: list[str]) -> tuple[TableFeaturiser, np.ndarray, np.ndarray]:
    featuriser = TableFeaturiser.fit(table, columns, {})
    tenure = table["tenure"].to_numpy()
    plan = np.array(table["plan"].to_pylist()) == "basic"
    return featuriser, featuriser.codes(ArrowRows(table)), 3 * plan - tenure / 10


def _trees(
    featuriser: TableFeaturiser, codes: np.ndarray, truth: np.ndarray, loss: str
) -> TreesEngine:
    import lightgbm

    data = lightgbm.Dataset(codes, label=truth)
    settings = {"objective": loss, "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 0}
    booster = lightgbm.train(settings, data, 15)
    return TreesEngine(featuriser, (booster,), (1.0,))


def predictor_of_labels(
    columns: list[str] | None = None, task: str = "tabular-classification"
) -> Predictor:
    """Who leaves: ``no`` or ``yes``."""
    table = people()
    columns = columns or table.column_names
    featuriser, codes, score = _fitted(table, columns)
    engine = _trees(featuriser, codes, score > 0, "binary")
    spec = Spec(task, "trees", (), ("no", "yes"), columns=tuple(columns))
    return Predictor(spec, engine, Calibration())


def predictor_of_numbers() -> Predictor:
    """What somebody pays."""
    table = people()
    featuriser, codes, score = _fitted(table, table.column_names)
    engine = _trees(featuriser, codes, 100 * score, "regression")
    spread = Spread.fit(engine.decide(ArrowRows(table))[:, 0], 100 * score)
    spec = Spec(
        "tabular-regression", "trees", (), (), columns=tuple(table.column_names), answers="number"
    )
    return Predictor(spec, engine, Calibration(), spread=spread)


def table_project(root: Path, predictor: Predictor, **settings: Any) -> Project:
    """A project in ``root`` in which a model of a table answers; close it after use."""
    root.mkdir(parents=True)
    write_csv(people(60), root / "people.csv")
    fields = {"target": "left", "subject": "customer_id"}
    written = {
        "task": predictor.spec.task,
        "data": {"sources": [{"path": "people.csv"}], "fields": fields},
        **settings,
    }
    (root / "volano.yaml").write_text(json.dumps(written), "utf-8")
    project = Project.open(root)
    engine: Any = predictor.engine
    arrays, calibration = engine.arrays(), {}
    if predictor.spread is not None:
        arrays, calibration = arrays | predictor.spread.arrays(), predictor.spread.settings()
    spec = replace(predictor.spec, settings=engine.settings(), calibration=calibration)
    with project.store.draft() as draft:
        write_bundle(draft, spec, arrays, engine.files())
        card = {"learner": "trees", "labels": list(spec.labels), "form": "native"}
        model = project.store.keep(Model, draft, card)
    promote(project.ledger, model.hash, because="by a test", by="test")
    return project
