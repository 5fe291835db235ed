"""Starting a project: look at the data, guess what its columns mean, write a commented file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from volano.core.config import build_config
from volano.core.errors import UnknownNameError, UserError, reason_of
from volano.core.settings import Settings, override
from volano.loop.config import ProjectConfig
from volano.loop.plugins import load_hub
from volano.loop.project import PROJECT_FILE
from volano.tasks.task import AlertsConfig, LabelsConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from volano.core.hooks import Hub
    from volano.data.config import DataConfig, SourceConfig
    from volano.data.guess import Choice, Guess

__all__ = ["Said", "Started", "start_project"]

_SQLITE = "sqlite:///"
_ENOUGH = 100_000  # rows of a held-out file
_SHOWN = 5
_OF_THE_USER = ("kinds", "rename")  # sections whose keys are names of columns and labels
_BUDGET = {"share": AlertsConfig().share}
_DECIDES = {
    "macro_f1": "what decides; macro_f1 counts each label alike, however rare",
    "roc_auc": "what decides; roc_auc is how well scores put rows in order, whatever the threshold",
    "rmse": "what decides; rmse weighs large errors most, mae all errors alike",
}


@dataclass(frozen=True)
class Said:
    """What the user says; the rest is guessed."""

    data: Path | str  # a file, a folder, or an address
    test: Path | str | None = None
    validation: Path | str | None = None
    text: str = ""
    target: str = ""
    unknown: str = ""
    task: str = ""
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
    if said.task and said.task not in hub.tasks:
        raise UnknownNameError.among("task", said.task, hub.tasks, where="--task")
    text = tuple(name.strip() for name in said.text.split(",") if name.strip())
    with TemporaryDirectory(prefix="volano-") as cache:
        known = _known_source(said)
        local = _local(known, said, Path(cache))
        guess = guess_project(
            local,
            source=known,
            text=text,
            target=said.target,
            task=hub.tasks[said.task]() if said.task else None,
            readers=hub.readers,
        )
        rename: dict[str, str] = {}
        strange: list[str] = []
        for held in filter(None, (said.test, said.validation)):
            source = guess.source.model_copy(update={"path": str(held)})
            labels = _check_held_out(_local(source, said, Path(cache)), guess, hub)
            same, other = _match(labels, guess)
            rename |= same
            strange += [f"{name!r} stands in {held}, and not in {said.data}" for name in other]
    values = _values(root, said, guess, rename)
    checked = override(Settings(PROJECT_FILE, values), said.set)
    build_config(ProjectConfig, checked)
    written = _write(checked.values, _comments(guess, said, rename))
    if not dry_run:
        _save(file, written)
    lines = [_line(name, choice) for name, choice in guess.choices.items()]
    lines += [f"ignore: {name}  ({guess.because[name]})" for name in guess.fields.ignore]
    lines += [
        f"rename: {old!r} of a held-out file is {new!r}  (but for case, space or a dot)"
        for old, new in rename.items()
    ]
    unsure = [
        f"{name}: it may also be {', '.join(choice.alternatives[:3])}"
        for name, choice in guess.choices.items()
        if not choice.is_sure and choice.alternatives
    ]
    unsure += [f"label: {one}" for one in strange[:_SHOWN]] + list(guess.doubts)
    return Started(root, written, tuple(lines), tuple(unsure))


def _known_source(said: Said) -> SourceConfig:
    """The source as far as ``--set`` tells how it is read or fetched."""
    return _data_config(said).sources[0]


def _data_config(said: Said) -> DataConfig:
    from volano.data.config import DataConfig

    values = {"data": {"sources": [{"path": str(said.data)}]}}
    told = [one for one in said.set if one.startswith(("data.sources.0.", "data.allow_hosts"))]
    settings = override(Settings("--set", values), told)
    return build_config(DataConfig, Settings("--set", settings.values["data"]))


def _local(source: SourceConfig, said: Said, cache: Path) -> Path:
    """The file or folder itself, or a copy of what an address leads to."""
    from volano.core.events import Events
    from volano.data.sources.snapshots import fetch_source, is_address

    if not is_address(source.path):
        return Path(source.path)
    hosts = _data_config(said).allow_hosts
    return fetch_source(source, Path.cwd(), cache, os.environ, hosts, Events())


def _check_held_out(path: Path, guess: Guess, hub: Hub) -> Counter[str]:
    """The labels of a test or validation set, which lacks nothing that is needed."""
    from volano.data.columns import require_column
    from volano.data.profiles import Column
    from volano.data.sources import read_source

    labels: Counter[str] = Counter()
    rows = 0
    for batch in read_source(path, guess.source, hub.readers):
        for name in filter(None, (*guess.fields.texts, guess.fields.target)):
            require_column(name, batch.table.column_names, where=f"{path}:1")
        if not guess.fields.target:
            break
        labels += Column.of("", batch.table[guess.fields.target].to_pylist()).counts
        rows += batch.table.num_rows
        if rows >= _ENOUGH or not guess.labels or guess.separator or guess.names:
            break
    return labels


def _match(labels: Iterable[str], guess: Guess) -> tuple[dict[str, str], list[str]]:
    """Labels that the data writes in another way, with that way; and those that it lacks."""
    if not guess.labels or guess.separator or guess.names:
        return {}, []
    known = {_bare(label): label for label in guess.labels}
    other = [label for label in labels if label not in guess.labels]
    rename = {label: known[_bare(label)] for label in other if _bare(label) in known}
    return rename, [label for label in other if label not in rename]


def _bare(label: str) -> str:
    """A label without case, space and a dot at its end."""
    return "".join(label.casefold().split()).rstrip(".。")


def _save(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise UserError(
            "the project cannot be written: {why}",
            where=str(file),
            fix="choose another folder",
            why=reason_of(error),
        ) from None


def _values(root: Path, said: Said, guess: Guess, rename: Mapping[str, str]) -> dict[str, Any]:
    source = guess.source.model_dump(mode="json", exclude_defaults=True)
    sources = [{**source, "path": _relative(said.data, root), "licence": "own"}]
    for held, split in ((said.validation, "validation"), (said.test, "test")):
        if held is not None:
            sources.append({**source, "path": _relative(held, root), "licence": "own"})
            sources[-1]["split"] = split
    if said.test is not None:
        sources[0]["split"] = "train"
    fields = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in guess.fields.model_dump(exclude_defaults=True).items()
    }
    labels = {
        "separator": guess.separator,
        "names": _relative(Path(said.data).parent / guess.names, root) if guess.names else "",
        "unknown": said.unknown or guess.unknown,
        "normal": guess.normal,
    }
    gate = _gate_metric(guess.task, guess.separator)
    budget = {} if load_hub().find("task", guess.task)().needs_target else {"alerts": _BUDGET}
    values: dict[str, Any] = {
        "task": guess.task,
        "language": "zh" if guess.language == "zh" else "en",
        "data": {"sources": sources, "fields": fields},
        "labels": {name: value for name, value in labels.items() if value}
        | ({"rename": dict(rename)} if rename else {})
        | budget,
        "gate": {"metric": gate},
        "effort": "normal",
    }
    return {name: value for name, value in values.items() if value}


def _gate_metric(task: str, separator: str) -> str:
    kind = load_hub().find("task", task)
    found: str = kind(LabelsConfig(separator=separator)).default_metric
    return found


def _relative(place: Path | str, root: Path) -> str:
    """A path as the project file writes it; an address stays, but for a database file's path."""
    from volano.data.sources.snapshots import is_address

    file = str(place).removeprefix(_SQLITE)
    if file != str(place) and file and not Path(file).is_absolute():
        return _SQLITE + _relative(file, root)
    if is_address(str(place)):
        return str(place)
    path = Path(place)
    try:
        return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()
    except ValueError:  # Windows: another drive
        return path.resolve().as_posix()


def _comments(guess: Guess, said: Said, rename: Iterable[str]) -> dict[str, str]:
    """A comment for each line that was guessed, by the key that stands on it."""
    told = {name: _because(choice) for name, choice in guess.choices.items()}
    if said.text:
        told["text"] = "as you said"
    if said.target:
        told["target"] = "as you said"
    if said.unknown:
        told["unknown"] = "as you said"
    told.setdefault("licence", "change it if the data is not yours")
    told["metric"] = _DECIDES.get(_gate_metric(guess.task, guess.separator), "what decides")
    told |= {f"rename.{name}": "as a held-out file writes it" for name in rename}
    told |= {f"ignore.{name}": guess.because[name] for name in guess.fields.ignore}
    told |= {f"kinds.{name}": guess.because[name] for name in guess.fields.kinds}
    told["share"] = "of all rows at most so many are called anomalies; or say per_day: 3"
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

    def commented(value: Any, at: str = "") -> Any:
        if isinstance(value, dict):
            found = CommentedMap({key: commented(inner, key) for key, inner in value.items()})
            for key, inner in found.items():
                of_key = comments.get(key) if at not in _OF_THE_USER else None
                told = comments.get(f"{at}.{key}", of_key)
                if told and not isinstance(inner, CommentedMap):
                    found.yaml_add_eol_comment(_one_line(told), key, column=36)
            return found
        if isinstance(value, list | tuple):
            row = CommentedSeq(commented(inner) for inner in value)
            reasons = [comments.get(f"{at}.{inner}") for inner in value if isinstance(inner, str)]
            for place, told in enumerate(reasons if any(reasons) else ()):
                if told:
                    row.yaml_add_eol_comment(_one_line(told), place, column=36)
            if not any(reasons) and not any(isinstance(inner, dict) for inner in value):
                row.fa.set_flow_style()
            return row
        return value

    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 4096
    out = StringIO()
    writer.dump(commented(values), out)
    return out.getvalue()


def _one_line(text: str) -> str:
    """A label or a column name may hold a line break; a comment may not."""
    return " ".join(text.split())
