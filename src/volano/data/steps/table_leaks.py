"""Leaks of tables: columns that say the target because they were written after it.

A model that reads one looks perfect here and fails where the target is not yet known. A leak is
reported, never removed: only the owner of the data knows what is known when. Every figure is of
rows that were not looked at to get it, so a column of names that stand once says nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volano.core.errors import DataError
from volano.data.moments import read_moments
from volano.data.split_rows import TEST
from volano.data.steps.column_power import Column, Labels, Numbers
from volano.data.steps.identities import find_identity
from volano.data.targets import NumberTargets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from volano.data.config import FieldsConfig, SplitConfig
    from volano.data.frame import Frame, Step
    from volano.data.steps.kinds import Sample
    from volano.models.column_kinds import ColumnKind

__all__ = ["LEAKS", "Leak", "find_leaks", "note_table_leaks", "note_times", "written"]

_FEWEST = 50
_SURE, _NEARLY = 0.99, 0.95  # how far beyond guessing: 1 is every row
_STRONG_AUC = 0.995
_ORDERS, _NEARLY_ORDERS = 0.9999, 0.995  # rank correlation with a number
_STRONG_R2 = 0.99
_ONE_SIDED = 0.9  # how far rows that are filled, or not, lean to one label
_FEWEST_ONE_SIDED = 30
_CHANCE = 1e-6
_FEW_ROWS = 10  # of each value: it may say whose row it is
_FEW_LATER = 0.05  # share of other rows that come after half of the test
_AGAIN = 0.3  # share of rows whose value stands again
_PLAIN = re.compile(r"[A-Za-z_\u4e00-\u9fff][\w.\u4e00-\u9fff-]*")

_DETERMINES = (
    "The column {name!r} alone says the target in {share:.1%} of rows. If it is written after the "
    "target is known, no model may read it: data.fields.ignore: [{written}]"
)
_STRONG = (
    "The column {name!r} alone reaches {metric} {figure:.3f}. That is a great deal for one column: "
    "if it is written after the target is known, add it to data.fields.ignore: [{written}]"
)
_FILLED = (
    "The column {name!r} is filled almost only where the label is {label!r} ({share:.1%} of "
    "{count} rows): it seems to be written afterwards. data.fields.ignore: [{written}]"
)
_EMPTY = (
    "The column {name!r} is empty almost only where the label is {label!r} ({share:.1%} of "
    "{count} rows): that it is empty says the label. data.fields.ignore: [{written}]"
)
_EMPTY_NUMBER = (
    "Whether the column {name!r} is filled says much of the target (R2 {figure:.3f}): it seems to "
    "be written afterwards. data.fields.ignore: [{written}]"
)
_ORDERED = (
    "The column {name!r} puts rows in the order of the target (rank correlation {figure:.5f}): it "
    "is a copy, or a function of it. data.fields.ignore: [{written}]"
)
_IDENTITY = (
    "{formula} is the target in {share:.1%} of rows, so these columns are parts of the answer. "
    "data.fields.ignore: [{written}]"
)
_TIME = (
    "The time {name!r} alone says the label in {share:.1%} of rows: rows of one label come from "
    "another time, and a model learns when, not what. data.fields.ignore: [{written}]"
)
_WHOSE = (
    "Each value of {name!r} stands in few rows ({rows:.1f}), mostly of one label: it may say whose "
    "row it is. If so, name it as data.fields.subject; else data.fields.ignore: [{written}]"
)
_NAMES_ROWS = (
    "Columns that only name rows are no features, and are not learned from: {names}. To leave them "
    "out of requests: data.fields.ignore: [{written}]"
)
_AT_RANDOM = (
    "Rows have a time ({name!r}), and the split is at random. If the model is to foretell later "
    "rows, test it on the latest: prepare.split.by_time: true"
)
_AMONG = (
    "Rows have a time ({name!r}), and the test file is not later: {share:.0%} of other rows come "
    "after half of it. If the model is to foretell later rows, list the file without its split, "
    "and test on the latest: prepare.split.by_time: true"
)

LEAKS = frozenset({
    _DETERMINES, _STRONG, _FILLED, _EMPTY, _EMPTY_NUMBER, _ORDERED, _IDENTITY, _TIME, _WHOSE,
})  # fmt: skip


@dataclass(frozen=True)
class Leak:
    """What is told of some columns.

    Attributes:
        kind: how bad it is.
        columns: which.
        text: English with ``{names}`` to fill.
        values: to fill it with.
    """

    kind: Literal["info", "warn", "bad"]
    columns: tuple[str, ...]
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The text, filled."""
        return self.text.format(**self.values)


def note_table_leaks(sample: Sample, kinds: Mapping[str, ColumnKind]) -> Step:
    """Add a finding for each leak that these rows show."""

    def note(frame: Frame) -> Frame:
        places, table = sample
        labels = frame.numbers("_label")[places]
        is_labelled = labels >= 0
        labels, table = labels[is_labelled], table.filter(is_labelled)
        if isinstance(frame.targets, NumberTargets):
            target: Labels | Numbers = Numbers(frame.targets.values[labels])
        else:
            codes, back = np.unique(labels, return_inverse=True)
            names = tuple(", ".join(frame.targets[code]) for code in codes.tolist())
            target = Labels(back.ravel(), names)
        for leak in find_leaks(table, target, kinds):
            frame = frame.with_finding(leak.kind, leak.text, **leak.values)
        return frame

    return note


def note_times(fields: FieldsConfig, split: SplitConfig) -> Step:
    """Say that the test is of no later time than the rest, where rows have a time."""

    def note(frame: Frame) -> Frame:
        if split.by_time or not fields.time:
            return frame
        is_test = frame.numbers("_given") == TEST
        if not is_test.any():
            return frame.with_finding("info", _AT_RANDOM, name=fields.time)
        try:
            moments = read_moments(frame["time"], frame["source"], frame["line"])
        except DataError:  # in no known order, none is later
            return frame
        tested, others = (moments[which & ~np.isnan(moments)] for which in (is_test, ~is_test))
        share = float((others > np.median(tested)).mean()) if tested.size and others.size else 0.0
        if share <= _FEW_LATER:
            return frame
        return frame.with_finding("info", _AMONG, name=fields.time, share=round(share, 4))

    return note


def find_leaks(
    table: pa.Table, target: Labels | Numbers, kinds: Mapping[str, ColumnKind]
) -> list[Leak]:
    """What the columns of some rows give away, the worst first.

    Args:
        table: what a model reads, in an order that says nothing.
        target: of the rows.
        kinds: of the columns.
    """
    if table.num_rows < _FEWEST or not target.varies:
        return []
    found: list[Leak] = []
    columns = [Column.of(name, table[name], kinds[name].kind) for name in table.column_names]
    told = [one for one in columns if one.kind not in {"constant", "id", "text"}]
    for column in told:
        found += (
            _of_labels(column, target) if isinstance(target, Labels) else _of_number(column, target)
        )
    if isinstance(target, Numbers):
        taken = {name for leak in found if leak.kind == "bad" for name in leak.columns}
        found += _of_several([one for one in told if one.name not in taken], target)
    names = [one.name for one in columns if one.kind == "id"]
    if names:
        shown = {"names": ", ".join(names), "written": written(names)}
        found.append(Leak("info", tuple(names), _NAMES_ROWS, shown))
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda leak: order.index(leak.kind))


def _leak(kind: Literal["info", "warn", "bad"], name: str, text: str, **values: object) -> Leak:
    return Leak(kind, (name,), text, {"name": name, "written": written([name]), **values})


def _of_labels(column: Column, target: Labels) -> Iterator[Leak]:
    one_sided = list(_one_sided(column, target))
    if one_sided:
        yield from one_sided
        return
    name, share = column.name, target.told_by(column.codes)
    lift = target.beyond_guessing(share)
    rows = len(column.codes) / column.num_levels
    if column.kind == "category" and rows < _FEW_ROWS:
        is_again = column.is_again
        if is_again.mean() >= _AGAIN:
            told = target.at(is_again)
            if told.beyond_guessing(told.told_by(column.codes[is_again])) >= _ONE_SIDED:
                yield _leak("warn", name, _WHOSE, rows=round(rows, 1))
    elif lift >= _NEARLY and column.kind == "date":
        yield _leak("bad" if lift >= _SURE else "warn", name, _TIME, share=round(share, 4))
    elif lift >= _SURE:
        yield _leak("bad", name, _DETERMINES, share=round(share, 4))
    elif lift >= _NEARLY:
        yield _leak("warn", name, _STRONG, metric="accuracy", figure=round(share, 4))
    elif target.is_binary and (auc := target.auc(column.codes)) >= _STRONG_AUC:
        yield _leak("warn", name, _STRONG, metric="AUC", figure=round(auc, 4))


def _one_sided(column: Column, target: Labels) -> Iterator[Leak]:
    """Rows in which the column is filled, or in which it is not, that nearly all have one label."""
    for is_in, text in ((~column.is_missing, _FILLED), (column.is_missing, _EMPTY)):
        count = int(is_in.sum())
        if not _FEWEST_ONE_SIDED <= count <= len(is_in) - _FEWEST_ONE_SIDED:
            continue
        label, share, chance, lift = target.leaning(is_in)
        if lift >= _ONE_SIDED and chance < _CHANCE:
            values = {"label": target.names[label], "share": round(share, 4), "count": count}
            yield _leak("bad", column.name, text, **values)
            return


def _of_number(column: Column, target: Numbers) -> Iterator[Leak]:
    name = column.name
    if column.values is not None:
        figure = target.rank_correlation(column.values)
        if abs(figure) >= _NEARLY_ORDERS:
            kind: Literal["warn", "bad"] = "bad" if abs(figure) >= _ORDERS else "warn"
            yield _leak(kind, name, _ORDERED, figure=round(figure, 6))
            return
    explained = target.explained_by(column.codes)
    if explained >= _STRONG_R2:
        yield _leak("warn", name, _STRONG, metric="R2", figure=round(explained, 4))
    elif column.is_missing.any():
        figure = target.explained_by(column.is_missing.astype(np.int64))
        if figure >= _ONE_SIDED:
            yield _leak("warn", name, _EMPTY_NUMBER, figure=round(figure, 4))


def _of_several(columns: Sequence[Column], target: Numbers) -> Iterator[Leak]:
    """Columns that make up the target together: its parts, or the factors of a product."""
    numbers = {one.name: one.values for one in columns if one.kind == "number"}
    known: dict[str, NDArray[np.float64]] = {n: v for n, v in numbers.items() if v is not None}
    identity = find_identity(known, target.value_N)
    if identity is not None:
        values = {"formula": identity.formula, "share": round(identity.share, 4)}
        shown = {**values, "written": written(identity.columns)}
        yield Leak("bad", identity.columns, _IDENTITY, shown)


def written(names: Sequence[str]) -> str:
    """Names as they stand in a list of YAML."""
    return ", ".join(
        name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names
    )
