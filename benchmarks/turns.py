"""Turns on real data as benchmarks take them: a project as ``volano init`` makes it, turned once.

Each set yields figures of its turn on its frozen test set. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from volano.loop.project import Project
from volano.loop.start import Said, start_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from volano.core.nouns import Turn

__all__ = ["Bench", "Figure", "Sets", "measure_sets"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it must be: at least ``least``, under ``under``, or nothing."""

    name: str
    value: float
    least: float | None = None
    under: float | None = None
    learner: str = ""

    @classmethod
    def of(
        cls, turn: Turn, name: str, *, least: float | None = None, under: float | None = None
    ) -> Figure:
        """A metric of a turn."""
        return cls(name, turn.metrics[name].value, least, under, turn.learner)

    @property
    def goal(self) -> str:
        """The goal for people; empty where there is none."""
        if self.least is not None:
            return f">= {self.least:g}"
        return f"< {self.under:g}" if self.under is not None else ""

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached; a figure without a goal always is."""
        is_enough = self.least is None or self.value >= self.least
        return is_enough and (self.under is None or self.value < self.under)


@dataclass(frozen=True)
class Bench:
    """Where the data is, where projects may be made, and settings laid over every project."""

    data: Path
    scratch: Path
    settings: tuple[str, ...] = ()
    processor_seconds: dict[str, float] = field(default_factory=dict)

    def start(self, data: Path, test: Path | None = None, *settings: str, **said: str) -> Path:
        """What ``volano init`` does; ``said`` are its flags."""
        root = self.scratch / f"project-{len(list(self.scratch.iterdir()))}"
        start_project(root, Said(data, test, set=(*self.settings, *settings), **said))
        return root

    def turn(self, root: Path, *settings: str) -> Turn:
        """What ``volano turn`` does."""
        began = time.process_time()
        with Project.open(root, set=settings) as project:
            turn = project.turn()
        self.processor_seconds[turn.model] = time.process_time() - began
        return turn

    def spent(self, turn: Turn, under: float | None = None) -> Iterator[Figure]:
        """The goal is set for the processor's time of all stages: others may use the machine."""
        yield Figure("train seconds", turn.seconds["train"])
        yield Figure("turn, cpu seconds", self.processor_seconds[turn.model], under=under)


Sets: TypeAlias = "Mapping[str, Callable[[Bench], Iterator[Figure]]]"


def measure_sets(sets: Sets, description: str) -> int:
    """The command line of a benchmark: print the figures of the sets; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", action="append", choices=sets, help="may be repeated")
    parser.add_argument("--set", action="append", default=[], help="key=value of volano.yaml")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    said = parser.parse_args()
    if not said.data.is_dir():
        print(f"error: there is no folder {said.data}\n  try  --data FOLDER", file=sys.stderr)
        return 2
    _print_line("set", "figure", "reached", "goal")
    names = said.only or list(sets)
    missed = [name for name in names if not _measure(name, sets, said.data, tuple(said.set))]
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


def _measure(name: str, sets: Sets, data: Path, settings: tuple[str, ...]) -> bool:
    """Print the lines of one set; whether all its goals are reached."""
    is_met = True
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for found in sets[name](Bench(data, Path(scratch), settings)):
            is_met &= _show(name, found)
    took = time.monotonic() - began
    _print_line(name, "all, seconds", f"{took:.1f}", f"load {os.getloadavg()[0]:.1f}")
    return is_met


def _show(name: str, found: Figure) -> bool:
    """Print one figure; whether its goal is reached."""
    said = "" if not found.goal else "reached" if found.is_met else "MISSED"
    _print_line(name, found.name, f"{found.value:.3f}", found.goal, said, found.learner)
    return found.is_met


def _print_line(name: str, *cells: str) -> None:
    figure, value, goal, said, learner = (*cells, "", "", "")[:5]
    line = f"{name:<26}{figure:<24}{value:>8}  {goal:<9}{said:<9}{learner}"
    print(line.rstrip(), flush=True)
