"""``volano predict``: ask the champion about a text or a whole file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volano.app.cli.screen import AsJson, Folder, next_command, print_json, print_lines

__all__ = ["add", "predict"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    what: Annotated[str, typer.Argument(help="A text, or a CSV, JSONL or Parquet file of rows.")],
    out: Annotated[
        str, typer.Option("--out", help="Write answers here: .parquet, .jsonl, .csv")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="Which model answers.")] = "model:champion",
    explain: Annotated[bool, typer.Option("--explain", help="Which words moved it.")] = False,
    project: Folder = ".",
    as_json: AsJson = False,
) -> None:
    """Ask a model about one text, or about every row of a file."""
    from volano.loop.batch import predict_file, predict_text
    from volano.loop.project import Project

    with Project.open(project) as opened:
        if Path(what).suffix.lower() in (".csv", ".tsv", ".jsonl", ".parquet", ".txt"):
            done = predict_file(opened, Path(what), Path(out) if out else None, model)
            if as_json:
                print_json(done.to_dict())
            else:
                print_lines([f"{done.num_rows:,} answers by {done.model[:12]} in {done.path}"])
                next_command("volano serve")
            return
        answer = predict_text(opened, what, model, explain=explain)
    if as_json:
        print_json(answer)
        return
    said = answer.get("label") or ", ".join(answer.get("labels", ())) or "(none)"
    print_lines([f"{said}  {answer['confidence']:.3f}" + ("  (unknown)" * answer["unknown"])])
    best = sorted(answer["scores"].items(), key=lambda item: -item[1])[1:4]
    print_lines(f"  {label}  {score:.3f}" for label, score in best)
    print_lines(f"  {why['weight']:+.3f}  {why['text']}" for why in answer.get("reasons", ()))
    next_command("volano serve")
