"""The engine ``openvino``: a graph in ``model.xml`` and ``model.bin``, answered by OpenVINO."""

from __future__ import annotations

import sys
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from volano.compute.machine import usable_cores
from volano.core.errors import MissingExtraError
from volano.models.graph_engine import INPUTS, GraphEngine, load_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GRAPH", "WEIGHTS", "OpenvinoEngine", "import_openvino"]

GRAPH, WEIGHTS = "model.xml", "model.bin"
# Of all that is not 8 bits.
_EXACT, _ROUND = {"INFERENCE_PRECISION_HINT": "f32"}, {"INFERENCE_PRECISION_HINT": "bf16"}
_HINTS = {
    "float32": _EXACT,
    "bfloat16": _ROUND,
    "int8": _EXACT,
    # Values between layers in 8 bits too, 32 of them to a range that is found as they come.
    "int8-dynamic": {**_EXACT, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"},
}


def import_openvino() -> ModuleType:
    """OpenVINO, without the package through which it tells its makers of each import.

    ``import openvino`` sends an event by ``openvino_telemetry`` and writes an id into the user's
    home, unless that package cannot be imported; then it takes a stub that does nothing. None in
    ``sys.modules`` is Python's way to say so, and holds for nncf too.

    Raises:
        MissingExtraError: it is not installed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError:
        raise MissingExtraError(
            "an encoder needs the package {package}, which is not installed",
            fix="pip install 'volano[encoders]'",
            package="openvino",
        ) from None
    module: ModuleType = openvino
    return module


class OpenvinoEngine(GraphEngine):
    """OpenVINO on the processor: a stream a core, each of one thread."""

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``model.xml``, ``model.bin`` and ``tokenizer.json``."""
        tokens = load_tokens(folder, settings)
        compiled = _compile(folder, settings["precision"])
        names = tuple(sorted(put.any_name for put in compiled.inputs))
        if names != tuple(sorted(INPUTS)):
            raise ValueError(f"{GRAPH} asks for {', '.join(names)}")
        idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(usable_cores()):
            idle.put(compiled.create_infer_request())

        def ask(asked: dict[str, NDArray[np.int64]]) -> NDArray[Any]:
            request = idle.get()
            try:
                request.infer(asked)
                values: NDArray[Any] = request.get_output_tensor(0).data.copy()
            finally:
                idle.put(request)
            return values

        return cls(tokens, ask)


def _compile(folder: Path, precision: str) -> Any:
    openvino = import_openvino()
    for name in (GRAPH, WEIGHTS):
        (folder / name).stat()  # a missing file is an OSError, as for other engines
    cores = usable_cores()
    settings = {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores, **_HINTS[precision]}
    try:
        return openvino.Core().compile_model(folder / GRAPH, "CPU", settings)
    except RuntimeError as error:
        # First it says where in its own source it was, and last what is wrong.
        *_, said = str(error).strip().splitlines()
        raise ValueError(f"{GRAPH}: {said}") from None
