"""Which columns of the sources a model reads, and whether those that are named are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.core.errors import ConfigError
from volano.data.columns import require_column

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from volano.data.config import FieldsConfig
    from volano.tasks import Task

__all__ = ["columns_read", "require_fields"]

_OF_TABLES = ("columns", "ignore", "kinds")


def require_fields(fields: FieldsConfig, task: Task) -> None:
    """Refuse a project that does not name what the task needs, or names what it cannot use.

    Raises:
        ConfigError: says which key.
    """
    is_text = task.input == "text"
    needed = {"text": fields.texts} if is_text else {}
    needed |= {"target": (fields.target,)} if task.needs_target else {}
    for part, named in needed.items():
        if not any(named):
            raise ConfigError(
                "no column is named for the {part}",
                where=f"data.fields.{part}",
                fix="data: {{fields: {{{part}: COLUMN}}}}",
                part=part,
            )
    if task.labels.alerts.per_day != "off" and not fields.time:
        raise ConfigError(
            "alerts are counted by the day, and no column says when a row arose",
            where="labels.alerts.per_day",
            fix="name it as data.fields.time; or take out per_day, and give labels.alerts.share",
        )
    spare = [part for part in _OF_TABLES if is_text and getattr(fields, part)]
    if spare:
        raise ConfigError(
            "{part} is about the columns of tables, and {task} reads texts",
            where=f"data.fields.{spare[0]}",
            fix="take it out, or name a kind of work of tables: task: tabular-classification",
            part=spare[0],
            task=task.name,
        )
    if fields.texts and not is_text:
        raise ConfigError(
            "text is about texts, and {task} reads the columns of a table",
            where="data.fields.text",
            fix="take it out: in a table a text is a column like others",
            task=task.name,
        )


def columns_read(
    fields: FieldsConfig, task: Task, columns: Sequence[str], keys: Collection[str]
) -> list[str]:
    """The columns that a model reads: its texts, or what is left of a table's columns.

    Args:
        fields: which column plays which part.
        task: the kind of work.
        columns: those that some source has.
        keys: those that name rows.

    Raises:
        DataError: a column that is ignored, or whose kind is told, is not there.
        ConfigError: no column is left.
    """
    if task.input == "text":
        return list(fields.texts)
    for part in ("ignore", "kinds"):
        for name in getattr(fields, part):
            require_column(name, columns, where=f"data.fields.{part}")
    found = fields.reads(columns, keys)
    if not found:
        raise ConfigError(
            "no column is left that a model could read",
            where="data.fields.ignore",
            fix="ignore fewer; the columns are {columns}",
            columns=", ".join(columns),
        )
    return list(found)
