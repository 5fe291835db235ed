"""The pages of a turn: the data report and the model report, as HTML with a JSON twin each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from volano.core.pages import render
from volano.data.report import data_page
from volano.evals.page import Findings, report_page
from volano.loop.reasons import because

if TYPE_CHECKING:
    from pathlib import Path

    from volano.core.pages import Page
    from volano.loop.project import Project
    from volano.loop.turn import Results

__all__ = ["write_pages"]


def write_pages(project: Project, made: Results, number: int, metric: str) -> dict[str, str]:
    """Write ``.volano/reports/turn-N/{data,model}.{html,json}``; where, relative to the project."""
    language = project.config.language
    is_champion = made.standing is not None and made.standing.hash == made.report.hash
    findings = Findings(
        made.report,
        made.verdict,
        made.baseline,
        None if is_champion else made.standing,
        metric,
        made.trained.choice.to_dict(),
        because(made.verdict, language),
        made.data,
        project.config.automatic_precision,
    )
    pages = {
        "data": data_page(made.data, project.task, language),
        "model": report_page(findings, project.root.name, language),
    }
    folder = project.state / "reports" / f"turn-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: _write(page, folder / name).relative_to(project.root).as_posix()
        for name, page in pages.items()
    }


def _write(page: Page, stem: Path) -> Path:
    html = stem.with_suffix(".html")
    _replace(html, render(page))
    twin = json.dumps(page.to_dict(), ensure_ascii=False, indent=1)
    _replace(stem.with_suffix(".json"), twin)
    return html


def _replace(path: Path, text: str) -> None:
    # A page that is being read stays whole: it is replaced, never written over.
    fresh = path.with_suffix(path.suffix + ".part")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)
