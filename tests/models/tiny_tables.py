"""Two hundred and forty messy rows of a table, and a small bundle over them for every engine."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.models import Spec, write_bundle
from volano.models.calibration import Calibration
from volano.models.ensemble import PARTS
from volano.models.rows import ArrowRows, table_of
from volano.models.spread import Spread
from volano.models.table_features import TableFeaturiser
from volano.models.table_linear import TableLinearEngine
from volano.models.table_mlp import TableMlpEngine
from volano.models.trees import TreesEngine

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["COLUMNS", "ENGINES", "Answers", "engine_of", "featuriser", "messy_rows", "table_bundle",
           "truth_of"]  # fmt: skip

COLUMNS = ("customer_id", "tenure", "charges", "plan", "city", "joined", "active", "branch", "note")
ENGINES = ("table-linear", "trees", "table-mlp", "ensemble")
Answers = Literal["two", "three", "number"]

_CITIES = ("Beijing", "上海", " Paris ", "paris", "Lagos")
_NOTES = (
    "called about the bill and was very polite",
    "wants a refund of 30 now",
    "没有 备注 可 写 的",
)


def messy_rows(num: int = 240) -> list[dict[str, Any]]:
    """Rows as files bring them: blanks, other spellings of missing, thousands, dates as text."""
    rng = np.random.default_rng(7)
    rows = []
    for place in range(num):
        tenure = int(rng.integers(0, 72))
        rows.append({
            "customer_id": f"C-{place:05}",
            "tenure": None if place % 17 == 3 else tenure,
            "charges": " " if place % 23 == 5 else f"{rng.gamma(2.0, 700.0):,.2f}",
            "plan": ("basic", "plus", "pro")[int(rng.integers(0, 3))],
            "city": "缺失" if place % 19 == 1 else _CITIES[int(rng.integers(0, 5))],
            "joined": (date(2020, 1, 1) + timedelta(days=31 * tenure)).isoformat(),
            "active": ("Yes", "no", "是")[place % 3],
            "branch": int(rng.integers(1, 6)),
            "note": f"{_NOTES[place % 3]} {place}",
        })  # fmt: skip
    return rows


def truth_of(rows: list[dict[str, Any]], answers: Answers) -> NDArray[Any]:
    """Something that the columns speak for: a class, or a number."""
    rng = np.random.default_rng(3)
    tenure = np.array([row["tenure"] or 0 for row in rows], dtype=np.float64)
    plan = np.array([["basic", "plus", "pro"].index(row["plan"]) for row in rows])
    number = tenure * 2.0 + 25.0 * plan + rng.normal(0, 5, len(rows))
    if answers == "number":
        return number
    cuts = [80.0] if answers == "two" else [60.0, 110.0]
    return np.searchsorted(cuts, number)


def featuriser(rows: list[dict[str, Any]] | None = None) -> TableFeaturiser:
    return TableFeaturiser.fit(table_of(rows or messy_rows(), COLUMNS), COLUMNS, {})


def engine_of(name: str, answers: Answers, seed: int = 0) -> Any:
    """A fitted engine; the network's layers are random, which is all that its arithmetic needs."""
    rows = messy_rows()
    truth, made = truth_of(rows, answers), featuriser(rows)
    rng = np.random.default_rng(seed)
    num = {"two": 2, "three": 3, "number": 1}[answers]
    if name == "table-linear":
        target = truth[:, None] if num == 1 else np.eye(num)[truth] - 1 / num
        dense = made.dense(rows) - made.mean_D
        gram = dense.T @ dense + 5.0 * np.eye(made.width)
        weights = np.linalg.solve(gram, dense.T @ target)
        return TableLinearEngine(made, weights, target.mean(axis=0) - made.mean_D @ weights)
    if name == "table-mlp":
        sizes = (made.width, 24, 12, num)
        layers = [
            (rng.normal(0, 1 / np.sqrt(a), (a, b)).astype(np.float32), rng.normal(0, 0.3, b))
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ]
        return TableMlpEngine(made, tuple((w, b.astype(np.float32)) for w, b in layers))
    return TreesEngine(made, (_booster(made, rows, truth, num, seed),), (1.0,))


def _booster(made: TableFeaturiser, rows: Any, truth: Any, num: int, seed: int) -> Any:
    import lightgbm

    objective: dict[str, Any] = {1: {"objective": "regression"}, 2: {"objective": "binary"}}.get(
        num, {"objective": "multiclass", "num_class": num}
    )
    options = {"verbose": -1, "min_data_in_leaf": 5, "num_leaves": 7, "num_threads": 1}
    levels = np.flatnonzero(made.is_category_F).tolist()
    data = lightgbm.Dataset(made.codes(rows), truth, categorical_feature=levels)
    return lightgbm.train({**objective, **options, "seed": seed, "bagging_fraction": 0.7,
                           "bagging_freq": 1}, data, 20)  # fmt: skip


def table_bundle(folder: Path, name: str, answers: Answers = "two", **settings: Any) -> Path:
    """A native bundle in ``folder``, and its reference answers."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "ensemble":
        spec, arrays, engine = _ensemble(folder, answers)
    else:
        engine = engine_of(name, answers)
        spec, arrays = _spec(name, engine.settings(), answers), engine.arrays()
        write_bundle(folder, spec, arrays, engine.files())
    rows, truth = messy_rows(), truth_of(messy_rows(), answers)
    values = engine.decide(rows)
    if answers == "number":
        # Halves stand for training and held-out rows: intervals as wide as the errors.
        spread = Spread.fit(values[:, 0], truth)
        calibration, more = spread.settings(), spread.arrays()
    else:
        fitted = Calibration(temperature=0.8, **settings)
        calibration, more = fitted.settings(), fitted.arrays()
    spec = Spec(**{**vars(spec), "calibration": calibration})
    write_bundle(folder, spec, {**arrays, **more}, {} if name == "ensemble" else engine.files())
    _write_reference(folder, spec, values, truth, {**arrays, **more})
    return folder


def _spec(name: str, settings: dict[str, Any], answers: Answers) -> Spec:
    labels = {"two": ("no", "yes"), "three": ("high", "low", "mid"), "number": ()}[answers]
    kind: Any = "number" if answers == "number" else "labels"
    task = "tabular-regression" if answers == "number" else "tabular-classification"
    return Spec(task, name, (), labels, settings=settings, columns=COLUMNS, answers=kind)


def _ensemble(folder: Path, answers: Answers) -> tuple[Spec, dict[str, Any], Any]:
    from volano.models.ensemble import EnsembleEngine, Part

    names, engines = ("table-linear", "trees"), []
    for number, name in enumerate(names):
        part = folder / PARTS / str(number)
        part.mkdir(parents=True, exist_ok=True)
        engines.append(engine_of(name, answers))
        calibration = {"level": 0.9} if answers == "number" else {}
        spec = _spec(name, engines[-1].settings(), answers)
        spec = Spec(**{**vars(spec), "calibration": calibration})
        nothing = Spread(np.zeros(0), np.zeros(1), np.zeros(1)).arrays()
        write_bundle(part, spec, {**engines[-1].arrays(), **nothing}, engines[-1].files())
    parts = [{"share": 0.4, "temperature": 1.5}, {"share": 0.6, "temperature": 0.7}]
    spec = _spec("ensemble", {"parts": parts}, answers)
    write_bundle(folder, spec, {})
    return spec, {}, EnsembleEngine(tuple(engines), tuple(Part(**part) for part in parts))


def _write_reference(folder: Path, spec: Spec, values: Any, truth: Any, arrays: Any) -> None:
    told = [json.dumps(row, ensure_ascii=False) for row in messy_rows()]
    shown: dict[str, Any] = {"row": pa.array(told, pa.string())}
    if spec.answers == "number":
        low, high = Spread.load(spec.calibration, arrays).ends(values[:, 0])
        shown |= {"value": values[:, 0], "low": low, "high": high, "truth": truth}
    else:
        calibration = Calibration.load(spec.calibration, arrays)
        scores = calibration.probabilities(values)
        shown |= {
            "scores": pa.array(list(scores), pa.list_(pa.float64())),
            "decided": pa.array(list(calibration.decide(scores)), pa.list_(pa.bool_())),
            "truth": pa.array(list(np.eye(len(spec.labels), dtype=bool)[truth])),
        }
    table = pa.table(shown).replace_schema_metadata({"labels": json.dumps(spec.labels)})
    pq.write_table(table, folder / "reference.parquet")


def arrow(rows: list[dict[str, Any]]) -> ArrowRows:
    return ArrowRows(table_of(rows, COLUMNS))
