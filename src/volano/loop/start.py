"""Starting a project: look at a file, guess what its columns mean, write a commented file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.config import Settings, build_config, override
from volano.core.errors import UnknownNameError, UserError
from volano.loop.config import ProjectConfig
from volano.loop.plugins import load_hub
from volano.loop.project import PROJECT_FILE
from volano.tasks.task import LabelsConfig

if TYPE_CHECKING:
    from volano.core.hooks import Hub
    from volano.data.guess import Choice, Guess

__all__ = ["Said", "Started", "start_project"]


@dataclass(frozen=True)
class Said:
    """What the user says; the rest is guessed."""

    data: Path
    test: Path | None = None
    text: str = ""
    target: str = ""
    unknown: str = ""
    task: str = "text-classification"
    set: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """The project's folder, the text of its file, and each guess in one line."""

    root: Path
    text: str
    guesses: tuple[str, ...]
    unsure: tuple[str, ...]


def start_project(root: Path, said: Said, *, dry_run: bool = False) -> Started:
    """Guess a project from a file and write ``volano.yaml``.

    Raises:
        UserError: there is a project already, or the kind of work is unknown.
        DataError: the file cannot be read, or no column can be text or label.
    """
    from volano.data.guess import guess_project

    file = root / PROJECT_FILE
    if file.exists():
        raise UserError(
            "there is a project already", where=str(file), fix="edit it, or choose another folder"
        )
    hub = load_hub()
    if said.task not in hub.tasks:
        raise UnknownNameError.among("task", said.task, hub.tasks, where="--task")
    text = tuple(name.strip() for name in said.text.split(",") if name.strip())
    guess = guess_project(said.data, text=text, target=said.target, readers=hub.readers)
    if said.test is not None:
        _check_test(said.test, guess, hub)
    values = _values(root, said, guess)
    checked = override(Settings(PROJECT_FILE, values), said.set)
    build_config(ProjectConfig, checked)
    written = _write(checked.values, _comments(guess, said))
    if not dry_run:
        _save(file, written)
    lines = [_line(name, choice) for name, choice in guess.choices.items()]
    unsure = [
        f"{name}: it may also be {', '.join(choice.alternatives[:3])}"
        for name, choice in guess.choices.items()
        if not choice.is_sure and choice.alternatives
    ]
    return Started(root, written, tuple(lines), tuple(unsure))


def _check_test(test: Path, guess: Guess, hub: Hub) -> None:
    """A frozen test set that is read as the data is, and lacks nothing that a report needs."""
    from volano.data.columns import require_column
    from volano.data.sources import read_whole

    columns = read_whole(test, guess.source, hub.readers).table.column_names
    for name in (*guess.fields.texts, guess.fields.target):
        require_column(name, columns, where=f"{test}:1")


def _save(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise UserError(
            f"the project cannot be written: {error.strerror}",
            where=str(file),
            fix="choose another folder",
        ) from None


def _values(root: Path, said: Said, guess: Guess) -> dict[str, Any]:
    source = guess.source.model_dump(mode="json", exclude_defaults=True)
    sources = [{**source, "path": _relative(said.data, root), "licence": "own"}]
    if said.test is not None:
        sources.append({**sources[0], "path": _relative(said.test, root), "split": "test"})
        sources[0]["split"] = "train"
    fields = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in guess.fields.model_dump(exclude_defaults=True).items()
    }
    labels = {
        "separator": guess.separator,
        "names": _relative(said.data.parent / guess.names, root) if guess.names else "",
        "unknown": said.unknown or guess.unknown,
    }
    values: dict[str, Any] = {
        "task": said.task,
        "language": "zh" if guess.language == "zh" else "en",
        "data": {"sources": sources, "fields": fields},
        "labels": {name: value for name, value in labels.items() if value},
        "gate": {"metric": _gate_metric(said.task, labels)},
        "effort": "normal",
    }
    return {name: value for name, value in values.items() if value}


def _gate_metric(task: str, labels: dict[str, str]) -> str:
    kind = load_hub().find("task", task)
    found: str = kind(LabelsConfig(separator=labels["separator"])).default_metric
    return found


def _relative(path: Path, root: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()
    except ValueError:  # Windows: another drive
        return path.resolve().as_posix()


def _comments(guess: Guess, said: Said) -> dict[str, str]:
    """A comment for each line that was guessed, by the key that stands on it."""
    told = {name: _because(choice) for name, choice in guess.choices.items()}
    if said.text:
        told["text"] = "as you said"
    if said.target:
        told["target"] = "as you said"
    if said.unknown:
        told["unknown"] = "as you said"
    told.setdefault("licence", "change it if the data is not yours")
    told["metric"] = "what decides; macro_f1 counts each label alike, however rare"
    told["effort"] = "quick | normal | thorough; everything else can be left out"
    return told


def _because(choice: Choice) -> str:
    sure = "" if choice.is_sure else "; a guess"
    others = f", or {', '.join(choice.alternatives[:3])}" if choice.alternatives else ""
    return f"{choice.because}{sure}{others if not choice.is_sure else ''}"


def _line(name: str, choice: Choice) -> str:
    value = choice.value if isinstance(choice.value, str) else ", ".join(choice.value)
    return f"{name}: {value}  ({_because(choice)})"


def _write(values: dict[str, Any], comments: dict[str, str]) -> str:
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    def commented(value: Any) -> Any:
        if isinstance(value, dict):
            found = CommentedMap({key: commented(inner) for key, inner in value.items()})
            for key, inner in found.items():
                if key in comments and not isinstance(inner, CommentedMap):
                    # A label or a column name may hold a line break; a comment may not.
                    told = " ".join(comments[key].split())
                    found.yaml_add_eol_comment(told, key, column=36)
            return found
        if isinstance(value, list | tuple):
            row = CommentedSeq(commented(inner) for inner in value)
            if not any(isinstance(inner, dict) for inner in value):
                row.fa.set_flow_style()
            return row
        return value

    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 4096
    out = StringIO()
    writer.dump(commented(values), out)
    return out.getvalue()
