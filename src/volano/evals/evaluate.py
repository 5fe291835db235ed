"""Evaluate: one Model, as served, on the frozen test examples.

Every figure comes from the exported bundle through the same Predictor that answers requests. The
report keeps each answer, so that two models are later compared example by example. Of a task that
has no truth it says what an answer costs and whether export kept it, and that nothing is proven.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from volano.core.nouns import Dataset, Model, Report
from volano.evals.automatic import SURE, automatic_figures, sureness_of, tested_curve
from volano.evals.drift import measure_drift
from volano.evals.fairness import measure_fairness
from volano.evals.importance import measure_importance
from volano.evals.labels import confusion_of, order_of, per_label, reliability_of, unknown_of
from volano.evals.latency import measure_cost
from volano.evals.numbers import residuals_of
from volano.evals.robustness import measure_robustness, sample_size
from volano.evals.slices import SLICE_PREFIX, indices, slice_columns
from volano.evals.thinning import interval_of
from volano.evals.trial import Trial
from volano.evals.worst import worst_errors
from volano.models.statistics import rounded_apart
from volano.tasks.numbers import NumberOutcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.events import Events
    from volano.evals.config import EvaluateConfig
    from volano.models.calibration import Floats
    from volano.store.artifacts import ArtifactStore
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.resampling import Draws
    from volano.tasks.task import Task

__all__ = ["evaluate"]

Slices = dict[str, list[str]]


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
    outcomes = trial.outcomes if trial.is_proven else None
    is_table = task.input == "columns"
    columns = slice_columns(trial.test, config, outcomes, is_table=is_table)
    cost = measure_cost(trial.predictor, trial.rows, model.folder, config.timed_requests)
    speed = cost["rows_per_second"]
    importance = measure_importance(trial, config.importance_rows, speed, events)
    counts = dict(model.card.get("label_counts", {}))
    body = {
        "model": model.hash,
        "learner": model.learner,
        "dataset": data.hash,
        "num_examples": trial.test.num_rows,
        "num_units": trial.draws.num_units,
        "input": task.input,
        "answers": task.answers,
        "better": {name: metric.better for name, metric in task.metrics.items()},
        "labels": list(trial.predictor.labels),
        "proven": outcomes is not None,
        "looked_at": _looked_at(data),
        **_NOTHING,
        "importance": importance,
        "drift": measure_drift(trial, model.folder),
        "training_counts": counts,
        "training": dict(model.card.get("training", {})),
        "parity": dict(model.card.get("parity", {})),
        "forms": list(model.card.get("forms", ())),
        "cost": cost,
    }
    sure_N = None if task.answers == "number" else sureness_of(trial.predictor, trial.asked)
    if outcomes is not None:
        size = sample_size(config.robustness_rows, speed)
        body |= {
            "metrics": _metrics(task, outcomes, trial.draws),
            "slices": _slices(task, outcomes, trial.draws, columns),
            "guess": _guess(task, data, trial.truth),
            "errors": worst_errors(trial, config.worst_errors),
            "old_skills": _old_skills(trial, data),
            "robustness": measure_robustness(trial, size, events),
            "fairness": measure_fairness(config.fairness, outcomes, columns, trial.draws, counts),
            **(_of_numbers(trial) if sure_N is None else _of_labels(trial, sure_N)),
        }
    with store.draft() as folder:
        text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
        (folder / "report.json").write_text(text, "utf-8")
        table = _answer_table(trial, columns, sure_N)
        pq.write_table(table, folder / "answers.parquet", compression="zstd")
        card = {"model": model.hash, "dataset": data.hash, "num_examples": trial.test.num_rows}
        return store.keep(Report, folder, card)


def _looked_at(data: Dataset) -> dict[str, int]:
    """How many test examples there are, and how many of them somebody has looked at."""
    return {"rows": data.rows_in("test").num_rows, "known": data.labelled("test").num_rows}


# What there is to say where there is no truth, or where answers are of the other kind.
_NOTHING: Mapping[str, Any] = {
    "metrics": {},
    "slices": [],
    "guess": {"labels": [], "scores": {}, "metrics": {}},
    "errors": [],
    "old_skills": {"num_examples": 0},
    "robustness": None,
    "fairness": None,
    "per_label": [],
    "confusion": [],
    "reliability": [],
    "unknown": None,
    "automatic": None,
    "order": None,
    "numbers": None,
}


def _of_labels(trial: Trial, sure_N: Floats) -> dict[str, Any]:
    """The parts of the report that only labels have."""
    task, outcomes = trial.task, trial.labelled
    curve = tested_curve(trial.asked, sure_N, outcomes.right_N, trial.draws.unit_N)
    return {
        "per_label": per_label(outcomes),
        "confusion": confusion_of(outcomes),
        "reliability": reliability_of(task, outcomes),
        "unknown": unknown_of(task, trial.truth, trial.answers),
        "automatic": automatic_figures(trial.predictor.calibration.curve, curve),
        "order": order_of(task, outcomes) if task.input == "columns" else None,
    }


def _of_numbers(trial: Trial) -> dict[str, Any]:
    """The parts of the report that only numbers have."""
    assert isinstance(trial.outcomes, NumberOutcomes)
    return {"numbers": residuals_of(trial.outcomes, trial.draws)}


def _metrics(task: Task, outcomes: Outcomes, draws: Draws) -> dict[str, dict[str, float]]:
    """Each metric that has a value on these rows; JSON knows no other numbers."""
    found = {name: interval_of(metric, outcomes, draws) for name, metric in task.metrics.items()}
    return {name: one.to_dict() for name, one in found.items() if np.isfinite(one.value)}


def _slices(task: Task, outcomes: Outcomes, draws: Draws, columns: Slices) -> list[dict[str, Any]]:
    metric = task.metrics[task.default_metric]
    found = []
    for (field, value), rows in indices(columns).items():
        row_M = np.array(rows)
        score = interval_of(metric, outcomes.at(row_M), draws.at(row_M))
        told = {"field": field, "value": value, "num_examples": len(rows)}
        if np.isfinite(score.value):
            found.append({**told, metric.name: score.to_dict()})
    return found


_AT_ONCE = 1 << 16


def _guess(task: Task, data: Dataset, truth: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What the best answer without reading would score: the floor under any model."""
    targets = data.labelled("train", "validation", columns=["target"]).column("target")
    # Some at a time: millions of small lists would take more room than all the rows.
    parts = (targets.slice(at, _AT_ONCE) for at in range(0, len(targets), _AT_ONCE))
    answer = task.guess(row for part in parts for row in part.to_pylist())
    outcomes = task.outcomes(truth, [answer] * len(truth))
    figures = {name: metric.of(outcomes) for name, metric in task.metrics.items()}
    told: dict[str, Any] = {"labels": list(answer.labels), "scores": dict(answer.scores)}
    if answer.value is not None and answer.low is not None and answer.high is not None:
        # The ends are cells of training rows, and a report outlives these: in round figures.
        low, _, high = rounded_apart([answer.low, answer.value, answer.high])
        told |= {"value": answer.value, "low": low, "high": high}
    return {
        **told,
        "metrics": {name: value for name, value in figures.items() if np.isfinite(value)},
    }


def _old_skills(trial: Trial, data: Dataset) -> dict[str, Any]:
    """How the model does on test examples of earlier turns that have left the data since."""
    path, task = data.folder / "old_skills.parquet", trial.task
    if not path.exists():
        return {"num_examples": 0}
    table = pq.read_table(path)
    truth = [task.today(labels) for labels in table.column("target").to_pylist()]
    rows = [json.loads(fields) for fields in table.column("fields").to_pylist()]
    kept = [place for place, labels in enumerate(truth) if labels]
    if not kept:
        return {"num_examples": 0}
    answers = [task.answer_today(a) for a in trial.predictor.predict([rows[i] for i in kept])]
    # Beside those of today: how far off a number may be is a matter of how much they all differ.
    known = [truth[i] for i in kept]
    both = task.outcomes([*trial.truth, *known], [*trial.answers, *answers])
    right = both.at(slice(len(trial.truth), None)).right_N
    ids = table.column("id").to_pylist()
    return {
        "num_examples": len(kept),
        "right": [ids[i] for i, is_right in zip(kept, right, strict=True) if is_right],
        "wrong": [ids[i] for i, is_right in zip(kept, right, strict=True) if not is_right],
    }


def _answer_table(trial: Trial, columns: Slices, sure_N: Floats | None) -> pa.Table:
    """Every answer with its truth, what is drawn with it, and its slices."""
    told, labels = _numbers_told(trial) if sure_N is None else _labels_told(trial)
    table = pa.table(
        {
            "id": trial.test.column("id"),
            "truth": trial.test.column("target"),
            **told,
            "unit": pa.array(trial.units, pa.string()),
            **{SLICE_PREFIX + name: pa.array(values) for name, values in columns.items()},
        }
    )
    if sure_N is not None:
        table = table.append_column(SURE, pa.array(sure_N, pa.float64()))
    return table.replace_schema_metadata({"labels": json.dumps(labels)})


def _labels_told(trial: Trial) -> tuple[dict[str, pa.Array], tuple[str, ...]]:
    """The columns of labels, and the labels that scores are of."""
    answers = trial.answers
    if trial.is_proven:
        labels, scores_NC = trial.labelled.labels, trial.labelled.scores_NC
    else:
        labels = trial.predictor.labels
        scores_NC = np.array([[a.scores.get(label, 0.0) for label in labels] for a in answers])
    told = {
        "labels": pa.array([list(a.labels) for a in answers], pa.list_(pa.string())),
        "confidence": pa.array([a.confidence for a in answers], pa.float64()),
        "unknown": pa.array([a.unknown for a in answers], pa.bool_()),
        "scores": pa.array(list(scores_NC), pa.list_(pa.float64())),
    }
    return told, labels


def _numbers_told(trial: Trial) -> tuple[dict[str, pa.Array], tuple[str, ...]]:
    """The columns of numbers."""
    answers = trial.answers
    names = ("value", "low", "high")
    found = {name: pa.array([getattr(a, name) for a in answers], pa.float64()) for name in names}
    return found, ()
