"""What a turn leaves in the ledger besides its result: lineage, metrics, subjects, suspects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from volano.store import lineage, reviews, subjects

if TYPE_CHECKING:
    from volano.core.nouns import Artifact, Dataset, Model
    from volano.loop.project import Project
    from volano.loop.turn import Results

__all__ = ["keep_books"]


def keep_books(project: Project, made: Results) -> None:
    """Record the turn's artifacts and how they came from each other; safe to do twice."""
    ledger, trained = project.ledger, made.trained
    served = [model for _, model in trained.exports]
    reports = {report.hash: report for report in (made.report, made.baseline)}
    artifacts: tuple[Artifact, ...] = (
        made.collected,
        made.data,
        *trained.natives,
        *served,
        *reports.values(),
    )
    for artifact in artifacts:
        lineage.record_artifact(ledger, artifact)
    edges: list[tuple[Artifact | str, Artifact, str]] = [(made.collected, made.data, "prepared")]
    edges += [(made.data, native, "trained") for native in trained.natives]
    edges += [(native, model, "exported") for native, model in trained.exports]
    edges += [(report.body["model"], report, "scored") for report in reports.values()]
    edges += [(made.data, report, "scored on") for report in reports.values()]
    for parent, child, role in edges:
        lineage.link(ledger, parent, child, role)
    for report in reports.values():
        lineage.record_metrics(ledger, report.body["model"], report.hash, report.metrics)
    counts = made.collected.counts("subject")
    subjects.index_subjects(ledger, counts, made.collected.ref)
    _file_suspects(project, made.data, trained.exports[0][0])


def _file_suspects(project: Project, data: Dataset, native: Model) -> None:
    """Ask people about labels that the model, never having seen the row, finds unlikely."""
    suspects = pq.read_table(native.folder / "suspects.parquet").to_pylist()
    ids = [found["id"] for found in suspects]
    rows = data.labelled("train", "validation", columns=["fields"], ids=ids).to_pylist()
    examples = {row["id"]: row for row in rows}
    settled = {item.ref for item in reviews.answered_reviews(project.ledger)}
    items = [
        reviews.ReviewItem(
            "example",
            found["id"],
            examples[found["id"]]["fields"],
            tuple(found["given"]),
            "suspect-label",
        )
        for found in suspects[: project.config.train.suspects]
        # The same model may have come from earlier rows; some of those may be gone.
        if found["id"] in examples and found["id"] not in settled
    ]
    reviews.file_reviews(project.ledger, items)
