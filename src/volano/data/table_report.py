"""The parts of the data report that only a table has: columns, numbers, leaks and equal rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.pages import (
    Bar,
    Callout,
    ChartBlock,
    Details,
    Prose,
    Section,
    Series,
    Table,
    charts,
)
from volano.data.frame import flat
from volano.data.split_rows import SPLITS
from volano.data.spool import examples_of
from volano.data.steps.column_power import seconds_of
from volano.data.steps.table_leaks import LEAKS
from volano.data.steps.wording import normal_cells
from volano.models.column_kinds import read_each, read_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from volano.core.nouns import Dataset
    from volano.core.pages import Block, Cell, Language, Translate

__all__ = ["TableParts", "describe", "is_leak"]

_LOOKED_AT = 50_000  # rows
_BLOCKS = 16  # places of a large file at which some are looked at
_MOST_CHARTS = 40
_MOST_VALUES = 10
_MOST_GROUPS = 5
_BINS = 20
_YEAR = 365.2425 * 86_400
_SHOWN = 160  # characters


def is_leak(finding: Mapping[str, Any]) -> bool:
    """Whether a finding of the card is about a column that gives the target away."""
    return finding["text"] in LEAKS


@dataclass(frozen=True)
class _Looks:
    """What a column looks like in the rows that were looked at."""

    name: str
    kind: str
    because: str
    missing: float
    num_values: int
    values: NDArray[np.float64] | None
    counts: Counter[str]


class TableParts:
    """Sections about a table, each from the card or from the rows.

    Args:
        dataset: a prepared one.
        say: texts in the language of the reader.
        language: of the reader.
    """

    def __init__(self, dataset: Dataset, say: Translate, language: Language) -> None:
        self._dataset = dataset
        self._say = say
        self._language = language
        self._reads = list(dataset.card["schema"]["reads"])

    def columns(self) -> Section:
        """What each column holds, and what it looks like."""
        say, examples = self._say, examples_of(self._dataset.folder, ["fields"])
        places = _spread(len(examples))
        fields = flat(examples.take(places))
        kinds = self._dataset.card["schema"].get("kinds", {})
        looks = [self._look(name, fields[name], kinds.get(name, {})) for name in self._reads]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                one.name,
                say(one.kind),
                one.because,
                Bar(one.missing),
                one.num_values,
                self._shown(one),
            )
            for one in looks
        )
        names = ("column", "kind", "why", "missing", "different", "range or commonest")
        blocks: list[Block] = [Table(tuple(say(name) for name in names), rows)]
        blocks += [self._chart(one) for one in looks[:_MOST_CHARTS] if one.num_values > 1]
        note = say(
            "A kind that is wrong is put right with data.fields.kinds; a column that no model may "
            "read is named in data.fields.ignore."
        )
        if len(places) < len(examples):
            text = "Looked at {count} rows of {total}, spread over the files."
            blocks.insert(0, Prose(say(text, count=len(places), total=len(examples))))
        return Section(say("Columns"), tuple(blocks), note)

    def _look(self, name: str, column: pa.ChunkedArray, told: Mapping[str, Any]) -> _Looks:
        kind = told.get("kind", "category")
        cells = normal_cells(column)
        written = column.combine_chunks().filter(cells.is_valid())
        counted: Counter[str] = Counter()
        if not pa.types.is_nested(written.type):
            for one in pc.value_counts(written).to_pylist():
                counted[str(one["values"]).strip()] += one["counts"]
        values = None
        if kind in {"number", "date"}:
            values = read_numbers(column) if kind == "number" else read_each(column, seconds_of)
            values = values[~np.isnan(values)]
        return _Looks(
            name,
            kind,
            told.get("because", {}).get(self._language, ""),
            cells.null_count / max(len(cells), 1),
            pc.count_distinct(cells).as_py(),
            values if values is not None and len(values) else None,
            counted,
        )

    def _shown(self, look: _Looks) -> str:
        say, values = self._say, look.values
        if values is not None and look.kind == "number":
            low, middle, high = (f"{np.quantile(values, q):.6g}" for q in (0, 0.5, 1))
            return say("{low} to {high}, half up to {middle}", low=low, high=high, middle=middle)
        if values is not None:
            ends = np.array([values.min(), values.max()]).astype("datetime64[s]")
            first, last = (str(end).replace("T", " ").removesuffix(" 00:00:00") for end in ends)
            return say("{first} to {last}", first=first, last=last)
        top = look.counts.most_common(3)
        return _short(", ".join(f"{_short(name, 30)} ({count})" for name, count in top))

    def _chart(self, look: _Looks) -> Details:
        say, title = self._say, f"{look.name} · {self._say(look.kind)}"
        if look.values is not None:
            is_date = look.kind == "date"
            values = 1970 + look.values / _YEAR if is_date else look.values
            label = say("year") if is_date else look.name
            return Details(
                title, (self.histogram(look.name, [("", values)], label, is_year=is_date),)
            )
        top = look.counts.most_common(_MOST_VALUES)
        names, counts = [_short(name, 40) for name, _ in top], [float(n) for _, n in top]
        rest = look.counts.total() - int(sum(counts))
        if rest:
            names.append(say("all others"))
            counts.append(float(rest))
        chart = charts.stacked_bars(names, [Series(say("rows"), tuple(counts))])
        alt = "; ".join(f"{name}: {int(n)}" for name, n in zip(names, counts, strict=True))
        return Details(title, (ChartBlock(look.name, chart, alt),))

    def histogram(
        self,
        title: str,
        parts: Sequence[tuple[str, NDArray[np.float64]]],
        x_label: str,
        *,
        is_year: bool = False,
    ) -> ChartBlock:
        """How values fall; the few that lie far out stand in the first and the last bin."""
        say = self._say
        whole = np.concatenate([values for _, values in parts])
        edges = _round_edges(whole)
        series = [
            Series(name or say("rows"), tuple(_counted(values, edges).tolist()))
            for name, values in parts
        ]
        chart = charts.histogram(
            edges.tolist(), series, x_label=x_label, y_label=say("rows"), format="count"
        )
        quantiles = np.quantile(whole, (0.05, 0.5, 0.95))
        if is_year:
            seconds = ((quantiles - 1970) * _YEAR).astype("datetime64[s]")
            low, middle, high = (str(one)[:10] for one in seconds)
        else:
            low, middle, high = (f"{one:.6g}" for one in quantiles)
        alt = say(
            "Half of the values are at most {middle}; nine in ten lie between {low} and {high}.",
            low=low,
            middle=middle,
            high=high,
        )
        return ChartBlock(title, chart, alt)

    def numbers(
        self, values: NDArray[np.float64], numbers: NDArray[np.int32], splits: NDArray[np.int8]
    ) -> Section:
        """The target's numbers in each split.

        Args:
            values: the targets.
            numbers: of each row, the place of its target among them; -1 for none.
            splits: numbers of splits.
        """
        say, rows, parts = self._say, [], []
        for number, split in enumerate(SPLITS[1:], start=1):
            found = values[numbers[(splits == number) & (numbers >= 0)]]
            if len(found):
                low, middle, high = np.quantile(found, (0.05, 0.5, 0.95)).tolist()
                share = len(found) / max(int((splits > 0).sum()), 1)
                cells = (float(found.mean()), float(found.std()), low, middle, high)
                rows.append((say(split), len(found), Bar(share), *cells))
                parts.append((say(split), found))
        names = ("split", "rows", "share", "mean", "deviation", "5 %", "half", "95 %")
        target = self._dataset.card["schema"]["fields"]["target"]
        blocks: tuple[Block, ...] = (
            Table(tuple(say(name) for name in names), tuple(rows)),
            self.histogram(say("The numbers of {column}", column=target), parts, target),
        )
        note = say("The test set is frozen: it grows with new rows and never reshuffles.")
        return Section(say("Target and splits"), blocks, note)

    def leaks(self, said: Callable[[Mapping[str, Any]], str]) -> Section:
        """Columns that give the target away."""
        say = self._say
        found = [one for one in self._dataset.card["findings"] if is_leak(one)]
        blocks: tuple[Block, ...] = tuple(Callout(one["kind"], said(one)) for one in found)
        if not blocks:
            blocks = (Prose(say("No column was found that gives the target away.")),)
        note = say(
            "A column that is written after the target is known makes every score look better than "
            "it will be. Nothing is removed: only you know what is known when."
        )
        return Section(say("Leaks"), blocks, note)

    def equal_rows(
        self, codes: NDArray[np.int64], splits: NDArray[np.int8], labels: Callable[[int], str]
    ) -> Section:
        """Rows that are equal in all that a model reads.

        Args:
            codes: the number of each row's group; -1 for a row alone.
            splits: numbers of splits.
            labels: the target of the row at a place, as text.
        """
        say = self._say
        title = say("Rows that are equal")
        sizes = np.bincount(codes[codes >= 0])
        if not len(sizes):
            text = say("No two rows are equal in all columns that a model reads.")
            return Section(title, (Prose(text),))
        text = "{rows} rows are equal to another; {count} of them differ."
        blocks: list[Block] = [Prose(say(text, rows=int(sizes.sum()), count=len(sizes)))]
        for group in np.argsort(-sizes, kind="stable")[:_MOST_GROUPS].tolist():
            blocks.append(self._group(np.flatnonzero(codes == group), splits, labels))
        note = say(
            "They are kept: people may well be alike. They stand on one side of the split, so that "
            "a model is not tested on what it has seen."
        )
        return Section(title, tuple(blocks), note)

    def _group(
        self, places: NDArray[np.int64], splits: NDArray[np.int8], labels: Callable[[int], str]
    ) -> Details:
        say = self._say
        columns = [f"fields.{name}" for name in self._reads]
        row = flat(examples_of(self._dataset.folder, columns).take(places[:1])).to_pylist()[0]
        cells: tuple[tuple[Cell, ...], ...] = tuple(
            (name, _short(str(row[name]))) for name in self._reads if row[name] is not None
        )
        sides = np.bincount(splits[places], minlength=len(SPLITS))
        where = ", ".join(
            f"{say(split or 'none')} {sides[n]}" for n, split in enumerate(SPLITS) if sides[n]
        )
        told = Counter(labels(place) for place in places[:1_000].tolist()).most_common(3)
        shown = ", ".join(f"{name} ({count})" for name, count in told)
        title = say("{count} rows", count=len(places)) + f" ({where}) · {_short(shown)}"
        return Details(title, (Table((say("column"), say("value")), cells),))


def describe(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A row of a table in one line: its first columns with their values."""
    return ", ".join(f"{name}: {row[name]}" for name in columns if row.get(name) is not None)


def _spread(count: int) -> NDArray[np.int64]:
    """All places, or some runs of them, evenly spread: few parts of the file have to be read."""
    if count <= _LOOKED_AT:
        return np.arange(count)
    size = _LOOKED_AT // _BLOCKS
    starts = np.linspace(0, count - size, _BLOCKS).astype(np.int64)
    found: NDArray[np.int64] = (starts[:, None] + np.arange(size)).ravel()
    return found


def _round_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Even edges of a round width between where most values begin and end."""
    low, high = np.quantile(values, (0.005, 0.995)).tolist()
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    raw = (high - low) / _BINS
    power = 10.0 ** np.floor(np.log10(raw))
    width = next(float(m * power) for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = np.floor(low / width)
    return np.arange(first, np.floor(high / width) + 2) * width


def _counted(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    return np.histogram(inside, edges)[0].astype(np.float64)


def _short(text: str, most: int = _SHOWN) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
