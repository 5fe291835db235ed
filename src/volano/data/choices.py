"""What is guessed about a file: each choice with its reason, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.data.config import FieldsConfig, SourceConfig

__all__ = ["LIKELY", "SURE", "UNSURE", "Choice", "Guess"]

SURE, LIKELY, UNSURE = 0.95, 0.75, 0.5


@dataclass(frozen=True)
class Choice:
    """One guess: the value, why, how sure (0 to 1), and what else it might be."""

    value: str | tuple[str, ...]
    because: str
    confidence: float
    alternatives: tuple[str, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether it need not be asked about."""
        return self.confidence >= LIKELY


@dataclass(frozen=True)
class Guess:
    """How a file seems to be made.

    Attributes:
        source: how to read the file.
        fields: which column plays which part.
        separator: between several labels in a cell; empty for one label.
        names: the file that names numbered labels, beside the data; empty for none.
        unknown: the label that means "none of these"; empty for none.
        normal: the label of what is as it should be, where anomalies are looked for and its name
            does not say so; empty for none.
        labels: all labels found.
        language: of most texts.
        num_rows: rows that were looked at.
        choices: each guess that was made, with its reason, under header, delimiter, task, text,
            target, separator, group, subject, time, key, names, unknown and language. A key that is
            not sure is told here and not used.
        task: the kind of work.
        because: why each column is ignored, or is of a kind that its cells do not show.
        doubts: sentences about what nobody but the owner of the data can know.
    """

    source: SourceConfig
    fields: FieldsConfig
    separator: str = ""
    names: str = ""
    unknown: str = ""
    normal: str = ""
    labels: tuple[str, ...] = ()
    language: str = "en"
    num_rows: int = 0
    choices: Mapping[str, Choice] = field(default_factory=dict)
    task: str = "text-classification"
    because: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
