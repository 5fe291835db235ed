"""What the project file says under ``data:`` and ``prepare:``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import Field, field_validator, model_validator

from volano.core.config import Config, WrongValueError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = [
    "CellsConfig",
    "DataConfig",
    "FetchConfig",
    "FieldsConfig",
    "PrepareConfig",
    "SourceConfig",
    "SplitConfig",
]

_HIDDEN = re.compile(r"token|secret|signature|passw|(api|access).?key", re.IGNORECASE).search

Share = Annotated[float, Field(ge=0.0, le=0.9)]
# As ``models.column_kinds`` has them, which is not imported: a project file is read without Arrow.
Kind = Literal["number", "category", "boolean", "date", "text", "id", "constant"]


class FetchConfig(Config):
    """How a source that is no file of this machine is fetched.

    Attributes:
        query: what to ask of a database: a SELECT, or the name of a table.
        secret: the environment variable that holds the password of a database, or the token of a
            web address or of the hub. ``{secret}`` in the path is filled with it; without that, a
            web server gets it as a bearer token.
        split: which split of a data set on the hub.
        offline: what to do when nobody answers there: ``error``, or ``use-last``: go on with what
            was fetched last, with a warning.
        most_megabytes: the most that is fetched.
        timeout_seconds: how long an answer may take; the whole may take sixty times that.
    """

    query: str = ""
    secret: str = ""
    split: str = ""
    offline: Literal["error", "use-last"] = "error"
    most_megabytes: Annotated[int, Field(ge=1)] = 4096
    timeout_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0


class CellsConfig(Config):
    """How the cells of a source are written, where they alone cannot tell.

    Attributes:
        decimal: ``comma`` where a delimited file writes numbers as 1.234,50; they are then read as
            1234.50.
        missing: by column, what says there that nothing is known, such as -999, besides the usual
            spellings; ``"*"`` is all columns.
    """

    decimal: Literal["point", "comma"] = "point"
    missing: dict[str, tuple[str, ...]] = {}


class SourceConfig(Config):
    """One file of rows, a folder, or an address that such are fetched from.

    Attributes:
        path: a file or a folder, relative to the project folder; or an address: ``https://``, an
            object store (``s3://``, ``gs://``, ``az://``), ``hf://datasets/OWNER/NAME``, or a
            database (``postgresql+psycopg://``, ``sqlite:///``, any of SQLAlchemy's).
        licence: under which terms the rows may be used; kept on every card.
        mode: ``replace``: a row that left the file has left the data; ``append``: it stays.
        key: the column that names a row, so that an edited or deleted row is known as such.
        split: the split that all rows of this file are in; empty where volano makes the split.
        header: whether the first line names the columns.
        columns: the names of the columns, for a file without a header.
        delimiter: what stands between columns, ``whitespace`` for any run of spaces and tabs, or
            ``auto``.
        quoting: ``none`` for files in which a quote is only a character, or ``auto``.
        cells: how its cells are written.
        encoding: the character encoding, or ``auto`` (UTF-8, UTF-16, and a guess among the older
            ones of East Asia and of the West).
        sheet: the sheet of a workbook that has several, or the file of a zip file.
        fetch: how a source that is no file of this machine is fetched.
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
    cells: CellsConfig = CellsConfig()
    encoding: str = "auto"
    sheet: str = ""
    fetch: FetchConfig = FetchConfig()

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        named = {"tab": "\t", "comma": ",", "semicolon": ";", "\\t": "\t"}.get(delimiter, delimiter)
        if named not in ("auto", "whitespace") and len(named) != 1:
            raise WrongValueError("one character, tab, comma, semicolon, whitespace or auto")
        return named

    @model_validator(mode="after")
    def _holds_no_password(self) -> SourceConfig:
        # Of the whole source, so that the error does not show the value: errors reach logs.
        user, at, _ = self.path.partition("://")[2].partition("/")[0].rpartition("@")
        told = [user.partition(":")[2] if at else ""]
        told += [value for name, value in parse_qsl(self.path.partition("?")[2]) if _HIDDEN(name)]
        if set(told) - {"", "{secret}"} and "://" in self.path:
            raise WrongValueError(
                "an address with a password would stand on every card: keep it in an environment "
                "variable, and name that one in fetch.secret"
            )
        if "{secret}" in self.path and not self.fetch.secret:
            raise WrongValueError(
                "{secret} in a path needs the name of a variable in fetch.secret", secret="{secret}"
            )
        return self

    @model_validator(mode="after")
    def _names_once(self) -> SourceConfig:
        if self.columns and self.header:
            raise WrongValueError("columns are named for files without a header: add header: false")
        if len(set(self.columns)) < len(self.columns):
            raise WrongValueError(
                "columns name one column twice: {names}", names=", ".join(self.columns)[:200]
            )
        return self


class FieldsConfig(Config):
    """Which column plays which part; an empty name means that there is none.

    Attributes:
        text: the column, or columns, that a model of texts reads.
        target: the column with the label or labels, or with the number.
        group: the column whose values are compared in the report (tier, region).
        subject: the column that says whose row it is; one person never stands on two sides.
        time: the column that says when the row arose.
        columns: the columns of a table that a model reads; empty: all but the target, the subject,
            the keys of sources, and what is ignored.
        ignore: columns of a table that no model may read.
        kinds: what a column of a table holds, where the guess is wrong: ``number``, ``category``,
            ``boolean``, ``date``, ``text``, ``id`` or ``constant``.
    """

    text: str | tuple[str, ...] = ""
    target: str = ""
    group: str = ""
    subject: str = ""
    time: str = ""
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    kinds: dict[str, Kind] = {}

    @model_validator(mode="after")
    def _keeps_the_answer_apart(self) -> FieldsConfig:
        if self.target and self.target in self.texts:
            raise WrongValueError("one column for the text and another for the target")
        if self.target and self.target in self.columns:
            raise WrongValueError(
                "the target {name!r} cannot be among the columns that a model reads",
                name=self.target,
            )
        return self

    @model_validator(mode="after")
    def _reads_or_ignores(self) -> FieldsConfig:
        both = [name for name in (*self.columns, *self.texts) if name in self.ignore]
        if both:
            raise WrongValueError("{name!r} cannot be both read and ignored", name=both[0])
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """The text columns, always as a tuple."""
        if isinstance(self.text, str):
            return (self.text,) if self.text else ()
        return self.text

    def reads(self, names: Iterable[str], keys: Collection[str] = ()) -> tuple[str, ...]:
        """The columns of a table that a model reads.

        Args:
            names: all columns of the table.
            keys: columns that name rows.
        """
        unread = {self.target, self.subject, *self.ignore, *keys}
        return self.columns or tuple(name for name in names if name not in unread)


class DataConfig(Config):
    """Where rows come from and what their columns mean.

    Attributes:
        sources: the files, in order.
        fields: which column plays which part.
        allow_hosts: hosts of private networks that web addresses may name; others are refused.
    """

    sources: Annotated[tuple[SourceConfig, ...], Field(min_length=1)]
    fields: FieldsConfig = FieldsConfig()
    allow_hosts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_path_once(self) -> DataConfig:
        paths = [source.path for source in self.sources]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise WrongValueError("{path} is named as a source twice", path=twice[0])
        return self


class SplitConfig(Config):
    """How rows that no file puts into a split are divided.

    Attributes:
        test: the share of rows kept for the frozen test set.
        validation: the share kept for choosing settings.
        together: rows alike in this stay on one side: ``auto`` (subject where named), ``subject``,
            ``group``, ``none``, or a column.
        by_time: whether the latest rows are the test, as when the future is to be predicted.
        most_test: the most rows that are taken for the test where no file is one; a share of
            millions would cost time in every turn and tell no more.
    """

    test: Share = 0.2
    validation: Share = 0.1
    together: str = "auto"
    by_time: bool = False
    most_test: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitConfig:
        if self.test + self.validation > 0.9:
            raise WrongValueError(
                "test and validation together take at most 0.9, so that training has rows"
            )
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
            raise WrongValueError(
                "0 (off) or at least 0.5: below, unlike texts would count as alike"
            )
        return threshold
