"""Pages: every report of the product, as one small tree of nouns and one renderer.

In: a `Page` built from frozen nouns (`Section`, `Table`, `ChartBlock` and so on), whose texts are
already in the language of the reader (`translate`). A chart is an Apache ECharts option made by a
builder of `volano.core.pages.charts`.

Out: `render(page)` gives one self-contained HTML file that can be mailed; `page.to_dict()` gives
the JSON twin with the same content, and with every row of every table.

Never: it never computes a metric, reads a file of the project, loads anything from a network, or
trusts a text: whatever a user wrote is shown as text. No room but `app` and the makers of reports
imports it, and `volano.core` does not, so that the nouns stay cheap to load.
"""

from volano.core.pages.charts import Series
from volano.core.pages.html import render
from volano.core.pages.page import (
    Bar,
    Block,
    Callout,
    Cell,
    ChartBlock,
    Code,
    Details,
    Fact,
    Interval,
    Kind,
    Language,
    Page,
    Prose,
    Section,
    Table,
)
from volano.core.pages.translate import Translate, translate

__all__ = [
    "Bar",
    "Block",
    "Callout",
    "Cell",
    "ChartBlock",
    "Code",
    "Details",
    "Fact",
    "Interval",
    "Kind",
    "Language",
    "Page",
    "Prose",
    "Section",
    "Series",
    "Table",
    "Translate",
    "render",
    "translate",
]
