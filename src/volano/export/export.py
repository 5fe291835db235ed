"""Export: from the bundle as trained to the bundle that is served, in the smallest form that holds.

A form whose answers stray from the training-time model's is never published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.errors import RefusedError
from volano.core.nouns import Model
from volano.export.parity import measure_parity
from volano.models.bundle import read_arrays, read_spec, write_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from volano.core.events import Events
    from volano.export.config import ExportConfig
    from volano.store.artifacts import ArtifactStore

__all__ = ["export"]


def export(config: ExportConfig, native: Model, store: ArtifactStore, events: Events) -> Model:
    """The smallest form of ``native`` that keeps parity.

    Raises:
        RefusedError: no form does; says the gap of each.
    """
    spec, arrays = read_spec(native.folder), read_arrays(native.folder)
    forms = ("float16", "float32") if config.precision == "auto" else (config.precision,)
    tried: dict[str, dict[str, float]] = {}
    for form in forms:
        with store.draft() as folder:
            write_bundle(folder, spec, _cast(arrays, form))
            parity = measure_parity(folder, native.folder / "reference.parquet")
            tried[form] = parity.to_dict()
            if parity.holds(config):
                card = {
                    **{key: value for key, value in native.card.items() if key != "noun"},
                    "native": native.hash,
                    "form": form,
                    "parity": parity.to_dict(),
                    "forms": tried,
                }
                return store.keep(Model, folder, card)
            events.note(f"{form} loses parity: a score differs by {parity.score_gap:.4f}")
    told = "; ".join(
        f"{form}: score gap {found['score_gap']:.4f}, agreement {found['agreement']:.4f}"
        for form, found in tried.items()
    )
    raise RefusedError(
        f"the bundle does not answer as the model that was trained ({told})",
        where=native.ref,
        fix="train again; if it stays, report it: a bundle that loses parity is never published",
    )


def _cast(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """Weights of heads in fewer bits; everything small stays as it is."""
    if form == "float32":
        return dict(arrays)
    return {
        name: found.astype(np.float16) if name.endswith(".weights") else found
        for name, found in arrays.items()
    }
