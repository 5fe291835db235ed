"""The part of the page about service: every form that was tried, time and size, parity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.pages import Prose, Section, Table, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.pages import Block, Cell, Translate
    from volano.evals.findings import Findings

__all__ = ["LIMITS", "serving"]

LIMITS = {
    "parity_gap": "Largest distance of a score from training",
    "parity_agreement": "Reference rows decided as in training",
    "latency_ms": "One request, 95 % (ms)",
    "size_mb": "Size (MB)",
}
_GAP_OF_NUMBERS = "Largest distance of an answer from training, in standard deviations"


def serving(say: Translate, found: Findings) -> Section:
    """What the bundle costs, whether it answers as trained, and what else it could have been."""
    cost, parity = found.body["cost"], found.body["parity"]
    limits = found.verdict.checks.get("limits", {})
    figures = {
        "parity_gap": parity.get("score_gap"),
        "parity_agreement": parity.get("agreement"),
        "latency_ms": cost["p95_ms"],
        "size_mb": cost["bytes"] / 1e6,
    }
    rows: list[tuple[Cell, ...]] = [
        (say("One request, median (ms)"), f"{cost['p50_ms']:.2f}", "–", ""),
        (say("Rows a second, in batches"), numbers.count(round(cost["rows_per_second"])), "–", ""),
    ]
    for name, figure in figures.items():
        limit = limits.get(name)
        kept = "" if limit is None else say("kept") if limit["is_kept"] else say("broken")
        is_gap = name == "parity_gap" and found.is_number
        title = say(_GAP_OF_NUMBERS) if is_gap else say(LIMITS[name])
        rows.append((title, _short(figure), f"{limit['limit']:g}" if limit else "–", kept))
    note = say("Parity: does the bundle that is served answer as the model that was trained?")
    columns = (say("Figure"), say("Value"), say("Limit"), "")
    blocks = (Table(columns, tuple(rows)), *_forms(say, found.body.get("forms", ())))
    return Section(say("Cost and parity"), blocks, note)


def _short(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3g}"


def _forms(say: Translate, forms: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Every form that export measured; none in an older report."""
    if not forms:
        return ()
    rows: list[tuple[Cell, ...]] = [
        (
            f"{form['engine']}, {form['precision']}",
            *(_short(form.get(name)) for name in ("megabytes", "p50_ms", "p95_ms", "score_gap")),
            _percent(form.get("agreement")),
            _percent(form.get("accuracy")),
            say("chosen") if form.get("chosen") else _why_not(say, form),
        )
        for form in forms
    ]
    names = ("Form", "Size (MB)", "Median (ms)", "95 % (ms)", "Score gap", "Agreement", "Accuracy")
    table = Table((*map(say, names), ""), tuple(rows), say("Forms that were tried"))
    text = say(
        "Agreement: reference rows decided as by the model that was trained; accuracy is on these "
        "rows. The smallest form that keeps parity and the limits is served."
    )
    return table, Prose(text)


def _why_not(say: Translate, form: Mapping[str, Any]) -> str:
    told = say(form.get("why_not") or "")
    return f"{told}: {form['fault']}" if form.get("fault") else told


def _percent(share: float | None) -> str:
    return "–" if share is None else numbers.percent(share)
