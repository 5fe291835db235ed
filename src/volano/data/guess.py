"""Guess how a file is to be read and what its columns mean, and say why for each guess."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.cells import is_missing
from volano.core.encoding import decode
from volano.core.errors import DataError
from volano.data.choices import LIKELY, SURE, UNSURE, Choice, Guess
from volano.data.columns import require_column
from volano.data.config import FieldsConfig, SourceConfig
from volano.data.far_values import find_far_value, is_again
from volano.data.guess_table import TABLES, guess_table, guess_task
from volano.data.profiles import NAMES, Column, split_separator
from volano.data.sources import DELIMITED, READERS, join, read_source
from volano.data.sources.absent import without_said
from volano.data.sources.batch import stat_source
from volano.data.sources.decimals import (
    find_decimal_commas,
    find_decimal_points,
    read_decimal_commas,
)
from volano.data.sources.files import suffix_of
from volano.data.steps.texts import detect_language
from volano.models.column_kinds import read_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from volano.data.sources import Batch, Reader
    from volano.tasks.task import Task

__all__ = ["Choice", "Guess", "guess_project"]

_LONGEST_NAME = 40  # characters of a header cell
_MOST_LABELS = 500
_FEWEST_COUNTED = 4  # columns
_ENOUGH = 100_000  # rows
_UNKNOWN = (
    "unknown",
    "oos",
    "out_of_scope",
    "out-of-scope",
    "none",
    "none of these",
    "未知",
    "以上都不是",
)
_NAMES_FILES = ("labels.txt", "label_names.txt", "classes.txt", "names.txt", "categories.txt")


def guess_project(
    path: Path,
    *,
    source: SourceConfig | None = None,
    text: str | tuple[str, ...] = "",
    target: str = "",
    task: Task | None = None,
    readers: Mapping[str, Reader] = READERS,
) -> Guess:
    """Look at the first rows of a file or folder and guess what a project needs to know about it.

    Args:
        path: the file or folder.
        source: what is known of it; an address where ``path`` is a copy.
        text: the text column or columns, where known.
        target: the label column, where known.
        task: the kind of work, where known.
        readers: the reader for each ending of a file name.

    Raises:
        DataError: the file cannot be read, or no column can be the text or the label.
    """
    stat_source(path)
    choices: dict[str, Choice] = {}
    known = source or SourceConfig(path=path.name)
    source, batch = _read(path, known, readers, choices, (*_tuple(text), *_tuple(target)))
    columns = _columns(batch)
    missing = _far_below(columns, batch) if not source.cells.missing else {}
    if missing:
        told = tuple(f"{value} in {name}" for name, (value,) in missing.items())
        because = "far below all other numbers there, and again and again"
        choices["missing"] = Choice(told, because, LIKELY)
        source = _with_cells(source, missing=missing)
        columns = _columns(replace(batch, table=without_said(batch.table, missing)))
    given = _tuple(text)
    for name in (*given, *_tuple(target)):
        require_column(name, tuple(columns), where=f"{path}:1")
    if target in given:
        raise DataError(
            "{target!r} cannot be both text and target: the answer would be read",
            where=str(path),
            fix="name two columns: --text COLUMN --target COLUMN",
            target=target,
        )
    if task is not None:
        choices["task"] = Choice(task.name, "you named it", 1.0)
    elif not path.is_dir():
        choices["task"] = guess_task(columns, given, target)
        task = TABLES.get(str(choices["task"].value))
    if task is not None and task.input == "columns":
        return guess_table(source, batch, columns, target, task, choices)
    label = _target(columns, target, given, path)
    choices["target"] = label
    taken = {str(label.value)}
    choices["text"] = _text(columns, given, taken, path)
    texts = _tuple(choices["text"].value)
    taken |= {*texts, *_copies(columns, label)}
    for part, guess in (("time", _time), ("subject", _subject), ("key", _key), ("group", _group)):
        found = guess([column for name, column in columns.items() if name not in taken])
        if found is not None:
            choices[part] = found
            taken.add(str(found.value))
    separator, labels = _labels(columns[str(label.value)], choices)
    names = _names_file(path, labels, choices)
    return Guess(
        source=source.model_copy(update={"key": source.key or _sure_key(choices)}),
        fields=FieldsConfig(
            text=texts[0] if len(texts) == 1 else texts,
            target=str(label.value),
            **{part: _value(choices, part) for part in ("group", "subject", "time")},
        ),
        separator=separator,
        names=names,
        unknown=_unknown(labels, choices),
        labels=labels,
        language=_language([columns[name] for name in texts], choices),
        num_rows=batch.table.num_rows,
        choices=choices,
        task=str(choices["task"].value) if "task" in choices else "text-classification",
    )


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return value


def _value(choices: Mapping[str, Choice], part: str) -> str:
    return str(choices[part].value) if part in choices else ""


def _sure_key(choices: Mapping[str, Choice]) -> str:
    """A wrong key renames every row, so one that only looks like a key is told and not used."""
    return str(choices["key"].value) if "key" in choices and choices["key"].is_sure else ""


def _read(
    path: Path,
    known: SourceConfig,
    readers: Mapping[str, Reader],
    choices: dict[str, Choice],
    named: Sequence[str],
) -> tuple[SourceConfig, Batch]:
    """The first rows, and how to read them; a headerless file gets numbered columns."""
    suffix = suffix_of(path)
    if path.is_dir() or suffix not in DELIMITED or not known.header:
        return known, _first_rows(path, known, readers)
    plain = known.model_copy(update={"header": False})
    batch = _first_rows(path, plain, readers)
    delimiter = batch.facts.get("delimiter", "")
    choices["delimiter"] = Choice(delimiter, "most rows are equally wide with it", SURE)
    header = _header([batch.table[n].to_pylist() for n in batch.table.column_names], named)
    choices["header"] = header
    if header.value == "yes":
        source, batch = known, _first_rows(path, known, readers)
    else:
        source = plain.model_copy(update={"columns": tuple(batch.table.column_names)})
    # With other delimiters "27,5" may as well be two labels; who needs a decimal comma needs ";".
    is_asked = source.cells.decimal == "point" and delimiter in ("semicolon", "whitespace")
    with_comma = find_decimal_commas(batch.table, is_missing) if is_asked else ()
    if not with_comma:
        return source, batch
    because = f"so numbers are written in {', '.join(with_comma)}"
    choices["decimal"] = Choice("comma", because, LIKELY)
    pointed = find_decimal_points(batch.table)
    if pointed:  # "13.405" beside "1,50" is 13405, or a little over 13
        because += f", and with a point in {', '.join(pointed)}: 1.234 is read as 1234"
        choices["decimal"] = Choice("comma", because, UNSURE, ("point",))
    return (
        _with_cells(source, decimal="comma"),
        replace(batch, table=read_decimal_commas(batch.table)),
    )


def _with_cells(source: SourceConfig, **said: Any) -> SourceConfig:
    return source.model_copy(update={"cells": source.cells.model_copy(update=said)})


def _columns(batch: Batch) -> dict[str, Column]:
    return {
        name: Column.of(name, batch.table[name].to_pylist()) for name in batch.table.column_names
    }


def _far_below(columns: Mapping[str, Column], batch: Batch) -> dict[str, tuple[str]]:
    """By column, what surely stands for a missing value there, such as -200 among 0, 1.5 and 60.

    Where one column has it beyond doubt, far below numbers from 0 on, others may have it too: among
    many numbers of which none lies half as low. What is far above is told by each turn.
    """
    numbers = {n: read_numbers(batch.table[n]) for n, one in columns.items() if one.is_numeric}
    far = {name: found for name, one in numbers.items() if (found := find_far_value(one))}
    below = {one.value: one.text for one in far.values() if one.value < 0 <= one.low}
    told: dict[str, tuple[str]] = {}
    for value, text in sorted(below.items()):
        for name, number_N in numbers.items():
            if name in told or not is_again(number_N, value):
                continue
            is_far = name in far and far[name].value == value
            if is_far or np.nanmin(number_N[number_N != value]) > value / 2:
                told[name] = (text,)
    return told


def _first_rows(path: Path, source: SourceConfig, readers: Mapping[str, Reader]) -> Batch:
    """Enough rows to guess from; a large file is not read whole."""
    found: list[Batch] = []
    for batch in read_source(path, source, readers):
        found.append(batch)
        if sum(one.table.num_rows for one in found) >= _ENOUGH:
            break
    return join(found)


def _header(columns: Sequence[Sequence[str]], named: Sequence[str]) -> Choice:
    first = [column[0].strip() for column in columns if column]
    if named and set(named) <= set(first):
        return Choice("yes", "the first line holds the columns that were named", SURE)
    if _is_counted([cell for cell in first if cell]):
        return Choice("yes", "the first line counts the columns", LIKELY)
    known = {word for words in NAMES.values() for word in words}
    if any(cell.casefold() in known for cell in first):
        return Choice("yes", "the first line holds words that name columns", SURE)
    for cell, column in zip(first, columns, strict=True):
        if cell and cell in (other.strip() for other in column[1:2000]):
            return Choice("no", f"{cell[:30]!r} of the first line stands again below", SURE)
        if len(cell) > _LONGEST_NAME:
            return Choice("no", f"{cell[:30]!r}… is too long to name a column", SURE)
        if cell.replace(".", "", 1).replace(",", "").isdecimal():
            return Choice("no", f"{cell!r} in the first line is a number", SURE)
    return Choice("yes", "the cells of the first line are short and stand nowhere else", LIKELY)


def _is_counted(cells: Sequence[str]) -> bool:
    """Whether these are 0, 1, 2 … or 1, 2, 3 …, as tables without names are saved."""
    counted = [[str(place + first) for place in range(len(cells))] for first in (0, 1)]
    return len(cells) >= _FEWEST_COUNTED and list(cells) in counted


def _text(
    columns: Mapping[str, Column], given: tuple[str, ...], taken: set[str], path: Path
) -> Choice:
    if given:
        return Choice(given, "you named it", 1.0)
    free = [c for name, c in columns.items() if name not in taken and not c.is_numeric]
    free = [column for column in free if column.is_prose and not column.is_time]
    if not free:
        raise DataError("no column holds text", where=str(path), fix="name it: --text COLUMN")
    ranked = sorted(free, key=lambda c: (-_text_score(c), c.name))
    best = ranked[0]
    others = tuple(c.name for c in ranked[1:4] if _text_score(c) > 0.2 * _text_score(best))
    titles = [c for c in ranked[1:] if c.hint("title") and c.variety > 0.3 and c.mean_length > 8]
    reason = f"long and varied: {best.mean_length:.0f} wide, {best.variety:.0%} different"
    sure = SURE if not others or best.hint("text") else UNSURE
    if titles and best.hint("text"):
        pair = (titles[0].name, best.name)
        return Choice(pair, f"a title and a body ({reason})", LIKELY, (best.name,))
    return Choice((best.name,), reason, sure, others)


def _text_score(column: Column) -> float:
    return min(column.mean_length, 200.0) * column.variety * (1.0 + 2.0 * column.hint("text"))


def _target(
    columns: Mapping[str, Column], target: str, texts: tuple[str, ...], path: Path
) -> Choice:
    if target:
        return Choice(target, "you named it", 1.0)
    free = [column for name, column in columns.items() if name not in texts]
    ranked = sorted(free, key=lambda column: (-_target_score(column), column.name))
    scores = [_target_score(column) for column in ranked]
    if not ranked or scores[0] <= 0:
        raise DataError(
            "no column looks like a label: few values, each of them many times",
            where=str(path),
            fix="name it: --target COLUMN",
        )
    best = ranked[0]
    others = tuple(c.name for c, score in zip(ranked[1:4], scores[1:4], strict=False) if score > 0)
    reason = f"{best.num_values} values, repeated"
    if best.hint("target"):
        return Choice(best.name, f"{reason}, and so named", SURE, others)
    return Choice(best.name, reason, UNSURE if others else LIKELY, others)


def _target_score(column: Column) -> float:
    """0 for what cannot be a label; few short repeated values and a telling name score high."""
    separator = split_separator(column)
    values = column.num_values
    if separator:
        values = len({p.strip() for value in column.counts for p in value.split(separator)})
    repeated = column.num_filled / max(values, 1)
    if values < 2 or values > _MOST_LABELS or repeated < 2 or column.mean_length > 60:
        return 0.0
    if column.is_time or (column.is_numeric and any("." in value for value in column.counts)):
        return 0.0
    score = 1.0 + 3.0 * column.hint("target") + min(repeated, 50) / 100
    part = max(column.hint("subject"), column.hint("time"), column.hint("key"))
    return score - 0.8 * max(column.hint("group"), part) - (0.3 if column.is_numeric else 0.0)


def _copies(columns: Mapping[str, Column], label: Choice) -> set[str]:
    """Columns that say the label once more, such as its name beside its number."""
    cells = columns[str(label.value)].cells
    copies = set()
    for name, column in columns.items():
        pairs = len(set(zip(cells, column.cells, strict=True)))
        if 1 < column.num_values == len(set(cells)) == pairs:
            copies.add(name)
    return copies


def _time(columns: Sequence[Column]) -> Choice | None:
    hinted = sorted(
        (c for c in columns if c.hint("time") and c.num_values > 1),
        key=lambda c: (-c.hint("time"), c.name),
    )
    for column in (*hinted, *columns):
        if column.is_time:
            sure = SURE if column.hint("time") else LIKELY
            return Choice(column.name, "its cells are dates or times", sure)
    return None


def _subject(columns: Sequence[Column]) -> Choice | None:
    found = [c for c in columns if c.hint("subject") and c.num_values > 10 and c.variety < 0.98]
    if not found:
        return None
    best = max(found, key=lambda c: (c.hint("subject"), c.name))
    reason = f"so named, and {best.num_values} values stand for {best.num_filled} rows"
    return Choice(best.name, reason, SURE)


def _key(columns: Sequence[Column]) -> Choice | None:
    found = [
        c
        for c in columns
        if c.variety == 1.0
        and c.num_filled == len(c.cells)
        and c.mean_length <= _LONGEST_NAME
        and not c.is_row_number
        and not any(" " in cell for cell in c.cells[:200])
    ]
    if not found:
        return None
    best = max(found, key=lambda c: (c.hint("key"), c.name))
    sure = SURE if best.hint("key") else UNSURE
    return Choice(best.name, "no value stands twice", sure)


def _group(columns: Sequence[Column]) -> Choice | None:
    found = [
        c
        for c in columns
        if 2 <= c.num_values <= 20
        and c.mean_length <= _LONGEST_NAME
        and c.num_filled >= 5 * c.num_values
        and (c.hint("group") or not c.is_numeric)
    ]
    if not found:
        return None
    ranked = sorted(found, key=lambda c: (-c.hint("group"), c.num_values, c.name))
    best = ranked[0]
    sure = LIKELY if best.hint("group") else UNSURE
    others = tuple(c.name for c in ranked[1:4])
    return Choice(best.name, f"{best.num_values} values that part the rows", sure, others)


def _labels(column: Column, choices: dict[str, Choice]) -> tuple[str, tuple[str, ...]]:
    separator = split_separator(column)
    if not separator:
        return "", tuple(sorted(column.counts))
    labels = {part.strip() for value in column.counts for part in value.split(separator)} - {""}
    reason = f"{column.num_values} cells are made of {len(labels)} labels"
    choices["separator"] = Choice(separator, reason, LIKELY)
    return separator, tuple(sorted(labels))


def _names_file(path: Path, labels: Sequence[str], choices: dict[str, Choice]) -> str:
    """A file beside the data that names labels written as numbers."""
    if not all(label.isdecimal() for label in labels):
        return ""
    for name in _NAMES_FILES:
        beside = path.with_name(name)
        if not beside.is_file():
            continue
        try:
            text = decode(beside.read_bytes(), str(beside)).text
        except DataError:
            continue  # it lies beside the data and was not named: it may be anything
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > max(map(int, labels)):
            reason = f"labels are numbers, and {name} has {len(lines)} names"
            choices["names"] = Choice(name, reason, LIKELY)
            return name
    return ""


def _unknown(labels: Sequence[str], choices: dict[str, Choice]) -> str:
    for label in labels:
        if label.casefold() in _UNKNOWN:
            choices["unknown"] = Choice(label, "so named", LIKELY)
            return label
    return ""


def _language(texts: Sequence[Column], choices: dict[str, Choice]) -> str:
    sample = [cell for column in texts for cell in column.cells[:1000] if cell]
    counts = Counter(detect_language(cell) for cell in sample)
    share = (counts["zh"] + 0.5 * counts["mixed"]) / max(len(sample), 1)
    language = "zh" if share >= 0.5 else "en"
    said = ", ".join(f"{name} {count / len(sample):.0%}" for name, count in counts.most_common())
    choices["language"] = Choice(language, f"of {len(sample)} texts: {said}", SURE)
    return language
