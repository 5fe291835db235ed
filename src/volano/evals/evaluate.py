"""Evaluate: one Model, as served, on the frozen test examples.

Every figure comes from the exported bundle through the same Predictor that answers requests. The
report keeps each answer, so that two models are later compared example by example.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.errors import DataError
from volano.core.nouns import Answer, Dataset, Model, Report
from volano.core.seeds import derive_seed
from volano.evals.automatic import SURE, automatic_figures, sureness_of, tested_curve
from volano.evals.latency import measure_cost
from volano.evals.slices import indices, slice_columns
from volano.models import Predictor
from volano.tasks.guessing import commonest
from volano.tasks.resampling import Draws, estimate
from volano.tasks.scoring import ECE_BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.evals.config import EvaluateConfig
    from volano.store.artifacts import ArtifactStore
    from volano.tasks.scoring import LabelOutcomes
    from volano.tasks.task import Task

__all__ = ["evaluate", "test_rows", "units_of"]

_SLICE_PREFIX = "slice:"
_BLOCK = 512  # rows asked at once


def test_rows(data: Dataset) -> pa.Table:
    """The frozen test examples that carry truth, in the order of their ids."""
    found = data.labelled("test")
    if found.num_rows == 0:
        raise DataError(
            "no test example has a label, so nothing can be said about a model",
            where=data.ref,
            fix="label more rows, or give a test file (split: test at a source); where texts are "
            "alike only by a template, prepare.near_duplicates: 0.9 or 0 lets them part",
        )
    return found


def units_of(test: pa.Table) -> list[str]:
    """What is drawn again in intervals: a person's rows together, or near-duplicates, or a row."""
    subjects, clusters = (test.column(name).to_pylist() for name in ("subject", "cluster"))
    ids = test.column("id").to_pylist()
    return [
        f"s:{subject}" if subject else f"c:{cluster}" if cluster else f"r:{row}"
        for subject, cluster, row in zip(subjects, clusters, ids, strict=True)
    ]


def evaluate(
    config: EvaluateConfig,
    task: Task,
    model: Model,
    data: Dataset,
    store: ArtifactStore,
    events: Events,
) -> Report:
    """Ask the model every test example and write down how it fared."""
    test = test_rows(data)
    predictor = Predictor.load(model.folder)
    rows = test.column("fields").to_pylist()
    asked = _ask(predictor, rows, events)
    answers = [task.answer_today(answer) for answer in asked]
    truth = test.column("target").to_pylist()
    outcomes = task.outcomes(truth, answers)
    columns = slice_columns(test, config)
    draws = Draws(_codes(units_of(test)), config.resamples, derive_seed(0, "report"))
    sure_N = sureness_of(predictor, asked)
    tested = tested_curve(asked, sure_N, outcomes.right_N, draws.unit_N)
    body = {
        "model": model.hash,
        "learner": model.learner,
        "dataset": data.hash,
        "num_examples": test.num_rows,
        "num_units": draws.num_units,
        "labels": list(predictor.labels),
        "metrics": _metrics(task, outcomes, draws),
        "per_label": _per_label(outcomes),
        "confusion": _confusion(outcomes),
        "reliability": _reliability(task, outcomes),
        "slices": _slices(task, outcomes, draws, columns),
        "unknown": _unknown(task, truth, answers),
        "automatic": automatic_figures(predictor.calibration.curve, tested),
        "guess": _guess(task, data, truth),
        "errors": _worst(config, rows, predictor, outcomes, test.column("id").to_pylist()),
        "old_skills": _old_skills(task, predictor, data),
        "training_counts": dict(model.card.get("label_counts", {})),
        "training": dict(model.card.get("training", {})),
        "parity": dict(model.card.get("parity", {})),
        "cost": measure_cost(predictor, rows, model.folder, config.timed_requests),
    }
    with store.draft() as folder:
        text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
        (folder / "report.json").write_text(text, "utf-8")
        table = _answer_table(test, answers, outcomes, columns)
        table = table.append_column(SURE, pa.array(sure_N, pa.float64()))
        pq.write_table(table, folder / "answers.parquet", compression="zstd")
        card = {"model": model.hash, "dataset": data.hash, "num_examples": test.num_rows}
        return store.keep(Report, folder, card)


def _ask(predictor: Predictor, rows: Sequence[dict[str, object]], events: Events) -> list[Answer]:
    answers: list[Answer] = []
    for start in range(0, len(rows), _BLOCK):
        answers += predictor.predict(rows[start : start + _BLOCK])
        events.progress("test examples answered", len(answers), len(rows))
    return answers


def _codes(units: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    _, codes = np.unique(np.array(units, dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64)


def _metrics(task: Task, outcomes: LabelOutcomes, draws: Draws) -> dict[str, dict[str, float]]:
    """Each metric that has a value on these rows; JSON knows no other numbers."""
    found = {
        name: estimate(metric.parts(outcomes), metric.combine, draws)
        for name, metric in task.metrics.items()
    }
    return {name: one.to_dict() for name, one in found.items() if np.isfinite(one.value)}


def _per_label(outcomes: LabelOutcomes) -> list[dict[str, Any]]:
    truth, decided = outcomes.truth_NC, outcomes.decided_NC
    tp, support, said = (truth & decided).sum(0), truth.sum(0), decided.sum(0)
    return [
        {
            "label": label,
            "precision": float(tp[c] / said[c]) if said[c] else None,
            "recall": float(tp[c] / support[c]) if support[c] else None,
            "f1": float(2 * tp[c] / (support[c] + said[c])) if support[c] + said[c] else None,
            "support": int(support[c]),
            "decided": int(said[c]),
        }
        for c, label in enumerate(outcomes.labels)
    ]


def _confusion(outcomes: LabelOutcomes) -> list[dict[str, Any]]:
    if outcomes.is_multiple:
        return []
    cells = Counter(
        zip(
            outcomes.truth_NC.argmax(1).tolist(),
            outcomes.decided_NC.argmax(1).tolist(),
            strict=True,
        )
    )
    return [
        {"truth": outcomes.labels[t], "decided": outcomes.labels[d], "count": count}
        for (t, d), count in sorted(cells.items())
    ]


def _reliability(task: Task, outcomes: LabelOutcomes) -> list[dict[str, float]]:
    sums = task.metrics["calibration_error"].parts(outcomes).sum(axis=0).reshape(3, ECE_BINS)
    return [
        {"sure": sure / count, "right": right / count, "count": count}
        for sure, right, count in sums.T.tolist()
        if count
    ]


def _slices(
    task: Task, outcomes: LabelOutcomes, draws: Draws, columns: dict[str, list[str]]
) -> list[dict[str, Any]]:
    metric = task.metrics[task.default_metric]
    parts_NK = metric.parts(outcomes)
    found = []
    for (field, value), rows in indices(columns).items():
        units = np.unique(draws.unit_N[rows], return_inverse=True)[1].astype(np.int64)
        part = Draws(units, draws.num, draws.seed)
        score = estimate(parts_NK[rows], metric.combine, part)
        told = {"field": field, "value": value, "num_examples": len(rows)}
        if np.isfinite(score.value):
            found.append({**told, metric.name: score.to_dict()})
    return found


def _unknown(
    task: Task, truth: Sequence[Sequence[str]], answers: Sequence[Answer]
) -> dict[str, Any] | None:
    label = task.labels.unknown
    said = np.array([answer.unknown for answer in answers])
    if not label:
        return {"flagged": float(said.mean())} if said.any() else None
    is_unknown = np.array([label in labels for labels in truth])
    return {
        "label": label,
        "num_unknown": int(is_unknown.sum()),
        "recall": float(said[is_unknown].mean()) if is_unknown.any() else None,
        "false_alarms": float(said[~is_unknown].mean()) if (~is_unknown).any() else None,
    }


def _guess(task: Task, data: Dataset, truth: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What always saying the commonest training label would score: the floor under any model."""
    training = data.labelled("train", "validation")
    answer = commonest(training.column("target").to_pylist())
    outcomes = task.outcomes(truth, [answer] * len(truth))
    figures = {name: metric.of(outcomes) for name, metric in task.metrics.items()}
    return {
        "labels": list(answer.labels),
        "scores": dict(answer.scores),
        "metrics": {name: value for name, value in figures.items() if np.isfinite(value)},
    }


def _worst(
    config: EvaluateConfig,
    rows: Sequence[dict[str, object]],
    predictor: Predictor,
    outcomes: LabelOutcomes,
    ids: Sequence[str],
) -> list[dict[str, Any]]:
    """The mistakes that the model was surest of, with the words that led it there.

    How sure: of the label it gave; where labels overlap, of the one it wrongly gave or left out.
    """
    wrong = np.flatnonzero(~outcomes.right_N)
    sure_NC = outcomes.scores_NC
    if outcomes.is_multiple:
        missed_NC = outcomes.truth_NC & ~outcomes.decided_NC
        sure_NC = np.where(outcomes.truth_NC == outcomes.decided_NC, -1.0, sure_NC)
        sure_NC = np.where(missed_NC, 1.0 - outcomes.scores_NC, sure_NC)
    top_N = sure_NC.argmax(axis=1)
    sure_N = sure_NC.max(axis=1)
    order = wrong[np.lexsort((wrong, -sure_N[wrong]))][: config.worst_errors]
    labels = np.array(outcomes.labels, dtype=object)
    return [
        {
            "id": ids[i],
            "text": predictor.text_of(rows[i]),
            "truth": labels[outcomes.truth_NC[i]].tolist(),
            "decided": labels[outcomes.decided_NC[i]].tolist(),
            "confidence": float(sure_N[i]),
            "about": labels[top_N[i]],
            "reasons": _reasons(predictor, rows[i], labels[top_N[i]]),
        }
        for i in order.tolist()
    ]


def _reasons(predictor: Predictor, row: dict[str, object], label: str) -> list[list[Any]]:
    # A label that was renamed since is not one of the model's own.
    found = predictor.explain(row, label) if label in predictor.labels else ()
    return [list(reason) for reason in found]


def _old_skills(task: Task, predictor: Predictor, data: Dataset) -> dict[str, Any]:
    """How the model does on test examples of earlier turns that have left the data since."""
    path = data.folder / "old_skills.parquet"
    if not path.exists():
        return {"num_examples": 0}
    table = pq.read_table(path)
    truth = [task.today(labels) for labels in table.column("target").to_pylist()]
    rows = [json.loads(fields) for fields in table.column("fields").to_pylist()]
    kept = [place for place, labels in enumerate(truth) if labels]
    if not kept:
        return {"num_examples": 0}
    answers = [task.answer_today(a) for a in predictor.predict([rows[i] for i in kept])]
    outcomes = task.outcomes([truth[i] for i in kept], answers)
    ids = table.column("id").to_pylist()
    right = outcomes.right_N
    return {
        "num_examples": len(kept),
        "right": [ids[i] for i, is_right in zip(kept, right, strict=True) if is_right],
        "wrong": [ids[i] for i, is_right in zip(kept, right, strict=True) if not is_right],
    }


def _answer_table(
    test: pa.Table,
    answers: Sequence[Answer],
    outcomes: LabelOutcomes,
    columns: dict[str, list[str]],
) -> pa.Table:
    table = pa.table(
        {
            "id": test.column("id"),
            "truth": test.column("target"),
            "labels": pa.array([list(a.labels) for a in answers], pa.list_(pa.string())),
            "confidence": pa.array([a.confidence for a in answers], pa.float64()),
            "unknown": pa.array([a.unknown for a in answers], pa.bool_()),
            "scores": pa.array(list(outcomes.scores_NC), pa.list_(pa.float64())),
            "unit": pa.array(units_of(test), pa.string()),
            **{_SLICE_PREFIX + name: pa.array(values) for name, values in columns.items()},
        }
    )
    return table.replace_schema_metadata({"labels": json.dumps(outcomes.labels)})
