"""A base that looks right to whatever does not load it: no torch is needed to make it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny_encoder import tiny_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"model_type": "bert", "hidden_size": 32, "max_position_embeddings": 130}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Its folder."""
    import numpy as np
    from safetensors.numpy import save_file

    made = tmp_path / "base"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_bytes(tiny_tokenizer())
    save_file({"weight": np.ones((2, 2), np.float32)}, made / "model.safetensors")
    return made


def pooling(folder: Path, told: dict[str, Any]) -> None:
    """Let its makers state how they pool."""
    part = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (folder / "modules.json").write_text(json.dumps([part]))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
