"""What the terminal shows: results on stdout, progress and warnings on stderr, JSON when asked."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from volano.app.cli.live import LiveTraining
from volano.core.events import Event, Events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from volano.core.errors import Language, VolanoError

__all__ = [
    "AsJson",
    "By",
    "DryRun",
    "Folder",
    "Override",
    "next_command",
    "print_json",
    "print_lines",
    "print_table",
    "progress",
    "show_error",
]


def _or_login_name(named: str) -> str:
    """Who was named, else the login name; empty where the system knows none."""
    try:
        return named or getpass.getuser()
    except (KeyError, OSError):
        return ""


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Folder = Annotated[str, typer.Option("--project", "-p", help="The project's folder.")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value laid over volano.yaml; may be given many times."),
]
By = Annotated[
    str, typer.Option("--by", callback=_or_login_name, help="Who does this; for the audit log.")
]

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 60.0  # where each redrawing would be one more line
_CLEAR = "\r\x1b[2K"
_ERROR: Mapping[Language, str] = {"en": "error: ", "zh": "错误："}


def print_json(value: object) -> None:
    """One object on stdout."""
    # What a narrow terminal cannot show is escaped by JSON's own rules, so that it stays JSON.
    sys.stdout.write(json.dumps(value, ensure_ascii=_is_narrow(sys.stdout)) + "\n")


def _is_narrow(stream: TextIO) -> bool:
    """Whether it shows less than all characters."""
    return (stream.encoding or "").lower().replace("-", "") != "utf8"


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    for line in lines:
        sys.stdout.write(line + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns aligned on stdout; a Chinese character counts as two cells."""
    from rich.cells import cell_len

    texts = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(cell_len(row[place]) for row in texts) for place in range(len(columns))]
    for row in texts:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def next_command(command: str) -> None:
    """The last line: what to type next."""
    sys.stdout.write(f"\nnext: {command}\n")


def show_error(error: VolanoError, as_json: bool, language: Language = "en") -> None:
    """What, where, try: as JSON on stdout, or as text on stderr."""
    if as_json:
        print_json({"error": error.to_dict(language)})
        return
    # On a terminal the line of the stage that was running still stands there.
    clear = _CLEAR if sys.stderr.isatty() else ""
    sys.stderr.write(f"{clear}{_ERROR[language]}{error.text(language)}\n")


def progress(as_json: bool = False) -> Events:
    """Events shown on stderr: live on a terminal; elsewhere a line a stage, and a minute of one."""
    return Events((_Progress(is_quiet=as_json, is_live=sys.stderr.isatty()).hear,))


@dataclass
class _Progress:
    is_quiet: bool
    is_live: bool
    started: dict[str, float] = field(default_factory=dict)
    drawn: float = field(default_factory=time.monotonic)
    trainings: dict[str, LiveTraining] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        if event.kind == "scalar":
            self.trainings.setdefault(event.stage, LiveTraining()).hear(event)
        if event.kind == "warning":
            self._line(f"warning: {event.text}")
        elif self.is_quiet:
            return
        elif event.kind == "stage" and event.done == 0:
            self.started[event.text] = time.monotonic()
            self._draw(f"  {event.text} ...")
        elif event.kind == "stage":
            seconds = time.monotonic() - self.started.pop(event.text, time.monotonic())
            self._line(f"  {event.text:<24} {seconds:6.1f} s")
        elif event.kind == "note":
            self._line(f"    {event.text}")
        elif event.kind == "progress":
            self._progress(event)

    def _progress(self, event: Event) -> None:
        told = f"{event.done:,} of {event.total:,} {event.text}"
        training = self.trainings.get(event.stage)
        if training is not None:
            training.hear(event)
            told = training.line(event, is_plain=_is_narrow(sys.stderr))
        if time.monotonic() - self.drawn > (_REDRAW_SECONDS if self.is_live else _LOG_SECONDS):
            self._draw(f"  {event.stage}: {told}")
            if not self.is_live:
                self._line(f"    {told}")

    def _line(self, text: str) -> None:
        clear = _CLEAR if self.is_live else ""
        sys.stderr.write(f"{clear}{text}\n")
        sys.stderr.flush()

    def _draw(self, text: str) -> None:
        self.drawn = time.monotonic()
        if self.is_live:
            # A line that wraps could not be cleared.
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"{_CLEAR}{text[:width]}")
            sys.stderr.flush()
