"""What a turn leaves in the ledger besides its result: lineage, metrics, subjects, suspects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from volano.store import lineage, reviews, subjects

if TYPE_CHECKING:
    from volano.core.nouns import Artifact, Dataset, Model, Report
    from volano.loop.project import Project
    from volano.loop.steps import Steps, Trained

__all__ = ["keep_books"]

_MOST_SUSPECTS = 100


def keep_books(
    project: Project, steps: Steps, trained: Trained, reports: tuple[Report, Report]
) -> None:
    """Record the turn's artifacts and how they came from each other; safe to do twice."""
    ledger = project.ledger
    collected, data = steps.collect(), steps.prepare()
    exported = (trained.candidate, trained.baseline)
    artifacts: tuple[Artifact, ...] = (collected, data, *trained.natives, *exported, *reports)
    for artifact in artifacts:
        lineage.record_artifact(ledger, artifact)
    edges: list[tuple[Artifact, Artifact, str]] = [(collected, data, "prepared")]
    edges += [(data, native, "trained") for native in trained.natives]
    by_hash = {native.hash: native for native in trained.natives}
    edges += [(by_hash[model.card["native"]], model, "exported") for model in exported]
    edges += [(model, report, "scored") for model, report in zip(exported, reports, strict=True)]
    edges += [(data, report, "scored on") for report in reports]
    for parent, child, role in edges:
        lineage.link(ledger, parent.hash, child.hash, role)
    for report in reports:
        lineage.record_metrics(ledger, report.body["model"], report.hash, report.metrics)
    counts = Counter(filter(None, collected.examples.column("subject").to_pylist()))
    subjects.index_subjects(ledger, counts, collected.ref)
    _file_suspects(project, data, by_hash[trained.candidate.card["native"]])


def _file_suspects(project: Project, data: Dataset, native: Model) -> None:
    """Ask people about labels that the model, never having seen the row, finds unlikely."""
    path = native.folder / "suspects.parquet"
    if not path.exists():
        return
    suspects = pq.read_table(path).to_pylist()[:_MOST_SUSPECTS]
    examples = {row["id"]: row for row in data.labelled("train", "validation").to_pylist()}
    settled = {item.ref for item in reviews.answered_reviews(project.ledger)}
    items = [
        reviews.ReviewItem(
            "example",
            found["id"],
            examples[found["id"]]["fields"],
            tuple(found["given"]),
            "suspect-label",
        )
        for found in suspects
        if found["id"] not in settled
    ]
    reviews.file_reviews(project.ledger, items)
