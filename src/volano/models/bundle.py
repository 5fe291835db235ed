"""The bundle: a folder in open formats with all that an answer needs.

``model.json`` says what answers and how (``Spec``), ``weights.safetensors`` holds the arrays. The
artifact store adds the card and the manifest of hashes. Older formats stay readable; a newer one is
refused with the reason.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from volano.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FORMAT", "Spec", "read_arrays", "read_spec", "write_bundle"]

FORMAT = 1


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
    """

    task: str
    engine: str
    text: tuple[str, ...]
    labels: tuple[str, ...]
    is_multiple: bool = False
    unknown: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def write_bundle(folder: Path, spec: Spec, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``model.json`` and ``weights.safetensors`` into ``folder``."""
    from safetensors.numpy import save_file

    text = json.dumps(asdict(spec), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "model.json").write_text(text, "utf-8")
    # Sorted, so that the same arrays give the same bytes and so the same model.
    ordered = {name: arrays[name].copy(order="C") for name in sorted(arrays)}
    save_file(ordered, folder / "weights.safetensors")


def read_spec(folder: Path) -> Spec:
    """What a bundle says of itself.

    Raises:
        StoreError: there is no bundle, or a newer volano wrote it.
    """
    path = folder / "model.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"there is no readable bundle: {error}", where=str(path), fix="volano doctor"
        ) from None
    if found.get("format", 0) > FORMAT:
        raise StoreError(
            f"the bundle has format {found['format']}; this volano reads up to {FORMAT}",
            where=str(path),
            fix="pip install --upgrade volano",
        )
    known = {**found, "text": tuple(found["text"]), "labels": tuple(found["labels"])}
    return Spec(**known)


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a bundle, by name."""
    from safetensors.numpy import load_file

    loaded: dict[str, NDArray[Any]] = load_file(folder / "weights.safetensors")
    return loaded
