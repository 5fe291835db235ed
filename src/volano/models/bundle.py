"""The bundle: a folder in open formats with all that an answer needs.

``model.json`` says what answers and how (``Spec``), ``weights.safetensors`` holds the arrays; an
engine may keep files of its own beside them (a graph, a tokenizer). The artifact store adds the
card and the manifest of hashes. Older formats stay readable; a newer one is refused, with the
reason.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from volano.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FORMAT", "Spec", "damaged", "read_arrays", "read_spec", "write_bundle"]

FORMAT = 2  # of bundles that read columns; those of texts are written in the first, as ever
_OF_TEXTS = 1


@dataclass(frozen=True)
class Spec:
    """What ``model.json`` says.

    Attributes:
        task: the kind of work.
        engine: the name of the engine that answers.
        text: the project's text columns, joined in this order.
        labels: label of each column of the scores.
        is_multiple: whether a row may carry several labels.
        unknown: the label that means "none of these", or empty.
        settings: what the engine needs besides arrays.
        calibration: from decision values to probabilities and decisions.
        form: ``native`` as trained, or the precision in which it is served.
        format: of the file that it was read from.
        columns: of a table: those that the model reads; empty where it reads texts.
        answers: whether it answers labels, or a number (then there are no labels).
        asked: the label that is asked about, whatever the answer: reasons are of its score, and
            tables of answers have it as ``score``; empty where the likeliest label is.
    """

    task: str
    engine: str
    text: tuple[str, ...]
    labels: tuple[str, ...]
    is_multiple: bool = False
    unknown: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    form: str = "native"
    format: int = FORMAT
    columns: tuple[str, ...] = ()
    answers: Literal["labels", "number"] = "labels"
    asked: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of a row that the model reads: what a request must bring."""
        return self.columns or self.text

    def to_dict(self) -> dict[str, Any]:
        """As ``model.json`` keeps it; what only tables have is left out of a bundle of texts.

        So a model of texts is the same file, and by its hash the same model, as before there were
        tables, and older volanos read it.
        """
        told = asdict(self)
        if not self.asked:
            del told["asked"]
        if self.columns:
            return {**told, "format": FORMAT}
        del told["columns"], told["answers"]
        return {**told, "format": _OF_TEXTS}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` gave."""
        named = {"text": tuple(found["text"]), "labels": tuple(found["labels"])}
        return cls(**{**found, **named, "columns": tuple(found.get("columns", ()))})


def write_bundle(
    folder: Path,
    spec: Spec,
    arrays: Mapping[str, NDArray[Any]],
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write ``model.json``, ``weights.safetensors`` and the engine's ``files`` into ``folder``."""
    from safetensors.numpy import save

    text = json.dumps(spec.to_dict(), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "model.json").write_text(text, "utf-8")
    # The format sorts by name, so the same arrays give the same bytes and so the same model.
    whole = {name: np.ascontiguousarray(found) for name, found in arrays.items()}
    (folder / "weights.safetensors").write_bytes(save(whole))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def read_spec(folder: Path) -> Spec:
    """What a bundle says of itself.

    Raises:
        StoreError: there is no bundle, it is damaged, or a newer volano wrote it.
    """
    path = folder / "model.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] <= FORMAT:
            return Spec.from_dict(found)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(path, error) from None
    raise StoreError(
        "the bundle has format {found}; this volano reads up to {known}",
        where=str(path),
        fix="pip install --upgrade volano",
        found=found["format"],
        known=FORMAT,
    )


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a bundle, by name.

    Raises:
        StoreError: they are missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "weights.safetensors"
    try:
        loaded: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from None
    return loaded


def damaged(path: Path, error: Exception) -> StoreError:
    """What to say of a bundle that cannot be read."""
    return StoreError(
        "the bundle is missing or damaged: {kind}: {error}",
        where=str(path),
        fix="volano doctor says what else is; volano turn makes the model again",
        kind=type(error).__name__,
        error=error,
    )
