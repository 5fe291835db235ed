"""An encoder as training leaves it: a native bundle over a tiny base, with its reference answers.

The head is fitted on the rows of ``tests/tiny.py``, so that its decisions mean something. Imports
torch where it is called.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.tiny import tiny_rows

from volano.models import Spec, write_bundle
from volano.models.calibration import Calibration
from volano.models.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path

    from volano.models.calibration import Floats

__all__ = ["TEMPERATURE", "tiny_native", "write_reference"]

TEMPERATURE = 1.3
_TOKENS = 24


def tiny_native(folder: Path, base: Path, pooling: str = "mean") -> Path:
    """A native bundle in ``folder`` over the encoder of ``base``, and ``reference.parquet``."""
    import torch
    from safetensors.torch import load_file
    from sklearn.linear_model import LogisticRegression

    from volano.models.encoder import Shape, load_encoder

    folder.mkdir(parents=True, exist_ok=True)
    rows = tiny_rows()
    texts, topics = [row["body"] for row in rows], [row["topic"] for row in rows]
    labels = tuple(sorted(set(topics)))
    shape = Shape(pooling, "cosine", len(labels), _TOKENS)  # type: ignore[arg-type]
    module = load_encoder(base / "config.json", shape).eval()
    module.body.load_state_dict(load_file(base / "model.safetensors"), strict=False)
    tokens = Tokens.load((base / "tokenizer.json").read_bytes(), _TOKENS)
    with torch.inference_mode():
        asked = [torch.from_numpy(ids.astype(np.int64))[None] for ids in tokens.encode(texts)]
        pooled = torch.cat([module.pool(ids, torch.ones_like(ids)) for ids in asked])
        vectors = 20 * torch.nn.functional.normalize(pooled, dim=-1)
        head = LogisticRegression(max_iter=1000).fit(vectors.numpy(), topics)
        module.head.weight.copy_(torch.from_numpy(head.coef_))
        module.head.bias.copy_(torch.from_numpy(head.intercept_))
        values = module.head(vectors).double().numpy()
    calibration = Calibration(temperature=TEMPERATURE)
    spec = Spec(
        "text-classification",
        "encoder",
        ("body",),
        labels,
        settings=shape.to_dict(),
        calibration=calibration.settings(),
    )
    arrays = {f"module.{name}": found.numpy() for name, found in module.state_dict().items()}
    files = {name: (base / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    write_bundle(folder, spec, arrays, files)
    truth = np.array([[topic == label for label in labels] for topic in topics])
    write_reference(folder, spec, texts, values, truth)
    return folder


def write_reference(
    folder: Path, spec: Spec, texts: list[str], values_NC: Floats, truth_NC: Any
) -> None:
    """What training keeps for parity, from decision values of its own."""
    calibration = Calibration.load(spec.calibration, {})
    scores_NC = calibration.probabilities(values_NC)
    table = pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "scores": pa.array(list(scores_NC), pa.list_(pa.float64())),
            "decided": pa.array(list(calibration.decide(scores_NC)), pa.list_(pa.bool_())),
            "truth": pa.array(list(truth_NC), pa.list_(pa.bool_())),
        }
    )
    table = table.replace_schema_metadata({"labels": json.dumps(spec.labels)})
    pq.write_table(table, folder / "reference.parquet")
