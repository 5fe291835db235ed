"""From an encoder as trained to graphs that need neither torch nor transformers to answer.

The module is traced once to ONNX; OpenVINO reads that. Eight bits come from NNCF: it moves outliers
from activations into weights first (SmoothQuant, Xiao et al. 2022, arXiv:2211.10438), without which
ONNX Runtime's static quantisation lost three points of accuracy (MiniLM on Banking77).
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from volano.core.errors import ConfigError, MissingExtraError
from volano.models.bundle import damaged, read_arrays, read_spec
from volano.models.encoder import CONFIG, Shape, load_encoder
from volano.models.graph_engine import INPUTS, feed, load_tokens
from volano.models.openvino_engine import GRAPH, import_openvino
from volano.models.tokens import TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

__all__ = ["quantise", "to_onnx", "to_openvino"]

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
        except torch.onnx.OnnxExporterError as error:
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
    openvino = import_openvino()
    graph = openvino.Core().read_model(onnx)
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=precision == "bfloat16")
    _number_layers(folder / GRAPH)


def quantise(onnx: Path, native: Path, texts: Sequence[str], folder: Path) -> None:
    """Write an ONNX graph in eight bits for OpenVINO, its ranges read from these training texts."""
    openvino = import_openvino()
    nncf = _import_nncf()
    try:
        tokens = load_tokens(native, read_spec(native).settings)
    except (OSError, ValueError) as error:
        raise damaged(native / TOKENIZER, error) from None
    fed = [feed(ids_T) for ids_T in tokens.encode(texts[:_CALIBRATION_TEXTS])]
    with _quietly():
        graph = nncf.quantize(
            openvino.Core().read_model(onnx),
            nncf.Dataset(fed),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(fed),
        )
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)
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
