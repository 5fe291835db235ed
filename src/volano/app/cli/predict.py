"""``volano predict``: ask the champion about a text, a row or a whole file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from volano.app.cli.screen import (
    AsJson,
    DryRun,
    Folder,
    next_command,
    print_json,
    print_lines,
)
from volano.app.cli.screen import progress as show_progress

if TYPE_CHECKING:
    from volano.loop.project import Project

__all__ = ["add", "predict"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    what: Annotated[
        str,
        typer.Argument(help="A text, a row as JSON, or a CSV, JSONL or Parquet file of rows."),
    ],
    out: Annotated[
        str, typer.Option("--out", help="Write answers here: .parquet, .jsonl, .csv")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="Which model answers.")] = "model:champion",
    explain: Annotated[
        bool, typer.Option("--explain", help="Which words or columns moved it.")
    ] = False,
    project: Folder = ".",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ask a model about one text, one row of a table, or every row of a file."""
    from volano.app.cli.main import language_of
    from volano.loop.batch import predict_file, predict_one
    from volano.loop.project import Project

    with Project.open(project, events=show_progress(as_json)) as opened:
        if _is_file(what, out, opened):
            target = Path(out) if out else None
            done = predict_file(opened, Path(what), target, model, dry_run=dry_run)
            if as_json:
                print_json(done.to_dict())
                return
            would = "would write " if dry_run else ""
            print_lines([f"{would}{done.num_rows:,} answers by {done.model[:12]} to {done.path}"])
            if done.num_broken:
                print_lines([f"{done.num_broken:,} rows could not be read; see the warnings"])
            next_command("volano review --export todo.csv")
            return
        language = language_of(os.environ)
        answer = predict_one(opened, what, model, explain=explain, language=language)
    if as_json:
        print_json(answer)
        return
    print_lines(_lines(answer))
    next_command("volano serve")


def _is_file(what: str, out: str, project: Project) -> bool:
    """A file to be answered, rather than a text that happens to end in a file's name, or a row."""
    if what.lstrip().startswith("{") and project.task.input == "columns":
        return False
    suffix = Path(what).suffix.lower()
    is_named = suffix in project.hub.readers and suffix != ""
    return bool(out) or (is_named and (" " not in what or Path(what).is_file()))


def _lines(answer: dict[str, Any]) -> list[str]:
    reasons = [
        f"  {why['weight']:+.4g}  {why['says']}"
        if "says" in why
        else f"  {why['weight']:+.3f}  {why['text']}"
        for why in answer.get("reasons", ())
    ]
    if "value" in answer:
        low, high = answer["low"], answer["high"]
        return [f"{answer['value']:.6g}  ({low:.6g} to {high:.6g})", *reasons]
    labels = answer["labels"] if "labels" in answer else [answer["label"]]
    said = ", ".join(filter(None, labels)) or "(none)"
    marks = [*(["unknown"] * answer["unknown"]), *([answer["route"]] if "route" in answer else [])]
    marked = "".join(f"  ({mark})" for mark in marks)
    # By what a mistake costs, or a budget of alerts, the answer need not be the likeliest label.
    sure = answer["scores"].get(said, answer["confidence"])
    lines = [f"{said}  {sure:.3f}{marked}"]
    best = sorted(answer["scores"].items(), key=lambda item: -item[1])
    others = [(label, score) for label, score in best if label not in labels][:3]
    lines += [f"  {label}  {score:.3f}" for label, score in others]
    return lines + reasons
