"""The engine ``onnx``: a graph in ``model.onnx``, answered by ONNX Runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from volano.core.errors import MissingExtraError
from volano.models.graph_engine import INPUTS, GraphEngine, load_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GRAPH", "OnnxEngine", "import_onnxruntime"]

GRAPH = "model.onnx"


class OnnxEngine(GraphEngine):
    """ONNX Runtime on the processor, one thread a text."""

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """From ``model.onnx`` and ``tokenizer.json``."""
        tokens = load_tokens(folder, settings)
        session = _open(folder / GRAPH)
        names = tuple(sorted(put.name for put in session.get_inputs()))
        if names != tuple(sorted(INPUTS)):
            raise ValueError(f"{GRAPH} asks for {', '.join(names)}")

        def ask(asked: dict[str, NDArray[np.int64]]) -> NDArray[Any]:
            try:
                values: NDArray[Any] = session.run(None, asked)[0]
            except Exception as error:  # noqa: BLE001  (see _open)
                raise RuntimeError(f"{GRAPH}: {error}") from None
            return values

        return cls(tokens, ask)


def import_onnxruntime() -> ModuleType:
    """ONNX Runtime, told first that it may report nothing to its makers.

    From its import on (1.31, on Linux as well) it writes a device id and events into the user's
    cache and sends them, unless this variable is set.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError(
            "an encoder needs the package {package}, which is not installed",
            fix="pip install 'volano[encoders]'",
            package="onnxruntime",
        ) from None
    onnxruntime.disable_telemetry_events()  # where somebody else imported it before
    module: ModuleType = onnxruntime
    return module


def _open(path: Path) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they come as exceptions too
    content = path.read_bytes()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  (its exceptions derive from Exception itself)
        raise ValueError(f"{GRAPH}: {error}") from None
