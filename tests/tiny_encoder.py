"""A pretrained encoder for tests: random, two layers of width 32, made in a second, never varying.

``tiny_encoder(folder)`` leaves what a base folder holds: ``config.json``, ``model.safetensors``,
``tokenizer.json``. ``kind`` is the family as transformers names it. Its vocabulary holds the words
and the Chinese characters of ``tests/tiny.py``, and single letters for all else, so that no English
text is unknown to it. Making one imports torch; ``tiny_tokenizer()`` does not.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.tiny import TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FAMILIES", "LAYERS", "WIDTH", "tiny_encoder", "tiny_tokenizer"]

WIDTH, LAYERS = 32, 2
_LONGEST = 130  # positions; RoBERTa keeps two of them for itself
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PLAIN = {"type_vocab_size": 2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "bert": _PLAIN,
    "roberta": {**_PLAIN, "type_vocab_size": 1},
    "xlm-roberta": {**_PLAIN, "type_vocab_size": 1},
    "electra": {**_PLAIN, "embedding_size": WIDTH},
    "distilbert": {  # which has names of its own for width and layers
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": 2,
        "hidden_dim": 2 * WIDTH,
        "dropout": 0.0,
        "attention_dropout": 0.0,
    },
    "deberta-v2": {
        **_PLAIN,
        "type_vocab_size": 0,
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_biased_input": False,
    },
    "modernbert": {
        "global_attn_every_n_layers": 2,
        "local_attention": 16,
        "cls_token_id": 2,
        "sep_token_id": 3,
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
}


def tiny_encoder(folder: Path, kind: str = "bert", seed: int = 0, **settings: Any) -> Path:
    """A base folder; ``settings`` are laid over ``config.json``."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    (folder / "tokenizer.json").write_bytes(tokenizer)
    shape = {
        "vocab_size": len(json.loads(tokenizer)["model"]["vocab"]),
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": _LONGEST,
        "initializer_range": 0.3,  # the usual 0.02 would make all texts alike
        "pad_token_id": 0,
        **FAMILIES[kind],
        **settings,
    }
    config = AutoConfig.for_model(kind, **shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config)
    config.save_pretrained(folder)
    save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
    return folder


def tiny_tokenizer() -> bytes:
    """The content of its ``tokenizer.json``: WordPiece, lower case, ``[CLS]`` text ``[SEP]``."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    numbers = {piece: number for number, piece in enumerate(_pieces())}
    made = Tokenizer(WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(name, numbers[name]) for name in ("[CLS]", "[SEP]")],
    )
    made.add_special_tokens(list(_SPECIAL))
    text: str = made.to_str()
    return text.encode("utf-8")


def _pieces() -> list[str]:
    said = " ".join(text for texts in TEXTS.values() for text in texts).lower()
    words = sorted(set(re.findall(r"[a-z]+", said)))
    characters = sorted(set(re.findall(r"[^\x00-\x7f]", said)))
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1) if not chr(code).isupper()]
    rest = [f"##{letter}" for letter in letters if letter.isalnum()]
    return list(dict.fromkeys([*_SPECIAL, *letters, *rest, *words, *characters]))
