"""The data report: what came in, what was lost and why, and what is left, as one page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from volano.core.pages import (
    Bar,
    Callout,
    ChartBlock,
    Details,
    Fact,
    Page,
    Prose,
    Section,
    Series,
    Table,
    charts,
    translate,
)
from volano.data.steps.texts import join_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volano.core.nouns import Dataset
    from volano.core.pages import Block, Cell, Language, Translate
    from volano.tasks import Task

__all__ = ["data_page"]

_SPLITS = ("train", "validation", "test")
_REASONS = {
    "also-in-test": "The same text is in the test file.",
    "also-in-validation": "The same text is in the validation file.",
    "between-splits": "Too like a row of one split and a row of another.",
    "conflicting-label": (
        "The same text stands under several labels: the one said most often stays; in a tie, none."
    ),
    "duplicate": "The same text and label once more.",
    "duplicate-key": "A later row of the file has the same key.",
    "empty-text": "No text.",
    "rare-label": "Its label has too few examples.",
    "too-like-test": "Nearly a row of the frozen test set, and not fit to join it.",
    "too-like-validation": "Nearly a row of the validation set, and not fit to join it.",
}
_LANGUAGES = {"en": "English", "zh": "Chinese", "mixed": "English and Chinese", "other": "other"}
_EXAMPLES = 5
_SHOWN = 160  # characters of a text in a table
_MOST_LABELS = 60
_MOST_ROWS = 12


def data_page(dataset: Dataset, task: Task, language: Language) -> Page:
    """The report on a prepared Dataset, in English or Chinese.

    Args:
        dataset: what ``prepare`` made.
        task: the kind of work; it says whether rows carry one label or several.
        language: of the reader.
    """
    return _Report(dataset, task, language).page()


def _words(language: Language) -> Translate:
    """Texts of this report; what it lacks is asked of the pages' own catalogue."""
    own, say_core = _catalogue(language), translate(language)

    def say(text: str, **values: object) -> str:
        found = own.get(text)
        if found is None:
            return say_core(text, **values)
        return found.format(**values) if values else found

    return say


@lru_cache
def _catalogue(language: Language) -> Mapping[str, str]:
    path = Path(__file__).parent / f"{language}.json"
    if not path.exists():
        return {}
    texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    return texts


class _Report:
    """The parts of the page, each from the card or from the rows."""

    def __init__(self, dataset: Dataset, task: Task, language: Language) -> None:
        self.dataset = dataset
        self.card = dataset.card
        self.task = task
        self.language = language
        self.say = _words(language)
        self.table = dataset.examples
        self.splits: list[str | None] = self.table["split"].to_pylist()
        self.targets: list[list[str] | None] = self.table["target"].to_pylist()
        self.columns = list(self.card["schema"]["fields"]["text"])

    def page(self) -> Page:
        sections = (
            self._findings(),
            self._journey(),
            self._labels(),
            self._texts(),
            self._alike(),
            self._people(),
            self._changes(),
        )
        return Page(
            title=self.say("Data report"),
            subtitle=f"{self.dataset.ref} · " + " · ".join(s["path"] for s in self.card["sources"]),
            sections=tuple(section for section in sections if section is not None),
            language=self.language,
            facts=self._facts(),
            headline=self._headline(),
        )

    def _facts(self) -> tuple[Fact, ...]:
        say, counts = self.say, self.card["counts"]
        labels = {label for target in self.targets for label in target or ()}
        lost = sum(self.card["dropped"].values())
        share = lost / max(counts["read"], 1)
        broken = counts["broken"]
        return (
            Fact(say("rows read"), counts["read"]),
            Fact(
                say("rows left"),
                counts["rows"],
                say("{share:.1%} dropped, each with its reason", share=share),
            ),
            Fact(say("broken rows"), broken, kind="bad" if broken else "good"),
            Fact(say("labels"), len(labels)),
            Fact(say("test rows"), counts["splits"]["test"], say("frozen: they never change side")),
        )

    def _headline(self) -> Callout:
        for kind in ("bad", "warn"):
            texts = [self._said(one) for one in self.card["findings"] if one["kind"] == kind]
            if texts:
                title = "Look at this first" if kind == "bad" else "Good to know before training"
                return Callout(kind, self.say(title), texts[0])
        text = self.say("No label leak, no crowded unit, no broken file was found.")
        return Callout("good", self.say("Nothing stands in the way of training"), text)

    def _said(self, finding: Mapping[str, Any]) -> str:
        return self.say(finding["text"], **finding["values"])

    def _findings(self) -> Section | None:
        found = self.card["findings"]
        order = {"bad": 0, "warn": 1, "info": 2, "good": 3}
        ranked = sorted(found, key=lambda one: order[one["kind"]])
        blocks = tuple(Callout(one["kind"], self._said(one)) for one in ranked)
        return Section(self.say("What to know"), blocks) if blocks else None

    def _journey(self) -> Section:
        say, sources = self.say, self.card["sources"]
        lost = self._lost_by_source()
        columns = ("file", "licence", "read", "broken", "dropped", "left", "share left", "how read")
        rows: list[tuple[Cell, ...]] = [
            (
                one["path"],
                one["licence"] or "–",
                one["read"],
                one["broken"],
                lost[one["path"]],
                one["prepared"],
                Bar(one["prepared"] / max(one["read"], 1)),
                ", ".join(say(one[k]) for k in ("format", "encoding", "delimiter") if k in one),
            )
            for one in sources
        ]
        blocks: list[Block] = [Table(tuple(say(name) for name in columns), tuple(rows))]
        blocks += self._drops()
        if self.card["broken"]:
            blocks.append(self._broken())
        if self.card["suppressed"]:
            text = "{count} rows of people whose data was erased were left out."
            blocks.append(Callout("info", say(text, count=self.card["suppressed"])))
        note = say("Nothing is lost in silence: every row read is left, dropped or broken.")
        return Section(say("Where rows went"), tuple(blocks), note)

    def _lost_by_source(self) -> Counter[str]:
        return Counter(self._dropped()["source"].to_pylist())

    def _dropped(self) -> Any:
        return pq.read_table(self.dataset.folder / "dropped.parquet")

    def _drops(self) -> list[Block]:
        say, dropped = self.say, self.card["dropped"]
        if not dropped:
            return [Prose(say("No row was dropped."))]
        reasons = sorted(dropped, key=lambda reason: (-dropped[reason], reason))
        values = tuple(float(dropped[reason]) for reason in reasons)
        chart = charts.bars([say(reason) for reason in reasons], Series(say("rows"), values))
        alt = "; ".join(f"{say(reason)}: {dropped[reason]}" for reason in reasons)
        blocks: list[Block] = [ChartBlock(say("Rows dropped, by reason"), chart, alt)]
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._dropped().to_pylist():
            if len(found[row["reason"]]) < _EXAMPLES:
                found[row["reason"]].append(row)
        for reason in reasons:
            title = say("{reason}: {count} rows", reason=say(reason), count=dropped[reason])
            blocks.append(
                Details(
                    title,
                    (Prose(say(_REASONS.get(reason, reason))), self._lost_rows(found[reason])),
                )
            )
        return blocks

    def _lost_rows(self, rows: Sequence[Mapping[str, Any]]) -> Table:
        say = self.say
        target = self.card["schema"]["fields"]["target"]
        shown = []
        for row in rows:
            fields = json.loads(row["fields"])
            text = _short(join_text(fields, self.columns))
            place = f"{row['source']}:{row['line']}"
            shown.append((place, text, str(fields.get(target, "")), _short(row["detail"], 80)))
        columns = (say("place"), say("text"), say("label"), say("detail"))
        return Table(columns, tuple(shown))

    def _broken(self) -> Details:
        say = self.say
        rows = tuple(
            (f"{one['source']}:{one['line']}", one["reason"], _short(one["raw"]))
            for one in self.card["broken"]
        )
        count = self.card["counts"]["broken"]
        table = Table((say("place"), say("why"), say("what stands there")), rows)
        return Details(say("Rows that could not be read: {count}", count=count), (table,))

    def _labels(self) -> Section:
        say = self.say
        counts: dict[str, Counter[str]] = {split: Counter() for split in _SPLITS}
        for target, split in zip(self.targets, self.splits, strict=True):
            if split is not None:
                counts[split].update(target or ())
        total = sum(counts.values(), Counter[str]())
        labels = sorted(total, key=lambda label: (-total[label], label))
        shown = labels[:_MOST_LABELS]
        used = [split for split in _SPLITS if counts[split]]
        parts = [Series(say(s), tuple(float(counts[s][one]) for one in shown)) for s in used]
        alt = say(
            "The most common label is {top} with {most} rows, the rarest {last} with {least}.",
            top=labels[0],
            most=total[labels[0]],
            last=labels[-1],
            least=total[labels[-1]],
        )
        chart = ChartBlock(say("Rows of each label"), charts.stacked_bars(shown, parts), alt)
        splits = Counter(self.splits)
        rows = tuple(
            (say(s), splits[s], Bar(splits[s] / max(sum(splits.values()), 1)), len(counts[s]))
            for s in used
        )
        blocks: list[Block] = [
            Table((say("split"), say("rows"), say("share"), say("labels")), rows),
            chart,
        ]
        if len(labels) > _MOST_LABELS:
            every: tuple[tuple[Cell, ...], ...] = tuple(
                (one, *(counts[s][one] for s in used)) for one in labels
            )
            columns = (say("label"), *(say(s) for s in used))
            summary = say("All {count} labels", count=len(labels))
            blocks.append(Details(summary, (Table(columns, every),)))
        note = say("The test set is frozen: it grows with new rows and never reshuffles.")
        return Section(say("Labels and splits"), tuple(blocks), note)

    def _texts(self) -> Section:
        say = self.say
        lengths = np.array(self.table["num_chars"].to_pylist(), float)
        edges = _edges(lengths)
        counted, _ = np.histogram(np.minimum(lengths, edges[-1]), edges)
        histogram = charts.histogram(
            edges,
            [Series(say("rows"), tuple(counted.astype(float).tolist()))],
            x_label=say("characters"),
            y_label=say("rows"),
        )
        middle, far = (int(np.quantile(lengths, q)) for q in (0.5, 0.95))
        alt = say(
            "Half of the texts have at most {middle} characters, 95 of 100 at most {far}; longer "
            "ones stand in the last bar. The longest has {most}.",
            middle=middle,
            far=far,
            most=int(lengths.max()),
        )
        languages = Counter(self.table["language"].to_pylist())
        names = [name for name, _ in languages.most_common()]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (say(_LANGUAGES[name]), languages[name], Bar(languages[name] / len(self.table)))
            for name in names
        )
        blocks: tuple[Block, ...] = (
            ChartBlock(say("Length of texts"), histogram, alt),
            Prose(alt),
            Table((say("language"), say("rows"), say("share")), rows),
        )
        return Section(say("Texts"), blocks)

    def _alike(self) -> Section:
        say = self.say
        places: dict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(self.table["cluster"].to_pylist()):
            if name is not None:
                places[name].append(place)
        ranked = sorted(places, key=lambda name: (-len(places[name]), name))
        if not ranked:
            return Section(
                say("Texts that are nearly the same"),
                (Prose(say("No two texts are nearly the same.")),),
            )
        sizes = Counter(len(found) for found in places.values())
        wide = sorted(sizes)
        chart = charts.stacked_bars(
            [say("{count} texts", count=size) for size in wide],
            [Series(say("clusters"), tuple(float(sizes[size]) for size in wide))],
        )
        total = sum(map(len, places.values()))
        alt = say("{rows} rows are in {count} clusters.", rows=total, count=len(ranked))
        examples = tuple(
            Details(
                say("{count} texts", count=len(places[name])) + f" · {self._text(places[name][0])}",
                (self._cluster(places[name]),),
            )
            for name in ranked[:_EXAMPLES]
        )
        note = say(
            "They are kept, and a cluster never stands on two sides of the split: a model cannot "
            "be tested on what it has nearly seen."
        )
        shown = ChartBlock(say("Clusters by size"), chart, alt)
        blocks: tuple[Block, ...] = (Prose(alt), shown, *examples)
        return Section(say("Texts that are nearly the same"), blocks, note)

    def _cluster(self, places: Sequence[int]) -> Table:
        say = self.say
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (self._text(p), ", ".join(self.targets[p] or ()), say(self.splits[p] or "none"))
            for p in places[:_MOST_ROWS]
        )
        count = len(places) - len(rows)
        caption = say("{count} more", count=count) if count else ""
        return Table((say("text"), say("label"), say("split")), rows, caption)

    def _text(self, place: int) -> str:
        return _short(join_text(self.table["fields"][place].as_py(), self.columns))

    def _people(self) -> Section | None:
        say = self.say
        blocks: list[Block] = []
        fields = self.card["schema"]["fields"]
        groups = Counter(value or say("none") for value in self.table["group"].to_pylist())
        if fields["group"]:
            ranked = [name for name, _ in groups.most_common(_MOST_ROWS)]
            values = tuple(float(groups[name]) for name in ranked)
            chart = charts.bars(ranked, Series(say("rows"), values))
            alt = "; ".join(f"{name}: {groups[name]}" for name in ranked)
            title = say("Rows of each value of {column}", column=fields["group"])
            blocks.append(ChartBlock(title, chart, alt))
        subjects = Counter(value for value in self.table["subject"].to_pylist() if value)
        if subjects:
            text = "{count} different people or things in {column}; the busiest has {most} rows."
            most = max(subjects.values())
            blocks.append(
                Prose(say(text, count=len(subjects), column=fields["subject"], most=most))
            )
        return Section(say("Groups and subjects"), tuple(blocks)) if blocks else None

    def _changes(self) -> Section:
        say, changes, feedback = self.say, self.card["changes"], self.card["feedback"]
        names = ("new", "edited", "deleted", "kept")
        blocks: list[Block] = [
            Table((say("change"), say("rows")), tuple((say(name), changes[name]) for name in names))
        ]
        if feedback["replaced"] or feedback["added"]:
            text = "Reviewed feedback replaced {replaced} labels and added {added} rows."
            blocks.append(Callout("good", say(text, **feedback)))
        if gone := feedback.get("example-gone"):
            text = "{count} reviews are about rows that have left the data; they are not used."
            blocks.append(Callout("info", say(text, count=gone)))
        return Section(say("Since the dataset before"), tuple(blocks))


def _short(text: str, most: int = _SHOWN) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _edges(lengths: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    """Even bins of a round width up to where nearly all texts end."""
    far = max(float(np.quantile(lengths, 0.99)), 10.0)
    raw = far / 24
    power = 10.0 ** np.floor(np.log10(raw))
    width = next(float(m * power) for m in (1, 2, 5, 10) if m * power >= raw)
    width = max(width, 1.0)
    return [width * step for step in range(int(far // width) + 2)]
