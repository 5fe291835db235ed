"""Guess what the columns of a table mean: the target, what names rows, and what gives it away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from volano.core.cells import is_missing, is_unlabelled, read_number
from volano.core.errors import DataError
from volano.data.choices import LIKELY, SURE, UNSURE, Choice, Guess
from volano.data.config import FieldsConfig
from volano.data.profiles import NAMES, Column
from volano.data.steps.column_power import Labels, Numbers
from volano.data.steps.table_leaks import find_leaks
from volano.models.column_kinds import kinds_of, read_numbers
from volano.tasks.anomaly_detection import NORMAL, AnomalyDetection
from volano.tasks.tabular_classification import TabularClassification
from volano.tasks.tabular_regression import TabularRegression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from volano.data.config import SourceConfig
    from volano.data.sources import Batch
    from volano.data.steps.table_leaks import Leak
    from volano.models.column_kinds import ColumnKind
    from volano.tasks.task import Task

__all__ = ["TABLES", "guess_table", "guess_task"]

# The kinds of work over tables that are guessed; others are named.
TABLES: Mapping[str, Task] = {
    task.name: task for task in (TabularClassification(), TabularRegression())
}

_OUTCOMES = """target label y class outcome churn churned fraud survived default defaulted attrition
    exited diagnosis price cnt value sales revenue demand cost quality species salary income amount
    rating score count converted response result attack 目标 标签 类别 流失 违约 逾期 欺诈 价格 房价
    单价 销量 销售额 金额 收入 需求 成本 评分 结果 诊断 是否""".split()  # noqa: SIM905 - a list to be read
_NOBODY = (
    "target: no column seems to say which rows somebody found to be anomalies, and none is needed; "
    "where one does, name it: data.fields.target"
)
_NAMING = {"id", "no", "nr", "num", "number", "code", "key", "uid", "uuid", "name"}
_ODD_NAMES = {"anomaly", "anomalous", "outlier", "attack", "abnormal", "checked", "异常"}
_OF_ANYTHING = {"yes", "no", "true", "false", "good", "bad"}  # said of columns of all kinds
_MOST_LABELS = 500
_LONGEST_LABEL = 60  # characters
_FEWEST_COUNTS = 5  # different numbers
_MOST_NUMBERED = 20  # labels that are written as numbers
_LONG_TEXT, _VARIED, _MANY = 40, 0.3, 200
_FEW_ROWS = 50  # in which labels may differ by chance
_FEW_NUMBERS = 3  # columns of numbers that make a table of a file with short texts
_LOOKED_AT = 20_000  # rows
_RIVAL = 0.8  # of the best name: from which on another may be meant
_COUNTED = 10  # rows, from which on a column that only counts them does so by no chance
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[\u3400-\u9fff]+")


def guess_task(columns: Mapping[str, Column], texts: Sequence[str], target: str) -> Choice:
    """The kind of work: texts where a column holds long ones, else a table.

    Args:
        columns: of the file.
        texts: the text columns, where they are known.
        target: the target, where it is known.
    """
    on_text = "text-classification"
    if texts:
        return Choice(on_text, "you named a text", SURE)
    columns = {name: _without_missing(column) for name, column in columns.items()}
    others = [column for name, column in columns.items() if name != target]
    prose = [c for c in others if c.is_prose and not c.is_numeric and not c.is_time]
    numbers = [c for c in others if c.is_numeric and not c.is_row_number]
    long = next((c for c in prose if _is_long(c)), None)
    if long is not None:
        told = Choice(on_text, f"{long.name!r} holds texts", SURE)
        if len(numbers) < _FEW_NUMBERS:
            return told
        because = f"{told.because}, beside {len(numbers)} numbers"
        return Choice(on_text, because, UNSURE, tuple(TABLES))
    is_label = not target or not _is_number(columns[target])
    if is_label and len(numbers) < _FEW_NUMBERS and any(c.variety > _VARIED for c in prose):
        because = "a column holds short texts, and few hold numbers"
        levels = [c for c in others if c.variety <= _VARIED and c.num_values > 1]
        if len(levels) < _FEW_NUMBERS - 1:
            return Choice(on_text, because, LIKELY)
        because += f", beside {len(levels)} columns of levels"
        return Choice(on_text, because, UNSURE, tuple(TABLES))
    if len(others) < 2 - bool(target):
        return Choice(on_text, "it has hardly a column", UNSURE)
    label = _target(columns, target, "")
    if label is None:
        return Choice(on_text, "no column looks like the target of a table", UNSURE)
    is_number = _is_number(columns[str(label.value)])
    kind = "tabular-regression" if is_number else "tabular-classification"
    what = "a number" if is_number else "a label"
    if not is_number and _may_count(columns[str(label.value)]):
        because = f"{label.value!r} holds few whole numbers, which may be names of labels or counts"
        return Choice(kind, because, UNSURE, ("tabular-regression",))
    return Choice(kind, f"no column holds long texts, and {label.value!r} is {what}", LIKELY)


def _is_long(column: Column) -> bool:
    if column.hint("text") > 0 and column.variety > _VARIED:
        return True
    is_varied = column.variety > _VARIED or column.num_values > _MANY
    return column.mean_length >= _LONG_TEXT and is_varied


def guess_table(
    source: SourceConfig,
    batch: Batch,
    columns: Mapping[str, Column],
    target: str,
    task: Task,
    choices: dict[str, Choice],
) -> Guess:
    """What a project over a table needs to know.

    Args:
        source: how it is read.
        batch: its first rows.
        columns: the same, as text.
        target: the target, where it is known.
        task: the kind of work.
        choices: guesses that were made; it grows by those made here.

    Raises:
        DataError: no column can be the target, and the kind of work needs one.
    """
    raw = columns
    is_odd = not task.needs_target
    columns = {
        name: _without(column, is_missing) if is_odd else _without_missing(column)
        for name, column in raw.items()
    }
    label = (_odd_target if is_odd else _target)(columns, target, task.answers)
    if label is None and not is_odd:
        raise DataError(
            "no column looks like a target of {task}",
            where=source.path,
            fix="name it: --target COLUMN",
            task=task.name,
        )
    name = str(label.value) if label is not None else ""
    if label is not None:
        choices["target"] = label
        if task.answers == "labels" and not is_odd:
            columns[name] = _without(raw[name], is_unlabelled)
    normal = _normal(columns[name], choices) if is_odd and name else ""
    others = [column for column in columns.values() if column.name != name]
    for part, guess in (("time", _time), ("subject", _subject), ("key", _key), ("group", _group)):
        taken = {str(choice.value) for choice in choices.values()}
        found = guess([column for column in others if column.name not in taken])
        if found is not None:
            choices[part] = found
    parts = {
        part: str(choices[part].value) for part in ("group", "subject", "time") if part in choices
    }
    key = source.key or (str(choices["key"].value) if "key" in choices else "")
    unread = {name, key, parts.get("subject", "")}
    reads = [one for one in columns if one not in unread]
    kinds = kinds_of(batch.table.select(reads))
    leaks = _leaks(batch.table, reads, columns[name], task.answers, kinds) if name else []
    because = {c.name: "it only counts the rows" for c in others
               if c.is_row_number and len(c.cells) >= _COUNTED}  # fmt: skip
    because |= {one.name: f"an id: {one.because}" for one in kinds.values() if one.kind == "id"}
    bad = [leak for leak in leaks if leak.kind == "bad"]
    because |= {column: _reason(leak) for leak in bad for column in leak.columns}
    ignore = tuple(one for one in reads if one in because)
    coded = _coded(kinds, columns)
    is_label = task.answers == "labels" and name
    doubts = [leak.said for leak in leaks if leak.kind == "warn"]
    if not name:
        doubts.append(_NOBODY)
    elif is_label and len(columns[name].cells) >= _FEW_ROWS and columns[name].variety > 0.5:
        doubts.append(
            f"target: {columns[name].num_values} different labels in {columns[name].num_filled} "
            "rows leave too few of each to learn from; is it a number? --task tabular-regression"
        )
    return Guess(
        source=source.model_copy(update={"key": key}),
        fields=FieldsConfig(
            target=name,
            ignore=ignore,
            kinds={one: kinds[one].kind for one in coded},
            **parts,
        ),
        normal=normal,
        labels=tuple(sorted(columns[name].counts)) if is_label else (),
        language=_language(columns, choices),
        num_rows=batch.table.num_rows,
        choices=choices,
        task=task.name,
        because={**because, **{one: str(kinds[one].because) for one in coded}},
        doubts=tuple(doubts),
    )


def _without_missing(column: Column) -> Column:
    """The same with ``?``, ``NA`` and the like as empty cells; ``none`` stays as one of two."""
    found = _without(column, is_missing)
    return found if found.num_values > 1 else _without(column, is_unlabelled)


def _without(column: Column, is_empty: Callable[[object], bool]) -> Column:
    absent = {value for value in column.counts if is_empty(value)}
    if not absent:
        return column
    return Column(column.name, tuple("" if cell in absent else cell for cell in column.cells))


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]


def _outcome_hint(name: str) -> float:
    """How strongly a name tells that it is the target, 0 to 1."""
    words = _words(name)
    for place, word in enumerate(_OUTCOMES):
        if word in words or (word > "\u2e80" and word in name):
            return 1.0 - 0.5 * place / len(_OUTCOMES)
    return 0.0


def _is_number(column: Column) -> bool:
    """Whether a column holds numbers that are more than names of a few labels."""
    if not column.is_numeric:
        return False
    has_parts = any("." in value and value.rstrip("0")[-1] != "." for value in column.counts)
    return column.num_values > _MOST_NUMBERED or (has_parts and column.num_values > 10)


def _may_count(column: Column) -> bool:
    """Whether whole numbers may be counts or marks: more than a few, one after another."""
    if not column.is_numeric or column.num_values < _FEWEST_COUNTS:
        return False
    numbers = sorted({read_number(value) for value in column.counts})
    return all(one.is_integer() for one in numbers) and numbers[-1] - numbers[0] < 3 * len(numbers)


def _can_be(column: Column, answers: str) -> bool:
    """Whether a column can be a target that is of these answers; of any for none."""
    if column.num_values < 2 or column.is_row_number or column.is_time:
        return False
    if _is_number(column):
        return answers != "labels" or (column.num_values <= _MOST_LABELS and column.variety < 0.5)
    if answers == "number":
        return column.is_numeric
    is_few = column.num_values <= _MOST_LABELS and column.num_filled >= 2 * column.num_values
    return is_few and column.mean_length <= _LONGEST_LABEL


def _target(columns: Mapping[str, Column], target: str, answers: str) -> Choice | None:
    if target:
        return Choice(target, "you named it", 1.0)
    names = list(columns)
    fit = {name: place for place, name in enumerate(names) if _can_be(columns[name], answers)}
    if not fit:
        return None
    last = names[-1]

    def score(name: str) -> float:
        is_fit = answers == "number" and _is_number(columns[name])
        place = 0.3 * (name == last) + 0.1 * fit[name] / len(names)
        return _outcome_hint(name) + place + 0.4 * is_fit

    ranked = sorted(fit, key=lambda name: (-score(name), name))
    best, others = ranked[0], tuple(name for name in ranked[1:4] if score(name) >= 0.3)
    if _outcome_hint(best):
        least = _RIVAL * _outcome_hint(best)
        others_too = [name for name in names if name != best and _outcome_hint(name) > least]
        rivals = tuple(name for name in others_too if _can_be(columns[name], ""))
        if rivals:
            return Choice(best, "so named, as others are", UNSURE, rivals)
        return Choice(best, "so named", SURE if not others or best == last else LIKELY, others)
    if best == last:
        return Choice(
            best, "the last column, as is usual", LIKELY if not others else UNSURE, others
        )
    return Choice(best, "it may be one; no name says so", UNSURE, tuple(ranked[1:4]))


def _odd_target(columns: Mapping[str, Column], target: str, _: str) -> Choice | None:
    """The column where somebody said what rows are, if there is one: ``ok`` and ``fraud``.

    Yes and no may be said of anything, so there the column must be named like an outcome.
    """
    if target:
        return Choice(target, "you named it", 1.0)
    for column in columns.values():
        said = [_read_odd(value) for value in column.counts]
        if not said or None in said or column.is_row_number:
            continue
        is_plain = any(len(value) > 2 and value.casefold() not in _OF_ANYTHING
                       for value in column.counts)  # fmt: skip
        if is_plain or _outcome_hint(column.name) or set(_words(column.name)) & _ODD_NAMES:
            told = ", ".join(map(repr, sorted(column.counts)[:2]))
            return Choice(column.name, f"its cells say it: {told}", LIKELY)
    return None


def _read_odd(value: str) -> tuple[str, ...] | None:
    try:
        return AnomalyDetection().read_target(value)
    except DataError:
        return None


def _normal(column: Column, choices: dict[str, Choice]) -> str:
    """The label of what is as it should be, where labels do not tell it by themselves."""
    if not column.counts or None not in map(_read_odd, column.counts):
        return ""
    so_named = [value for value in column.counts if _read_odd(value.strip(" .")) == (NORMAL,)]
    best = so_named[0] if so_named else max(column.counts, key=lambda one: column.counts[one])
    reason = "so named" if so_named else "the commonest label"
    choices["normal"] = Choice(best, f"{reason}; every other is an anomaly", LIKELY)
    return best


def _time(columns: Sequence[Column]) -> Choice | None:
    for column in sorted(columns, key=lambda c: (-c.hint("time"), c.name)):
        if column.is_time and column.num_values > 1:
            reason = "its cells are dates; to be tested on the latest: prepare.split.by_time: true"
            return Choice(column.name, reason, SURE)
    return None


def _subject(columns: Sequence[Column]) -> Choice | None:
    """A column named after people, whose values stand in several rows each."""
    people = set(NAMES["subject"])
    for column in columns:
        words = set(_words(column.name))
        is_named = bool(words & people) and words <= people | _NAMING
        if is_named and column.num_values > 10 and 0.01 < column.variety < 0.98:
            reason = f"so named, and {column.num_values} values stand for {column.num_filled} rows"
            return Choice(column.name, reason, LIKELY)
    return None


def _key(columns: Sequence[Column]) -> Choice | None:
    for column in sorted(columns, key=lambda c: (-c.hint("key"), c.name)):
        is_whole = column.variety == 1.0 and column.num_filled == len(column.cells)
        is_named = bool(set(_words(column.name)) & {"id", "key", "uid", "uuid", "编号", "序号"})
        if is_whole and is_named and not column.is_row_number:
            return Choice(column.name, "so named, and no value stands twice", SURE)
    return None


def _group(columns: Sequence[Column]) -> Choice | None:
    found = [c for c in columns if c.hint("group") and 2 <= c.num_values <= 20]
    if not found:
        return None
    best, *others = sorted(found, key=lambda c: (-c.hint("group"), c.num_values, c.name))
    names = tuple(column.name for column in others[:3])
    return Choice(best.name, f"{best.num_values} values that part the rows", LIKELY, names)


def _leaks(
    table: pa.Table,
    reads: Sequence[str],
    label: Column,
    answers: str,
    kinds: Mapping[str, ColumnKind],
) -> list[Leak]:
    places = np.random.default_rng(0).permutation(table.num_rows)
    is_there = np.array([bool(cell) for cell in label.cells])
    places = places[is_there[places]][:_LOOKED_AT]
    some = table.select([*reads, label.name]).take(places)
    if answers == "number":
        values = read_numbers(some[label.name])
        is_known = ~np.isnan(values)
        some, target = some.filter(is_known), Numbers(values[is_known])
        return find_leaks(some.select(list(reads)), target, kinds) if len(some) else []
    names, codes = np.unique([label.cells[place] for place in places], return_inverse=True)
    labels = Labels(codes.ravel(), tuple(names.tolist()))
    return find_leaks(some.select(list(reads)), labels, kinds)


def _reason(leak: Leak) -> str:
    """What a leak is, without what is to be done about it, which has been done."""
    if "formula" in leak.values:
        return f"a part of the target, which is {leak.values['formula']}"
    return re.split(r"\. (?=If it|data\.)|: it (?:seems|is)", leak.said)[0].rstrip(".")


def _coded(kinds: Mapping[str, ColumnKind], columns: Mapping[str, Column]) -> list[str]:
    """Numbers that are taken for names: only their owner knows."""
    return [
        one.name
        for one in kinds.values()
        if one.kind == "category" and columns[one.name].is_numeric
    ]


def _language(columns: Mapping[str, Column], choices: dict[str, Choice]) -> str:
    """Chinese where most names of columns are, or most words in cells."""
    is_chinese = [_has_han([name, *list(one.counts)[:20]]) for name, one in columns.items()]
    share = sum(is_chinese) / max(len(is_chinese), 1)
    language = "zh" if share >= 0.5 else "en"
    choices["language"] = Choice(language, f"{share:.0%} of the columns are Chinese", SURE)
    return language


def _has_han(texts: Iterable[str]) -> bool:
    return any("\u3400" <= letter <= "\u9fff" for text in texts for letter in text)
