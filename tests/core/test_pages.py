"""Pages: what is rendered, what is escaped, what the JSON twin holds, and what is drawn."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from volano.core import pages
from volano.core.pages import (
    Bar,
    Callout,
    ChartBlock,
    Code,
    Details,
    Fact,
    Interval,
    Page,
    Prose,
    Section,
    Series,
    Table,
    charts,
    render,
    translate,
)

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'\u2028{{ 7 * 7 }}"
ROOM = Path(pages.__file__).parent


class Outline(HTMLParser):
    """What a browser would make of the file: its elements, its texts and its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data
        else:
            self.texts.append(data)

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def options(self) -> list[dict[str, Any]]:
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]


def page_of(*blocks: pages.Block, **fields: Any) -> Page:
    return dataclasses.replace(Page("Report", sections=(Section("One", blocks),)), **fields)


def chart(option: charts.Option | None = None, **fields: Any) -> ChartBlock:
    some = option or charts.bars(["a", "b"], Series("rows", (1, 2)))
    return dataclasses.replace(ChartBlock("Rows", some, "b has most rows."), **fields)


def plain(option: charts.Option) -> Any:
    return json.loads(json.dumps(option))


ONE_OF_EACH = (
    charts.bars(["a", "b"], Series("now", (1, 3)), Series("before", (2, 2))),
    charts.stacked_bars(["a", "b"], [Series("train", (3, 4)), Series("test", (1, 1))]),
    charts.histogram([0, 10, 20], [Series("", (5, 6))], x_label="length", y_label="rows"),
    charts.lines([1, 2, 3], [Series("loss", (3.0, 2.0, 1.0))], x_label="step", y_label="loss"),
    charts.reliability([0.5, 0.9], [0.4, 0.9], [10, 90], x_label="claimed", y_label="true"),
    charts.confusion(["a", "b"], [[8, 2], [1, 9]], truth_label="truth", answer_label="answer"),
    charts.intervals(["x"], [Interval(0.02, 0.01, 0.03, signed=True)], x_label="gain"),
    charts.scatter([("models", [(1.0, 2.0), (3.0, 4.0)])], x_label="ms", y_label="accuracy"),
)


def test_a_hostile_text_is_shown_as_text_wherever_it_stands() -> None:
    blocks = (
        Prose(HOSTILE),
        Callout("bad", HOSTILE, HOSTILE),
        Table((HOSTILE,), ((HOSTILE,),), caption=HOSTILE),
        Details(HOSTILE, (Code(HOSTILE),)),
        ChartBlock(HOSTILE, charts.bars([HOSTILE], Series(HOSTILE, (1,))), HOSTILE),
    )
    page = Page(
        title=HOSTILE,
        subtitle=HOSTILE,
        sections=(Section(HOSTILE, blocks, note=HOSTILE),),
        generated=HOSTILE,
        facts=(Fact(HOSTILE, HOSTILE, HOSTILE),),
        headline=Callout("info", HOSTILE, HOSTILE),
    )
    outline = Outline(render(page))
    assert "img" not in outline.tags()
    assert sum(HOSTILE in text for text in outline.texts) >= 14
    assert len(outline.scripts) == 3
    assert outline.options()[0]["yAxis"]["data"] == [HOSTILE]


def test_only_a_word_that_is_too_long_for_a_column_may_be_broken() -> None:
    digest = "0" * 40
    html = render(page_of(Table(("column", "hash"), (("past_delays", digest),))))
    assert "<td>past_delays</td>" in html
    assert f'<td class="breaks">{digest}</td>' in html
    style = (ROOM / "page.css").read_text("utf-8")
    assert "td.breaks { overflow-wrap: anywhere; }" in style


def test_the_policy_forbids_the_network_and_allows_two_scripts_by_their_hash() -> None:
    outline = Outline(render(page_of(chart())))
    metas = [attrs for tag, attrs in outline.elements if tag == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"script-src[^;]*unsafe|https?:|\*", policy)
    code = [text for kind, text in outline.scripts if kind is None]
    assert len(code) == 2
    for text in code:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_file_refers_to_nothing_outside_itself() -> None:
    outline = Outline(render(page_of(chart(), *(Prose("text"),) * 3)))
    assert not {"link", "img", "iframe", "object", "base", "form"} & outline.tags()
    for _, attributes in outline.elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    css = (ROOM / "page.css").read_text(encoding="utf-8")
    assert "url(" not in css
    assert "@import" not in css


def test_a_page_without_charts_has_no_script_at_all() -> None:
    html = render(page_of(Prose("nothing to draw")))
    assert "<script" not in html
    assert "script-src &#39;none&#39;" in html
    assert len(html) < 20_000


def test_a_chart_inside_closed_details_brings_the_drawing_code() -> None:
    outline = Outline(render(page_of(Details("more", (Details("deeper", (chart(),)),)))))
    assert len(outline.scripts) == 3


def test_the_json_twin_holds_every_row_and_every_option() -> None:
    rows = tuple((f"row {i}", i) for i in range(431))
    drawn = chart()
    page = page_of(Table(("text", "count"), rows, max_rows=20), Details("more", (drawn,)))
    twin = json.loads(json.dumps(page.to_dict(), allow_nan=False))
    table, details = twin["sections"][0]["blocks"]
    assert table["type"] == "table"
    assert len(table["rows"]) == 431
    assert details["blocks"][0]["type"] == "chart"
    assert details["blocks"][0]["option"] == plain(dict(drawn.option))


def test_every_field_of_every_noun_is_in_the_twin() -> None:
    nouns = (
        Prose("p"),
        Callout("good", "t"),
        Code("c"),
        Fact("f", Bar(0.5)),
        Interval(1, 0, 2),
        chart(),
        Table(("a",), ((None,),)),
        Details("d", ()),
        Section("s", ()),
        Page("p"),
    )
    for noun in nouns:
        names = [field.name for field in dataclasses.fields(noun)]
        assert list(noun.to_dict()) == ["type", *names]


def test_a_number_that_json_cannot_hold_becomes_null_and_a_dash() -> None:
    table = Table(("a", "b"), ((float("nan"), float("inf")),))
    assert table.to_dict()["rows"] == [[None, None]]
    assert render(page_of(table)).count('<td class="number">–</td>') == 2
    nan_bars = charts.bars(["a"], Series("rows", (float("nan"),)))
    assert Outline(render(page_of(chart(nan_bars)))).options()


def test_a_value_that_is_no_json_is_refused_with_what_to_try() -> None:
    with pytest.raises(TypeError, match=r"cannot hold a set.*\n.*\n.*tolist"):
        chart({"series": {1, 2}}).to_dict()


def test_a_cell_that_is_no_plain_value_is_refused_by_the_renderer_too() -> None:
    with pytest.raises(TypeError, match="cannot hold a complex"):
        render(page_of(Table(("a",), ((1j,),))))  # type: ignore[arg-type]


def test_half_an_emoji_does_not_stop_the_file_being_written() -> None:
    html = render(page_of(Prose("cut \ud83d here"), chart(alt="\ud83d")))
    assert "cut ? here" in html.encode().decode()


def test_a_cut_table_says_how_many_rows_there_are() -> None:
    rows = tuple((f"row {i}",) for i in range(1431))
    html = render(page_of(Table(("text",), rows, max_rows=20)))
    assert "Showing 20 of 1,431 rows." in html
    assert "row 19<" in html
    assert "row 20<" not in html


def test_a_whole_table_claims_no_cut() -> None:
    html = render(page_of(Table(("text",), (("a",),), max_rows=20)))
    assert "Showing" not in html
    assert "No rows." in render(page_of(Table(("text",), ())))


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table(("a",), (("x",), ("y", "z")))


def test_cells_are_written_for_a_reader() -> None:
    cells = (12345, 0.87123, None, Bar(0.1234), Interval(0.0214, 0.008, 0.034, signed=True), True)
    html = render(page_of(Table(tuple("abcdef"), (cells,))))
    text = " ".join(" ".join(Outline(html).texts).split())
    assert "12,345" in text
    assert "0.871 – 12.3% +0.021 +0.008 to +0.034 yes" in text


def test_a_column_of_numbers_is_aligned_right_and_a_mixed_one_is_not() -> None:
    table = Table(("n", "mixed", "empty"), ((1, "a", None), (None, 2, None)))
    assert table.numeric_columns == (True, False, False)


@pytest.mark.parametrize(
    ("language", "tag", "cut", "contents"),
    [
        ("en", "en", "Showing 1 of 2 rows.", "Contents"),
        ("zh", "zh-CN", "显示 1 行，共 2 行。", "目录"),
    ],
)
def test_the_words_of_the_page_are_in_its_language(
    language: pages.Language, tag: str, cut: str, contents: str
) -> None:
    section = Section("s", (Table(("a",), (("x",), ("y",)), max_rows=1),))
    html = render(Page("t", sections=(section,) * 4, language=language))
    assert f'<html lang="{tag}">' in html
    assert cut in html
    assert contents in html


def test_an_unknown_text_stays_english_and_values_are_not_read_as_fields() -> None:
    say = translate("zh")
    assert say("A text nobody translated") == "A text nobody translated"
    assert say("Generated {when}", when="{0} {when}") == "生成于 {0} {when}"


def test_every_word_of_the_template_has_a_translation_with_the_same_fields() -> None:
    catalogue = json.loads((ROOM / "zh.json").read_text(encoding="utf-8"))
    template = (ROOM / "page.html.jinja").read_text(encoding="utf-8")
    literal = set(re.findall(r'say\("([^"]+)"', template))
    assert literal
    assert literal <= set(catalogue)
    for english, chinese in catalogue.items():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese))


def test_the_same_page_is_always_the_same_file() -> None:
    assert render(page_of(chart())) == render(page_of(chart()))


def test_contents_appear_only_on_a_long_page() -> None:
    assert "<nav" not in render(Page("t", sections=(Section("s", ()),) * 3))
    html = render(Page("t", sections=(Section("s", ()),) * 4))
    assert '<a href="#section-4">' in html
    assert 'id="section-4"' in html


def test_the_alternative_text_of_a_chart_stands_in_the_file() -> None:
    html = render(page_of(chart(alt="Refunds are confused with billing.")))
    assert '<p class="alt">Refunds are confused with billing.</p>' in html
    assert 'aria-label="Refunds are confused with billing."' in html


def test_bars_are_sorted_by_the_first_series_and_carry_the_second_along() -> None:
    option = charts.bars(["few", "many"], Series("now", (1, 9)), Series("before", (5, 6)))
    drawn = plain(option)
    assert drawn["yAxis"]["data"] == ["many", "few"]
    now, before = drawn["series"]
    assert [point["value"] for point in now["data"]] == [9, 1]
    assert [point["value"] for point in before["data"]] == [6, 5]


def test_a_confusion_of_many_classes_shows_the_most_confused_and_says_so() -> None:
    counts = [[10 if i == j else 0 for j in range(5)] for i in range(5)]
    counts[1][3] = 4
    names = ["a", "b", "c", "d", "e"]
    option = charts.confusion(
        names, counts, truth_label="truth", answer_label="answer", max_classes=2
    )
    assert option["left_out"] == {"shown": 2, "total": 5}
    assert plain(option)["yAxis"]["data"] == ["b", "d"]
    assert "Showing 2 of 5 classes." in render(page_of(chart(option)))


def test_an_interval_is_coloured_by_its_side_of_the_reference() -> None:
    values = [Interval(2, 1, 3), Interval(-2, -3, -1), Interval(0, -1, 1)]
    option = charts.intervals(["up", "down", "open"], values, x_label="gain")
    whiskers = plain(option)["series"][0]["data"]
    assert [point["itemStyle"]["color"] for point in whiskers] == [
        "var(--good)",
        "var(--bad)",
        "var(--muted)",
    ]


@pytest.mark.parametrize("option", ONE_OF_EACH)
def test_every_builder_gives_plain_json(option: charts.Option) -> None:
    assert plain(option) == chart(option).to_dict()["option"]


def test_text_has_enough_contrast_in_light_and_in_dark() -> None:
    css = (ROOM / "page.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    )
    for tokens in (light, dark):
        for ink in ("--ink", "--muted", "--accent"):
            assert contrast(tokens[ink], tokens["--paper"]) >= 4.5
        for kind in ("good", "warn", "bad", "info"):
            assert contrast(tokens[f"--{kind}"], tokens[f"--{kind}-soft"]) >= 4.5
        for number in range(1, 9):
            assert contrast(tokens[f"--series-{number}"], tokens["--paper"]) >= 3
    after_tokens = css[css.index("/* Page */") :]
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgba?\(", after_tokens)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_building_a_page_loads_no_template_engine() -> None:
    code = "import sys, volano.core.pages; print('jinja2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_core_does_not_load_pages() -> None:
    code = "import sys, volano.core; print('volano.core.pages' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_browser_draws_every_chart_and_runs_no_script_of_a_user(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: that charts are really drawn was NOT checked")
    attack = charts.bars(
        ["</script><script>document.title='owned'</script>"],
        Series("<img src=x onerror=\"document.title='owned'\">", (1,)),
    )
    blocks = [chart(option) for option in (*ONE_OF_EACH, attack)]
    path = tmp_path / "page.html"
    path.write_text(render(page_of(*blocks, language="zh")), encoding="utf-8")
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={tmp_path / 'profile'}",
            *("--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"),
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    outline = Outline(done.stdout)
    drawn = [tag for tag, attrs in outline.elements if attrs.get("class") == "chart drawn"]
    assert len(drawn) == len(blocks)
    paths_by_chart = [part.count("<path") for part in done.stdout.split("<figure")[1:]]
    assert min(paths_by_chart) >= 3
    assert "owned" not in done.stdout.split("</title>")[0]
    assert "img" not in outline.tags()
