"""What the project file says under ``data:`` and ``prepare:``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from volano.core.config import Config

__all__ = ["DataConfig", "FieldsConfig", "PrepareConfig", "SourceConfig", "SplitConfig"]

Share = Annotated[float, Field(ge=0.0, le=0.9)]


class SourceConfig(Config):
    """One file of rows.

    Attributes:
        path: the file, relative to the project folder.
        licence: under which terms the rows may be used; kept on every card.
        mode: ``replace``: a row that left the file has left the data; ``append``: it stays.
        key: the column that names a row, so that an edited or deleted row is known as such.
        split: the split that all rows of this file are in; empty where volano makes the split.
        header: whether the first line names the columns.
        columns: the names of the columns, for a file without a header.
        delimiter: what stands between columns, or ``auto``.
        quoting: ``none`` for files in which a quote is only a character, or ``auto``.
        encoding: the character encoding, or ``auto`` (UTF-8, UTF-16, and a guess among the older
            ones of East Asia).
    """

    path: Annotated[str, Field(min_length=1)]
    licence: str = ""
    mode: Literal["replace", "append"] = "replace"
    key: str = ""
    split: Literal["", "train", "validation", "test"] = ""
    header: bool = True
    columns: tuple[str, ...] = ()
    delimiter: str = "auto"
    quoting: Literal["auto", "none"] = "auto"
    encoding: str = "auto"

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        named = {"tab": "\t", "comma": ",", "semicolon": ";", "\\t": "\t"}.get(delimiter, delimiter)
        if named != "auto" and len(named) != 1:
            raise ValueError("one character, tab, comma, semicolon or auto")
        return named

    @model_validator(mode="after")
    def _names_once(self) -> SourceConfig:
        if self.columns and self.header:
            raise ValueError("columns are named for files without a header: add header: false")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns name one column twice: {', '.join(self.columns)}")
        return self


class FieldsConfig(Config):
    """Which column plays which part; an empty name means that there is none.

    Attributes:
        text: the column, or columns, that a model reads.
        target: the column with the label or labels.
        group: the column whose values are compared in the report (tier, region).
        subject: the column that says whose row it is; one person never stands on two sides.
        time: the column that says when the row arose.
    """

    text: str | tuple[str, ...] = ""
    target: str = ""
    group: str = ""
    subject: str = ""
    time: str = ""

    @model_validator(mode="after")
    def _keeps_the_answer_apart(self) -> FieldsConfig:
        if self.target and self.target in self.texts:
            raise ValueError("one column for the text and another for the target")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """The text columns, always as a tuple."""
        if isinstance(self.text, str):
            return (self.text,) if self.text else ()
        return self.text


class DataConfig(Config):
    """Where rows come from and what their columns mean.

    Attributes:
        sources: the files, in order.
        fields: which column plays which part.
    """

    sources: Annotated[tuple[SourceConfig, ...], Field(min_length=1)]
    fields: FieldsConfig = FieldsConfig()

    @model_validator(mode="after")
    def _each_path_once(self) -> DataConfig:
        paths = [source.path for source in self.sources]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named as a source twice")
        return self


class SplitConfig(Config):
    """How rows that no file puts into a split are divided.

    Attributes:
        test: the share of rows kept for the frozen test set.
        validation: the share kept for choosing settings.
        together: rows alike in this stay on one side: ``auto`` (subject where named), ``subject``,
            ``group``, ``none``, or a column.
        by_time: whether the latest rows are the test, as when the future is to be predicted.
    """

    test: Share = 0.2
    validation: Share = 0.1
    together: str = "auto"
    by_time: bool = False

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitConfig:
        if self.test + self.validation > 0.9:
            raise ValueError("test and validation together at most 0.9, so that training has rows")
        return self


class PrepareConfig(Config):
    """What happens to rows between collecting and training.

    Attributes:
        near_duplicates: texts at least so alike (Jaccard of character shingles) stay on one side
            of the split; 0 turns it off.
        conflicts: one text under several labels: ``majority`` keeps the label seen most, ``drop``
            drops them all, ``keep`` leaves them.
        rare_labels: rows of labels with fewer examples than this are dropped; 0 keeps all.
        split: how rows are divided.
    """

    near_duplicates: Annotated[float, Field(ge=0.0, le=1.0)] = 0.7
    conflicts: Literal["majority", "drop", "keep"] = "majority"
    rare_labels: Annotated[int, Field(ge=0)] = 2
    split: SplitConfig = SplitConfig()

    @field_validator("near_duplicates")
    @classmethod
    def _not_too_low(cls, threshold: float) -> float:
        if 0 < threshold < 0.5:
            raise ValueError("0 (off) or at least 0.5: below, unlike texts would count as alike")
        return threshold
