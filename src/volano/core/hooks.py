"""The whole extension API on one screen: what a plugin's ``register(hub)`` may call.

Built-ins come in by the same door: each room has a ``register(hub)``, called once, in ``loop``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from volano.core.errors import Term, UnknownNameError, UserError

__all__ = ["Hub"]


@dataclass
class Hub:
    """The names of everything that can be plugged in; a second thing of one name is refused."""

    readers: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Any] = field(default_factory=dict)
    learners: dict[tuple[str, str], Any] = field(default_factory=dict)  # by input and name
    plugins: dict[str, str] = field(default_factory=dict)  # installed plugins with their versions

    def add_reader(self, suffix: str, reader: Any) -> None:
        """A file format: ``reader(path, config) -> Iterator[Batch]`` for names ending so."""
        _add(self.readers, "reader", suffix, reader)

    def add_task(self, name: str, task: Any) -> None:
        """A kind of work (contract: ``volano.tasks.task.Task``)."""
        _add(self.tasks, "task", name, task)

    def add_learner(self, name: str, learner: Any) -> None:
        """A way to train (contract: ``volano.train.learner.Learner``).

        Learners of one name may differ in their input: ``linear`` of texts and of columns.
        """
        _add(self.learners, "learner", (learner.input, name), learner)

    def learners_of(self, task: Any) -> dict[str, Any]:
        """The learners that read what this task's models read, by name."""
        return {name: one for (read, name), one in self.learners.items() if read == task.input}

    def find(self, noun: str, name: str) -> Any:
        """The ``noun`` registered as ``name``; the error suggests the nearest name."""
        known: dict[str, Any] = getattr(self, f"{noun}s")
        if name not in known:
            raise UnknownNameError.among(noun, name, known)
        return known[name]


def _add(known: dict[Any, Any], noun: str, name: Any, thing: Any) -> None:
    if name in known:
        raise UserError(
            "two plugins register the {noun} {name!r}",
            where=f"{known[name]!r}, {thing!r}",
            fix="uninstall one of them",
            noun=Term(noun),
            name=name if isinstance(name, str) else name[-1],
        )
    known[name] = thing
