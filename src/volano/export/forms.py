"""The forms in which a bundle can be served, and how each is written from the bundle as trained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import numpy as np

from volano.models.bundle import damaged, read_arrays, read_spec, write_bundle
from volano.models.ensemble import PARTS
from volano.models.tokens import TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from volano.export.config import ExportConfig
    from volano.models.bundle import Spec

__all__ = ["AS_TRAINED", "STAND_IN", "Form", "Source", "forms_of"]

AS_TRAINED = "float64"  # of tables: small as they are, so there is nothing to win by rounding
STAND_IN = "int8-dynamic"  # tried where int8, as small and as fast, does not hold
_OF_PARTS = ("ensemble", "shifted")  # engines whose bundles hold bundles
# The smallest first.
_LINEAR = (("linear", "float16"), ("linear", "float32"))
_ENCODER = (
    ("openvino", "int8"),
    ("openvino", STAND_IN),
    ("openvino", "bfloat16"),
    ("openvino", "float32"),
    ("onnx", "float32"),
)


@dataclass(frozen=True)
class Form:
    """An engine and a precision."""

    engine: str
    precision: str

    def __str__(self) -> str:
        return self.precision if self.engine == "linear" else f"{self.engine} {self.precision}"


def forms_of(config: ExportConfig, spec: Spec) -> tuple[Form, ...]:
    """The forms to try for a native bundle, the smallest first; of a table there is one."""
    if spec.columns:
        return (Form(spec.engine, AS_TRAINED),)
    known = [Form(*names) for names in (_LINEAR if spec.engine == "linear" else _ENCODER)]
    for name in ("engine", "precision"):
        asked = getattr(config, name)
        named = [form for form in known if getattr(form, name) == asked]
        known = named or known  # what this engine does not have is auto for it
    return tuple(known)


@dataclass
class Source:
    """A native bundle, the texts to read ranges from, and a place for graphs made on the way."""

    native: Path
    texts: Sequence[str]
    scratch: Path
    _graphs: dict[Path, Path] = field(default_factory=dict)

    def write(self, form: Form, folder: Path) -> None:
        """Write the whole bundle in a form.

        Raises:
            StoreError: the native bundle is damaged.
            MissingExtraError: a library that this needs is not installed.
            ConfigError: no exporter knows this kind of encoder.
            RuntimeError: a library cannot make this form of it.
        """
        self._write(self.native, form, folder)

    def _write(self, native: Path, form: Form, folder: Path) -> None:
        spec = read_spec(native)
        if spec.engine in _OF_PARTS:
            self._write_parts(native, form, folder)
        elif spec.engine == "encoder":
            self._write_graph(native, form, folder)
        elif spec.columns:
            arrays, files = read_arrays(native), _files_of(native)
            write_bundle(folder, replace(spec, form=form.precision), arrays, files)
        else:
            precision = "float32" if form.precision == "float32" else "float16"
            spec = replace(spec, form=precision)
            write_bundle(folder, spec, _cast(read_arrays(native), precision))

    def _write_parts(self, native: Path, form: Form, folder: Path) -> None:
        spec = read_spec(native)
        for number in range(len(spec.settings["parts"])):
            part = folder / PARTS / str(number)
            part.mkdir(parents=True)
            self._write(native / PARTS / str(number), form, part)
        write_bundle(folder, replace(spec, form=form.precision), read_arrays(native))

    def _write_graph(self, native: Path, form: Form, folder: Path) -> None:
        from volano.export import graphs
        from volano.models.onnx_engine import GRAPH

        spec, arrays = read_spec(native), read_arrays(native)
        onnx = self._graph(native)
        if form.engine == "onnx":
            copyfile(onnx, folder / GRAPH)
        elif form.precision == "int8":
            graphs.quantise(onnx, native, self.texts, folder)
        elif form.precision == STAND_IN:
            graphs.compress(onnx, folder)
        else:
            graphs.to_openvino(onnx, folder, form.precision)
        settings = {"max_tokens": spec.settings["max_tokens"], "precision": form.precision}
        spec = replace(spec, engine=form.engine, settings=settings, form=form.precision)
        kept = {name: found for name, found in arrays.items() if not name.startswith("module.")}
        try:
            content = (native / TOKENIZER).read_bytes()
        except OSError as error:
            raise damaged(native / TOKENIZER, error) from None
        write_bundle(folder, spec, kept, {TOKENIZER: content})

    def _graph(self, native: Path) -> Path:
        """The encoder as ONNX, traced once for all forms."""
        from volano.export import graphs

        if native not in self._graphs:
            path = self.scratch / f"{len(self._graphs)}.onnx"
            graphs.to_onnx(native, path)
            self._graphs[native] = path
        return self._graphs[native]


def _files_of(native: Path) -> dict[str, bytes]:
    """What an engine of tables keeps beside its arrays, by relative path.

    Raises:
        StoreError: it cannot be read.
    """
    from volano.models.trees import TREES

    folder = native / TREES
    try:
        return {f"{TREES}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.txt"))}
    except OSError as error:
        raise damaged(folder, error) from None


def _cast(arrays: Mapping[str, NDArray[Any]], form: str) -> dict[str, NDArray[Any]]:
    """Weights of heads in fewer bits; everything small stays as it is."""
    if form == "float32":
        return dict(arrays)
    with np.errstate(over="ignore"):
        return {
            name: found.astype(np.float16) if name.endswith(".weights") else found
            for name, found in arrays.items()
        }
