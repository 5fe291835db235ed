"""Export: from the bundle as trained to the bundle that is served, in the smallest form that holds.

A form whose answers stray from the training-time model's is never published.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from volano.compute.machine import is_of_memory
from volano.core.errors import RefusedError, StoreError, Term
from volano.core.nouns import Model
from volano.export.config import NO_LIMITS
from volano.export.forms import STAND_IN, Form, Source, forms_of
from volano.export.parity import Parity, compare, reference_rows
from volano.models import Predictor
from volano.models.bundle import read_spec
from volano.models.predictor import join_text
from volano.models.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events
    from volano.export.config import ExportConfig, Limits
    from volano.models.rows import Row
    from volano.store.artifacts import ArtifactStore

__all__ = ["REFERENCE", "export"]

REFERENCE = "reference.parquet"
_TIMED = 60
_WARM_UP = 5
_MEGABYTE = 1_000_000
_LONGEST = 200  # characters of what a library said


@dataclass(frozen=True)
class _Tried:
    """One form, written and measured; ``fault`` says why it cannot be published, or nothing."""

    form: Form
    folder: Path
    fault: Term | None = None
    parity: Parity | None = None
    num_bytes: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    failed: bool = False  # a library could not make it; the bundle itself may be sound

    def is_within(self, limits: Limits) -> bool:
        return not self.broken(limits)

    def broken(self, limits: Limits) -> str:
        """Which limit of the project it breaks, if one."""
        if limits.size_mb is not None and self.num_bytes > limits.size_mb * _MEGABYTE:
            return "over the size limit"
        if limits.latency_ms is not None and self.p95_ms > limits.latency_ms:
            return "over the latency limit"
        return ""

    def to_dict(self, chosen: _Tried, limits: Limits) -> dict[str, Any]:
        """A row of the card's ``forms``."""
        told: dict[str, Any] = {"engine": self.form.engine, "precision": self.form.precision}
        if self.parity is not None:
            told |= {
                "megabytes": self.num_bytes / _MEGABYTE,
                "p50_ms": self.p50_ms,
                "p95_ms": self.p95_ms,
                "score_gap": self.parity.score_gap,
                "mean_gap": self.parity.mean_gap,
                "agreement": self.parity.agreement,
                "accuracy": self.parity.accuracy,
            }
        elif self.fault is not None:
            told["fault"] = str(self.fault)
        return {**told, "chosen": self is chosen, "why_not": self._why_not(chosen, limits)}

    def _why_not(self, chosen: _Tried, limits: Limits) -> str:
        if self is chosen:
            return ""
        if self.fault is not None:
            return "cannot be made here" if self.parity is None else "loses parity"
        return self.broken(limits) or "a smaller form holds"


def export(
    config: ExportConfig,
    native: Model,
    store: ArtifactStore,
    events: Events,
    limits: Limits = NO_LIMITS,
) -> Model:
    """The smallest form of ``native`` that keeps parity, within the project's limits if one is.

    All forms of an encoder are measured and listed on the card, those that cannot be made with the
    reason; of a linear model those up to the first that holds.

    Raises:
        RefusedError: no form can be made and keeps parity; says what is wrong with each.
        ConfigError: no exporter knows this kind of encoder.
        MissingExtraError: a library that encoders are exported by is not installed.
    """
    spec = read_spec(native.folder)
    rows = reference_rows(pq.read_table(native.folder / REFERENCE), spec)
    tried: list[_Tried] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        texts = [join_text(row, spec.text) for row in rows]
        source = Source(native.folder, texts, scratch)
        forms = forms_of(config, spec)
        for place, form in enumerate(forms):
            events.progress("forms", place, len(forms))
            if form.precision == STAND_IN and tried and tried[-1].fault is None:
                continue
            folder = stack.enter_context(store.draft())
            tried.append(_try(config, source, form, folder, rows))
            if tried[-1].fault is not None:
                told = "loses parity" if tried[-1].parity else "cannot be made here"
                events.note(f"{form} {told}: {tried[-1].fault}")
            elif spec.engine == "linear" and tried[-1].is_within(limits):
                break
        chosen = _choose(native, tried, limits)
        assert chosen.parity is not None
        card = {
            **native.card,
            "native": native.hash,
            "form": chosen.form.precision,
            "engine": chosen.form.engine,
            "forms": [found.to_dict(chosen, limits) for found in tried],
            "parity": chosen.parity.to_dict(),
        }
        if (native.folder / STATISTICS).exists():  # a model of an older volano has none
            copyfile(native.folder / STATISTICS, chosen.folder / STATISTICS)
        return store.keep(Model, chosen.folder, card, outside=frozenset({STATISTICS}))


def _try(
    config: ExportConfig, source: Source, form: Form, folder: Path, rows: Sequence[Row]
) -> _Tried:
    reference = source.native / REFERENCE
    try:
        source.write(form, folder)
        # Weights that are too large for the form show as a gap, not as a warning.
        with np.errstate(invalid="ignore", over="ignore"):
            predictor = Predictor.load(folder)
            parity = compare(predictor, reference)
    except StoreError as error:
        return _Tried(form, folder, Term("{fault}", fault=error))
    except RuntimeError as error:  # of a library: another may make another form
        if is_of_memory(error):
            raise
        # OpenVINO says first where in its own source it was, and last what is wrong.
        said = str(error).strip().rpartition("\n")[2]
        return _Tried(form, folder, Term("{reason}", reason=said[:_LONGEST]), failed=True)
    fault = None if parity.holds(config) else parity.told()
    if fault is not None and form.engine == "linear":
        return _Tried(form, folder, fault, parity)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return _Tried(form, folder, fault, parity, size, *_time(predictor, rows))


def _time(predictor: Predictor, rows: Sequence[Row]) -> tuple[float, float]:
    """Median and 95th percentile of single requests, in milliseconds."""
    taken = []
    for place in range(_WARM_UP + _TIMED):
        began = time.perf_counter()
        predictor.predict([rows[place % len(rows)]])
        taken.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.quantile(taken[_WARM_UP:], (0.5, 0.95))
    return float(p50), float(p95)


def _choose(native: Model, tried: Sequence[_Tried], limits: Limits) -> _Tried:
    """The first of the forms, smallest first, that keeps parity and, if one does, the limits."""
    holding = [found for found in tried if found.fault is None]
    for found in holding:
        if found.is_within(limits):
            return found
    if holding:
        return holding[0]  # the gate says which limit it breaks
    because = tuple(
        Term("{form}: {fault}", form=str(found.form), fault=found.fault) for found in tried
    )
    if all(found.failed for found in tried):
        raise RefusedError(
            "no form of the bundle can be made here ({faults})",
            where=native.ref,
            fix="upgrade what makes them: pip install -U 'volano[deep]'; if it stays, report it",
            because=because,
            faults=because,
        )
    raise RefusedError(
        "the bundle does not answer as the model that was trained ({faults})",
        where=native.ref,
        fix="train again; if it stays, report it: a bundle that loses parity is never published",
        because=because,
        faults=because,
    )
