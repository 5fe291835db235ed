"""One page in, one self-contained HTML file out.

The file loads nothing: style, charts and their data are inside, and a content security policy
forbids every request and every script but the two named by their hash. All texts go through
autoescaping, chart options through JSON in which `<`, `>`, `&` and quotes are escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from volano.core.pages import numbers
from volano.core.pages.page import Bar, ChartBlock, Details, Interval
from volano.core.pages.translate import translate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Template

    from volano.core.pages.page import Block, Cell, Page
    from volano.core.pages.translate import Translate

__all__ = ["render"]

HERE = Path(__file__).parent
WHOLE_WORD = 28  # characters; a longer one, such as an address or a hash, may be broken in a table
CONTENTS_FROM = 4  # with fewer sections a reader sees the whole page without a table of contents
LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}


def render(page: Page) -> str:
    """The page as one HTML file, ready to be written, mailed or served.

    >>> from volano.core.pages import Page, Section, Prose
    >>> "<h2" in render(Page("Report", sections=(Section("Data", (Prose("431 rows"),)),)))
    True
    """
    from markupsafe import Markup

    page.to_dict()  # refuses, with the reason, a value that neither form can hold
    scripts = _scripts() if _has_chart(page) else ()
    html = _template().render(
        page=page,
        say=translate(page.language),
        language_tag=LANGUAGE_TAGS[page.language],
        style=Markup(_text("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        has_contents=len(page.sections) >= CONTENTS_FROM,
    )
    # Half an emoji, as cut by some source, is no UTF-8: it may not stop the file being written.
    return html.lstrip().encode("utf-8", "replace").decode("utf-8")


@lru_cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    environment.filters["written"] = _written
    environment.filters["bounds"] = _bounds
    environment.filters["breaks"] = _breaks
    environment.filters["height"] = _height
    return environment.get_template("page.html.jinja")


def _written(cell: Cell, say: Translate) -> str:
    match cell:
        case None:
            return numbers.NOT_A_NUMBER
        case bool():
            return say("yes") if cell else say("no")
        case int():
            return numbers.count(cell)
        case float():
            return numbers.metric(cell)
        case Interval():
            return numbers.metric(cell.value, signed=cell.signed)
        case Bar():
            return numbers.percent(cell.share)
        case str():
            return cell


def _bounds(interval: Interval, say: Translate) -> str:
    low, high = (
        numbers.metric(end, signed=interval.signed) for end in (interval.low, interval.high)
    )
    return say("{low} to {high}", low=low, high=high)


def _breaks(cell: Cell) -> bool:
    """Whether a cell holds a word that is too long for a narrow column."""
    return isinstance(cell, str) and any(len(word) > WHOLE_WORD for word in cell.split())


def _height(chart: ChartBlock) -> int:
    """Pixels: as asked, or by the number of categories that stand below each other."""
    if chart.height != "auto":
        return chart.height
    axis = chart.option.get("yAxis")
    labels = axis.get("data") if isinstance(axis, Mapping) else None
    if not isinstance(labels, (list, tuple)):
        return 320
    if "visualMap" in chart.option:
        return min(140 + 30 * len(labels), 760)
    return 88 + (44 if _has_pairs(chart) else 28) * len(labels)


def _has_pairs(chart: ChartBlock) -> bool:
    """Whether two bars stand beside each other for one label."""
    series = chart.option.get("series")
    members = series if isinstance(series, list) else []
    return len([one for one in members if one.get("type") == "bar" and "stack" not in one]) > 1


def _has_chart(page: Page) -> bool:
    return any(_any_chart(section.blocks) for section in page.sections)


def _any_chart(blocks: Iterable[Block]) -> bool:
    return any(
        isinstance(block, ChartBlock) or (isinstance(block, Details) and _any_chart(block.blocks))
        for block in blocks
    )


def _scripts() -> tuple[str, ...]:
    return _text("vendor/echarts.min.js"), _text("page.js")


def _policy(scripts: tuple[str, ...]) -> str:
    hashes = " ".join(_source_hash(script) for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@lru_cache
def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
