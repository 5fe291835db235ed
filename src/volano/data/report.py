"""The data report: what came in, what was lost and why, and what is left, as one page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
from volano.data.frame import flat
from volano.data.split import split_numbers
from volano.data.split_rows import SPLITS
from volano.data.spool import examples_of
from volano.data.steps.texts import join_text, normalise, texts_of
from volano.data.table_report import TableParts, describe, is_leak
from volano.data.targets import NumberTargets, count_targets, number_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Dataset
    from volano.core.pages import Block, Cell, Language, Translate
    from volano.tasks import Task

__all__ = ["data_page"]

_SPLITS = SPLITS[1:]
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
_ROWS_AT_ONCE = 16_384
_SHOWN = 160  # characters of a text in a table
_MOST_LABELS = 60
_MOST_ROWS = 12
_MOST_SIZES = 12
_OF_TEXTS = ("num_chars", "language")
_SIDES = ("id", "target", "split", "num_chars", "language", "cluster", "group", "subject")


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
        sides = [name for name in _SIDES if task.input == "text" or name not in _OF_TEXTS]
        parts = [table for _, table in examples_of(dataset.folder, sides)]
        self.table = pa.concat_tables(parts)
        self.splits = split_numbers(self.table["split"])
        self.numbers, self.targets = number_targets(self.table["target"], task)
        self.is_table = task.input == "columns"
        schema = self.card["schema"]
        self.columns = list(schema.get("reads", schema["fields"]["text"]))

    def page(self) -> Page:
        sections = (
            self._findings(),
            self._journey(),
            *(self._of_table() if self.is_table else self._of_texts()),
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

    def _of_texts(self) -> tuple[Section, ...]:
        return self._labels(), self._texts(), self._alike()

    def _of_table(self) -> tuple[Section, ...]:
        parts = TableParts(self.dataset, self.say, self.language)
        coded = self.table["cluster"].combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        if isinstance(self.targets, NumberTargets):
            target = parts.numbers(self.targets.values, self.numbers, self.splits)
        else:
            target = self._labels()
        equal = parts.equal_rows(codes, self.splits, self._target_at)
        return target, parts.columns(), parts.leaks(self._said), equal

    def _target_at(self, place: int) -> str:
        number = self.numbers[place]
        return ", ".join(self.targets[number]) if number >= 0 else "–"

    def _facts(self) -> tuple[Fact, ...]:
        say, counts = self.say, self.card["counts"]
        if self.is_table and isinstance(self.targets, NumberTargets):
            told = Fact(say("columns read"), len(self.columns))
        else:
            told = Fact(say("labels"), len({label for one in self.targets for label in one}))
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
            told,
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
        if self.is_table:  # leaks have a section of their own
            found = [one for one in found if not is_leak(one)]
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
        lost: Counter[str] = Counter()
        file = pq.ParquetFile(self.dataset.folder / "dropped.parquet")
        for batch in file.iter_batches(columns=["source"]):
            lost.update(_counts(batch["source"]))
        return lost

    @cached_property
    def _first_dropped(self) -> Mapping[str, list[dict[str, Any]]]:
        """The first rows dropped for each reason."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        file = pq.ParquetFile(self.dataset.folder / "dropped.parquet")
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            for reason in pc.unique(batch["reason"]).to_pylist():
                wanted = _EXAMPLES - len(found[reason])
                if wanted:
                    rows = batch.filter(pc.equal(batch["reason"], reason)).slice(0, wanted)
                    found[reason] += rows.to_pylist()
        return found

    def _drops(self) -> list[Block]:
        say, dropped = self.say, self.card["dropped"]
        if not dropped:
            return [Prose(say("No row was dropped."))]
        reasons = sorted(dropped, key=lambda reason: (-dropped[reason], reason))
        values = tuple(float(dropped[reason]) for reason in reasons)
        chart = charts.bars([say(reason) for reason in reasons], Series(say("rows"), values))
        alt = "; ".join(f"{say(reason)}: {dropped[reason]}" for reason in reasons)
        blocks: list[Block] = [ChartBlock(say("Rows dropped, by reason"), chart, alt)]
        for reason in reasons:
            title = say("{reason}: {count} rows", reason=say(reason), count=dropped[reason])
            blocks.append(
                Details(
                    title,
                    (
                        Prose(say(_REASONS.get(reason, reason))),
                        self._lost_rows(self._first_dropped[reason]),
                    ),
                )
            )
        return blocks

    def _lost_rows(self, rows: Sequence[Mapping[str, Any]]) -> Table:
        say = self.say
        target = self.card["schema"]["fields"]["target"]
        shown = []
        for row in rows:
            fields = json.loads(row["fields"])
            say_row = describe if self.is_table else join_text
            text = _short(say_row(fields, self.columns))
            place = f"{row['source']}:{row['line']}"
            shown.append((place, text, str(fields.get(target, "")), _short(row["detail"], 80)))
        what = say("row") if self.is_table else say("text")
        columns = (say("place"), what, say("label"), say("detail"))
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
        in_split = {split: self.splits == SPLITS.index(split) for split in _SPLITS}
        counts = {s: count_targets(self.numbers[in_split[s]], self.targets) for s in _SPLITS}
        total = sum(counts.values(), Counter[str]())
        labels = sorted(total, key=lambda label: (-total[label], label))
        shown = labels[:_MOST_LABELS]
        used = [split for split in _SPLITS if in_split[split].any()]
        splits = self._splits(in_split, used, counts)
        if not labels:
            nobody = Prose(say("No row has a label: nobody has said of any what it is."))
            return Section(say("Labels and splits"), (splits, nobody), self._frozen)
        parts = [Series(say(s), tuple(float(counts[s][one]) for one in shown)) for s in used]
        alt = say(
            "The most common label is {top} with {most} rows, the rarest {last} with {least}.",
            top=labels[0],
            most=total[labels[0]],
            last=labels[-1],
            least=total[labels[-1]],
        )
        chart = ChartBlock(say("Rows of each label"), charts.stacked_bars(shown, parts), alt)
        blocks: list[Block] = [splits, chart]
        if len(labels) > _MOST_LABELS:
            every: tuple[tuple[Cell, ...], ...] = tuple(
                (one, *(counts[s][one] for s in used)) for one in labels
            )
            columns = (say("label"), *(say(s) for s in used))
            summary = say("All {count} labels", count=len(labels))
            blocks.append(Details(summary, (Table(columns, every),)))
        return Section(say("Labels and splits"), tuple(blocks), self._frozen)

    @property
    def _frozen(self) -> str:
        return self.say("The test set is frozen: it grows with new rows and never reshuffles.")

    def _splits(
        self,
        in_split: Mapping[str, NDArray[np.bool_]],
        used: Sequence[str],
        counts: Mapping[str, Counter[str]],
    ) -> Table:
        """How many rows each split has, and how many labels; where few have one, how many have."""
        say, total = self.say, sum(int(is_in.sum()) for is_in in in_split.values())
        titles = ["split", "rows", "share", "labels"]
        rows: list[tuple[Cell, ...]] = [
            (say(s), num := int(in_split[s].sum()), Bar(num / max(total, 1)), len(counts[s]))
            for s in used
        ]
        if not self.task.needs_target:
            titles.append("labelled rows")
            known = [int((self.numbers[in_split[s]] >= 0).sum()) for s in used]
            rows = [(*row, num) for row, num in zip(rows, known, strict=True)]
        return Table(tuple(map(say, titles)), tuple(rows))

    def _texts(self) -> Section:
        say = self.say
        lengths = self.table["num_chars"].to_numpy().astype(float)
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
        languages = _counts(self.table["language"])
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
        coded = self.table["cluster"].combine_chunks().dictionary_encode()
        names, codes = coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy()
        if not names:
            return Section(
                say("Texts that are nearly the same"),
                (Prose(say("No two texts are nearly the same.")),),
            )
        rows = np.bincount(codes[codes >= 0])
        ranked = sorted(range(len(names)), key=lambda n: (-int(rows[n]), names[n]))
        alt = say("{rows} rows are in {count} clusters.", rows=int(rows.sum()), count=len(names))
        found = [np.flatnonzero(codes == number) for number in ranked[:_EXAMPLES]]
        note = say(
            "They are kept, and a cluster never stands on two sides of the split: a model cannot "
            "be tested on what it has nearly seen."
        )
        shown = ChartBlock(say("Clusters by size"), self._sizes(rows), alt)
        blocks: list[Block] = [Prose(alt), shown]
        across = self._across(codes)
        if across:
            text = "{count} clusters have rows on several sides, since the files are split so."
            blocks.append(Callout("warn", say(text, count=across)))
        blocks += [self._cluster(places) for places in found]
        return Section(say("Texts that are nearly the same"), tuple(blocks), "" if across else note)

    def _sizes(self, rows: NDArray[np.int64]) -> Any:
        say = self.say
        sizes, counts = np.unique(rows, return_counts=True)
        words = [say("{count} texts", count=int(size)) for size in sizes[:_MOST_SIZES].tolist()]
        bars = counts[:_MOST_SIZES].astype(float).tolist()
        if len(sizes) > _MOST_SIZES:
            words.append(say("more than {count} texts", count=int(sizes[_MOST_SIZES - 1])))
            bars.append(float(counts[_MOST_SIZES:].sum()))
        return charts.stacked_bars(words, [Series(say("clusters"), tuple(bars))])

    def _across(self, codes: NDArray[np.int64]) -> int:
        """How many clusters have rows in more than one split."""
        is_in = (codes >= 0) & (self.splits > 0)
        low, high = np.full(codes.max() + 1, 9, np.int8), np.zeros(codes.max() + 1, np.int8)
        np.minimum.at(low, codes[is_in], self.splits[is_in])
        np.maximum.at(high, codes[is_in], self.splits[is_in])
        return int((low < high).sum())

    def _cluster(self, places: NDArray[np.int64]) -> Details:
        """One cluster: where its rows stand, some of their texts, and how alike those are."""
        say = self.say
        shown = places[:_MOST_ROWS]
        texts = self._texts_at(shown)
        labels = [self.numbers[place] for place in shown]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                _short(text),
                ", ".join(self.targets[label]) if label >= 0 else "",
                say(SPLITS[self.splits[place]] or "none"),
                f"{share:.0%}",
            )
            for place, text, label, share in zip(shown, texts, labels, _nearest(texts), strict=True)
        )
        count = len(places) - len(rows)
        caption = say("{count} more", count=count) if count else ""
        sides = np.bincount(self.splits[places], minlength=len(SPLITS))
        where = ", ".join(
            f"{say(split or 'none')} {sides[n]}" for n, split in enumerate(SPLITS) if sides[n]
        )
        title = say("{count} texts", count=len(places)) + f" ({where}) · {_short(texts[0])}"
        note = say(
            "Alike: how many of all pieces of three characters a text shares with the text shown "
            "that is most like it."
        )
        columns = (say("text"), say("label"), say("split"), say("alike"))
        return Details(title, (Table(columns, rows, caption), Prose(note)))

    def _texts_at(self, places: NDArray[np.int64]) -> list[str]:
        columns = [f"fields.{name}" for name in self.columns]
        rows = examples_of(self.dataset.folder, columns).take(places)
        return texts_of(flat(rows), self.columns)

    def _people(self) -> Section | None:
        say = self.say
        blocks: list[Block] = []
        fields = self.card["schema"]["fields"]
        if fields["group"]:
            groups: Counter[str] = Counter()
            for value, count in _counts(self.table["group"]).items():
                groups[value or say("none")] += count
            ranked = [name for name, _ in groups.most_common(_MOST_ROWS)]
            values = tuple(float(groups[name]) for name in ranked)
            chart = charts.bars(ranked, Series(say("rows"), values))
            alt = "; ".join(f"{name}: {groups[name]}" for name in ranked)
            title = say("Rows of each value of {column}", column=fields["group"])
            blocks.append(ChartBlock(title, chart, alt))
        subjects = _counts(self.table["subject"].drop_null())
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


def _counts(column: Any) -> Counter[Any]:
    """How often each value stands."""
    return Counter({one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist()})


def _nearest(texts: Sequence[str]) -> list[float]:
    """For each text the Jaccard similarity of its shingles to those of the text most like it."""
    from volano.data.steps.shingles import shingle

    found = shingle(pa.array([normalise(text) for text in texts], pa.large_string()))
    bounds = zip(found.starts_T.tolist(), found.sizes_T.tolist(), strict=True)
    sets = [set(found.codes_S[start : start + size].tolist()) for start, size in bounds]
    return [
        max((_jaccard(one, other) for m, other in enumerate(sets) if m != n), default=1.0)
        for n, one in enumerate(sets)
    ]


def _jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0


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
