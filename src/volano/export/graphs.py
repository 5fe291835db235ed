"""From an encoder as trained to graphs that need neither torch nor transformers to answer.

The module is traced once to ONNX; OpenVINO reads that. Eight bits come from NNCF: it moves outliers
from activations into weights first (SmoothQuant, Xiao et al. 2022, arXiv:2211.10438), without which
ONNX Runtime's static quantisation lost three points of accuracy (MiniLM on Banking77).
OpenVINO and NNCF fail in many ways of their own, each of them a RuntimeError here.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from volano.compute.machine import is_of_memory
from volano.core.errors import ConfigError, MissingExtraError, VolanoError
from volano.models.bundle import damaged, read_arrays, read_spec
from volano.models.encoder import CONFIG, Shape, load_encoder
from volano.models.graph_engine import INPUTS, feed, load_tokens
from volano.models.openvino_engine import GRAPH, import_openvino
from volano.models.tokens import TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

__all__ = ["compress", "evenly", "quantise", "to_onnx", "to_openvino"]

_OPSET = 18
_CALIBRATION_TEXTS = 300  # NNCF's own default; more moved no figure
_PREFIX = "module."


def to_onnx(native: Path, path: Path) -> None:
    """Write the encoder of a native bundle as one ONNX graph: one text, of any length.

    Raises:
        StoreError: the bundle is damaged.
        ConfigError: no exporter knows this kind of encoder.
        MissingExtraError: a library of the extra ``deep`` is not installed.
    """
    import torch

    module = _load_module(native)
    tokens = torch.export.Dim("tokens", min=1, max=module.shape.max_tokens)
    ids = torch.zeros((1, min(7, module.shape.max_tokens)), dtype=torch.int64)
    with _quietly():
        try:
            program = torch.onnx.export(
                module,
                (ids, torch.ones_like(ids)),
                dynamo=True,
                dynamic_shapes=dict.fromkeys(INPUTS, {1: tokens}),
                input_names=list(INPUTS),
                output_names=["values"],
                opset_version=_OPSET,
                verbose=False,
            )
        except ImportError:
            raise _missing("onnxscript") from None
        except RuntimeError as error:  # as torch.onnx.OnnxExporterError is
            if is_of_memory(error):
                raise
            raise ConfigError(
                "this kind of encoder cannot be turned into a graph: {error}",
                where="train.base",
                fix="name an encoder of another kind",
                error=str(error).partition("\n")[0],
            ) from error
        assert program is not None  # it is None only where it writes the file itself
        program.save(path, external_data=False)


def to_openvino(onnx: Path, folder: Path, precision: str) -> None:
    """Write an ONNX graph as ``model.xml`` and ``model.bin``; for bfloat16 in weights of 16 bits.

    Those keep 11 bits of each weight, where bfloat16 would keep 8; the processor rounds further.
    """
    with _telling():
        graph = import_openvino().Core().read_model(onnx)
    _save(graph, folder, is_halved=precision == "bfloat16")


def quantise(onnx: Path, native: Path, texts: Sequence[str], folder: Path) -> None:
    """Write an ONNX graph in eight bits for OpenVINO, its ranges read from these training texts."""
    openvino = import_openvino()
    nncf = _import_nncf()
    try:
        tokens = load_tokens(native, read_spec(native).settings)
    except (OSError, ValueError) as error:
        raise damaged(native / TOKENIZER, error) from None
    fed = [feed(ids_T) for ids_T in tokens.encode(evenly(texts))]
    with _telling():
        whole = openvino.Core().read_model(onnx)
    with _quietly(), _telling():
        graph = nncf.quantize(
            whole,
            nncf.Dataset(fed),
            ignored_scope=nncf.IgnoredScope(names=_one_row_tables(whole)),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(fed),
        )
    _save(graph, folder)


def _one_row_tables(graph: Any) -> list[str]:
    """Look-ups that OpenVINO (2026.4) cannot do in 8 bits: RoBERTa has one, of its only type."""
    found = [op for op in graph.get_ops() if op.get_type_name() == "Gather"]
    tables = [(op.get_friendly_name(), op.input_value(0).get_node()) for op in found]
    return [
        name
        for name, table in tables
        if table.get_type_name() == "Constant" and table.get_output_shape(0)[0] == 1
    ]


def evenly(texts: Sequence[str]) -> list[str]:
    """As many as calibration reads, from the first to the last: the order may mean something.

    >>> evenly(["a", "b"])
    ['a', 'b']
    """
    size = min(len(texts), _CALIBRATION_TEXTS)
    places = np.linspace(0, len(texts) - 1, size).astype(np.int64).tolist()
    return [texts[place] for place in places]


def compress(onnx: Path, folder: Path) -> None:
    """Write an ONNX graph with weights in eight bits; OpenVINO rounds all else as it comes.

    No ranges are read beforehand, so none can be wrong: heads over frozen MiniLM, which lost half
    a point of agreement to ``quantise``, lose 0.2 (Banking77).
    """
    openvino, nncf = import_openvino(), _import_nncf()
    with _quietly(), _telling():
        graph = nncf.compress_weights(
            openvino.Core().read_model(onnx), mode=nncf.CompressWeightsMode.INT8_SYM
        )
    _save(graph, folder)


def _save(graph: Any, folder: Path, *, is_halved: bool = False) -> None:
    with _telling():
        import_openvino().save_model(graph, folder / GRAPH, compress_to_fp16=is_halved)
    _number_layers(folder / GRAPH)


def _number_layers(path: Path) -> None:
    """Name layers by their places: OpenVINO counts them over the life of the process.

    So the same encoder gives the same bytes, and by its hash the same model.
    """
    tree = ElementTree.parse(path)
    for layer in tree.iter("layer"):
        if layer.get("type") not in ("Parameter", "Result"):
            layer.set("name", f"{layer.get('type')}_{layer.get('id')}")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _load_module(native: Path) -> Any:
    import torch

    try:
        shape = Shape(**read_spec(native).settings)
        module = load_encoder(native / CONFIG, shape)
        named = {
            name.removeprefix(_PREFIX): torch.from_numpy(found)
            for name, found in read_arrays(native).items()
            if name.startswith(_PREFIX)
        }
        module.load_state_dict(named)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise damaged(native, error) from None
    return module.eval()


def _import_nncf() -> ModuleType:
    try:
        with _quietly():
            import nncf
    except ImportError:
        raise _missing("nncf") from None
    nncf.set_log_level(logging.ERROR)
    module: ModuleType = nncf
    return module


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(
        "to export an encoder needs the package {package}, which is not installed",
        fix="pip install 'volano[deep]'",
        package=package,
    )


@contextmanager
def _telling() -> Iterator[None]:
    """Give what OpenVINO and NNCF raise one type, but for what another time may not be so.

    Raises:
        RuntimeError: whatever it was.
    """
    try:
        yield
    except Exception as error:  # many of theirs derive from Exception itself
        if isinstance(error, VolanoError) or is_of_memory(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without bars on stdout, which is the command line's, and notes for the exporters' authors."""
    said = logging.getLogger("torch.onnx")
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        said.setLevel(level)
