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

from volano.core.nouns import Answer, Dataset, Model, Report
from volano.evals.automatic import SURE, automatic_figures, sureness_of, tested_curve
from volano.evals.latency import measure_cost
from volano.evals.robustness import measure_robustness, sample_size
from volano.evals.slices import SLICE_PREFIX, indices, slice_columns
from volano.evals.trial import Trial
from volano.evals.worst import worst_errors
from volano.tasks.guessing import commonest
from volano.tasks.resampling import estimate
from volano.tasks.scoring import ECE_BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.evals.config import EvaluateConfig
    from volano.models import Predictor
    from volano.store.artifacts import ArtifactStore
    from volano.tasks.resampling import Draws
    from volano.tasks.scoring import LabelOutcomes
    from volano.tasks.task import Task

__all__ = ["evaluate"]


def evaluate(
    config: EvaluateConfig,
    task: Task,
    model: Model,
    data: Dataset,
    store: ArtifactStore,
    events: Events,
) -> Report:
    """Ask the model every test example and write down how it fared."""
    trial = Trial.of(task, model, data, config.resamples, events)
    outcomes, draws, predictor = trial.outcomes, trial.draws, trial.predictor
    columns = slice_columns(trial.test, config)
    sure_N = sureness_of(predictor, trial.asked)
    curve = tested_curve(trial.asked, sure_N, outcomes.right_N, draws.unit_N)
    cost = measure_cost(predictor, trial.rows, model.folder, config.timed_requests)
    size = sample_size(config.robustness_rows, cost["rows_per_second"])
    body = {
        "model": model.hash,
        "learner": model.learner,
        "dataset": data.hash,
        "num_examples": trial.test.num_rows,
        "num_units": draws.num_units,
        "labels": list(predictor.labels),
        "metrics": _metrics(task, outcomes, draws),
        "per_label": _per_label(outcomes),
        "confusion": _confusion(outcomes),
        "reliability": _reliability(task, outcomes),
        "slices": _slices(task, outcomes, draws, columns),
        "unknown": _unknown(task, trial.truth, trial.answers),
        "automatic": automatic_figures(predictor.calibration.curve, curve),
        "guess": _guess(task, data, trial.truth),
        "errors": worst_errors(trial, config.worst_errors),
        "old_skills": _old_skills(task, predictor, data),
        "robustness": measure_robustness(trial, size, events),
        "training_counts": dict(model.card.get("label_counts", {})),
        "training": dict(model.card.get("training", {})),
        "parity": dict(model.card.get("parity", {})),
        "forms": list(model.card.get("forms", ())),
        "cost": cost,
    }
    with store.draft() as folder:
        text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
        (folder / "report.json").write_text(text, "utf-8")
        table = _answer_table(trial, columns)
        table = table.append_column(SURE, pa.array(sure_N, pa.float64()))
        pq.write_table(table, folder / "answers.parquet", compression="zstd")
        card = {"model": model.hash, "dataset": data.hash, "num_examples": trial.test.num_rows}
        return store.keep(Report, folder, card)


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
        score = estimate(parts_NK[rows], metric.combine, draws.at(np.array(rows)))
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


def _answer_table(trial: Trial, columns: dict[str, list[str]]) -> pa.Table:
    answers, outcomes = trial.answers, trial.outcomes
    table = pa.table(
        {
            "id": trial.test.column("id"),
            "truth": trial.test.column("target"),
            "labels": pa.array([list(a.labels) for a in answers], pa.list_(pa.string())),
            "confidence": pa.array([a.confidence for a in answers], pa.float64()),
            "unknown": pa.array([a.unknown for a in answers], pa.bool_()),
            "scores": pa.array(list(outcomes.scores_NC), pa.list_(pa.float64())),
            "unit": pa.array(trial.units, pa.string()),
            **{SLICE_PREFIX + name: pa.array(values) for name, values in columns.items()},
        }
    )
    return table.replace_schema_metadata({"labels": json.dumps(outcomes.labels)})
