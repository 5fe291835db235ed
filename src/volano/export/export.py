"""Export: from the bundle as trained to the bundle that is served, in the smallest form that holds.

A form whose answers stray from the training-time model's is never published.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.core.errors import RefusedError, StoreError, Term
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
        RefusedError: no form does; says what is wrong with each.
    """
    spec, arrays = read_spec(native.folder), read_arrays(native.folder)
    forms = ("float16", "float32") if config.precision == "auto" else (config.precision,)
    faults: dict[str, Term] = {}
    for form in forms:
        with store.draft() as folder:
            write_bundle(folder, replace(spec, form=form), _cast(arrays, form))
            try:
                # Weights that are too large for the form show as a gap, not as a warning.
                with np.errstate(invalid="ignore", over="ignore"):
                    parity = measure_parity(folder, native.folder / "reference.parquet")
            except StoreError as error:
                faults[form] = Term("{fault}", fault=error)
                continue
            if parity.holds(config):
                card = {**native.card, "native": native.hash, "form": form}
                return store.keep(Model, folder, {**card, "parity": parity.to_dict()})
            faults[form] = Term(
                "a score differs by {gap:.4f}, {share:.2%} agree",
                gap=parity.score_gap,
                share=parity.agreement,
            )
            events.note(f"{form} loses parity: {faults[form]}")
    because = tuple(Term("{form}: {fault}", form=f, fault=said) for f, said in faults.items())
    raise RefusedError(
        "the bundle does not answer as the model that was trained ({faults})",
        where=native.ref,
        fix="train again; if it stays, report it: a bundle that loses parity is never published",
        because=because,
        faults=because,
    )


def _cast(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """Weights of heads in fewer bits; everything small stays as it is."""
    if form == "float32":
        return dict(arrays)
    with np.errstate(over="ignore"):
        return {
            name: found.astype(np.float16) if name.endswith(".weights") else found
            for name, found in arrays.items()
        }
