from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.tiny_encoder import FAMILIES, WIDTH, tiny_encoder
from tests.train.encoders.conftest import CONFIG, pooling

from volano.core.errors import ConfigError, MissingExtraError
from volano.core.events import Event, Events
from volano.train.encoders import base as bases
from volano.train.encoders.base import (
    default_base,
    licence_of,
    most_tokens,
    open_base,
    stated_pooling,
    tokenizer_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def opened(name: Path | str, root: Path = Path(), log: Events | None = None) -> Any:
    return open_base(str(name), "en", root, log or Events())


def test_a_relative_folder_counts_from_the_project(folder: Path, tmp_path: Path) -> None:
    assert opened("base", tmp_path).folder == folder.resolve()
    assert opened("./base", tmp_path).hash == opened(folder).hash


def test_whatever_shapes_an_answer_shapes_the_hash(folder: Path) -> None:
    before = opened(folder).hash
    (folder / "README.md").write_text("Another word.")
    assert opened(folder).hash == before
    seen = {before}
    for name in ("config.json", "tokenizer.json"):
        path = folder / name
        path.write_text(path.read_text().replace("{", "{ ", 1))
        seen.add(opened(folder).hash)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    seen.add(opened(folder).hash)
    pooling(folder, {"pooling_mode_cls_token": True})
    seen.add(opened(folder).hash)
    pooling(folder, {"pooling_mode_mean_tokens": True})
    seen.add(opened(folder).hash)
    assert len(seen) == 6


def test_the_hash_goes_by_content_and_not_by_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").hash == opened(folder).hash


@pytest.mark.parametrize(
    ("told", "stated"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 384}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": ["mean", "cls"]}, "mean cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "mean cls"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "lasttoken"),
        ({}, ""),
    ],
)
def test_the_pooling_is_the_one_that_the_base_states(
    folder: Path, told: dict[str, Any], stated: str
) -> None:
    assert stated_pooling(opened(folder)) == ()
    pooling(folder, told)
    assert " ".join(stated_pooling(opened(folder))) == stated


def test_roberta_keeps_positions_for_itself(folder: Path) -> None:
    assert most_tokens(opened(folder)) == 130
    told = {**CONFIG, "model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(told))
    assert most_tokens(opened(folder)) == 512


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Name", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlicense:\n- cc-by-nc-4.0\n---\n", "cc-by-nc-4.0"),
        ("# Name\nlicense: gpl\n", ""),
    ],
)
def test_the_licence_is_read_from_the_readme(folder: Path, readme: str, licence: str) -> None:
    (folder / "README.md").write_text(readme)
    heard: list[Event] = []
    assert licence_of(opened(folder, log=Events((heard.append,)))) == licence
    assert [event.kind for event in heard] == ["warning"] * ("nc" in licence)


def test_without_a_readme_the_licence_is_the_first_line_of_its_file(folder: Path) -> None:
    (folder / "LICENSE").write_text("\n   MIT License\n\nCopyright")
    assert licence_of(opened(folder)) == "MIT License"


def test_each_language_has_a_default() -> None:
    assert default_base("en").endswith("all-MiniLM-L6-v2")
    assert default_base("zh") == "BAAI/bge-small-zh-v1.5"
    assert default_base("mixed") == default_base("kl") == default_base("other")


def test_it_says_which_packages_are_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "_NEEDS", ("json", "no_such_package"))
    with pytest.raises(MissingExtraError, match=r"no_such_package(?s:.*)volano\[deep\]"):
        opened(folder)


def rewrite(folder: Path, **told: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


def part_of_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no config": lambda at: (at / "config.json").unlink(),
    "config is no JSON": lambda at: (at / "config.json").write_text("{"),
    "config is a list": lambda at: (at / "config.json").write_text("[]"),
    "no kind": lambda at: rewrite(at, model_type=None),
    "code of its own": lambda at: rewrite(at, auto_map={"AutoModel": "modeling.Mine"}),
    "writes text": lambda at: rewrite(at, architectures=["GPT2LMHeadModel"]),
    "encoder and decoder": lambda at: rewrite(at, is_encoder_decoder=True),
    "no weights": lambda at: (at / "model.safetensors").unlink(),
    "pickle": lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"),
    "cut": lambda at: os.truncate(at / "model.safetensors", 70),
    "pointer": lambda at: (at / "model.safetensors").write_text("version https://git-lfs"),
    "part is missing": part_of_weights,
    "no tokenizer": lambda at: (at / "tokenizer.json").unlink(),
    "tokenizer is cut": lambda at: os.truncate(at / "tokenizer.json", 900),
    "tokenizer is a pointer": lambda at: (at / "tokenizer.json").write_text("version https://git"),
    "tokenizer of another": lambda at: rewrite(at, vocab_size=100),
}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no config", "no config.json"),
        ("config is no JSON", "cannot be read"),
        ("config is a list", "no JSON object"),
        ("no kind", "no model_type"),
        ("code of its own", "auto_map"),
        ("writes text", "writes text"),
        ("encoder and decoder", "writes text"),
        ("no weights", "no model.safetensors"),
        ("pickle", "only as a pickle .pytorch_model.bin."),
        ("cut", "damaged or missing"),
        ("pointer", "damaged or missing(?s:.*)git-lfs"),
        ("part is missing", "damaged or missing(?s:.*)model-00001-of-00001"),
        ("no tokenizer", "no tokenizer"),
        ("tokenizer is cut", "tokenizer of the base is damaged(?s:.*)tokenizer.json"),
        ("tokenizer is a pointer", "tokenizer of the base is damaged(?s:.*)git-lfs"),
        ("tokenizer of another", "numbers tokens up to [0-9]+; its config.json speaks of 100 "),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_way_out(folder: Path, how: str, said: str) -> None:
    DAMAGES[how](folder)
    with pytest.raises(ConfigError, match=said) as caught:
        opened(folder)
    assert caught.value.fix
    assert caught.value.to_dict("zh")["what"] != caught.value.what


def test_a_tokenizer_may_know_as_many_tokens_as_there_are_vectors(folder: Path) -> None:
    largest = max(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"].values())
    rewrite(folder, vocab_size=largest + 1)
    opened(folder)
    rewrite(folder, vocab_size=largest)
    with pytest.raises(ConfigError, match=f"up to {largest}; "):
        opened(folder)


def test_a_file_is_no_base(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is a file"):
        opened(folder / "model.safetensors")


@pytest.mark.parametrize("name", ["a/b/c", "./nowhere", "../up", "with space/name", "\0", "~x/y"])
def test_a_name_that_the_hub_cannot_have_means_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        opened(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_read_with_its_weights(kind: str, tmp_path: Path) -> None:
    import numpy as np
    import torch
    from safetensors.numpy import load_file

    from volano.models.encoder import Shape, load_encoder
    from volano.train.encoders.pretrained import load_pretrained

    base = opened(tiny_encoder(tmp_path / kind, kind))
    shape = Shape("mean", "cosine", 3, 64)
    module = load_pretrained(base, shape)
    assert not module.training
    assert module.head.in_features == WIDTH
    stored = load_file(base.folder / "model.safetensors")
    words = next(name for name in stored if stored[name].ndim == 2)
    np.testing.assert_array_equal(module.body.state_dict()[words].numpy(), stored[words])
    other = load_encoder(base.folder / "config.json", shape)
    other.load_state_dict(module.state_dict())
    ids = torch.arange(5, 15).reshape(2, 5)
    with torch.inference_mode():
        there = module(ids, torch.ones_like(ids))
        torch.testing.assert_close(other.eval()(ids, torch.ones_like(ids)), there)


@pytest.mark.slow
def test_weights_of_another_encoder_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    from volano.models.encoder import Shape
    from volano.train.encoders.pretrained import load_pretrained

    shutil.copytree(tiny_base, tmp_path / "mixed")
    told = json.loads((tmp_path / "mixed" / "config.json").read_text())
    shape = Shape("mean", "cosine", 3, 64)
    for change in ({"num_hidden_layers": 3}, {"intermediate_size": 48}, {"model_type": "nonsense"}):
        (tmp_path / "mixed" / "config.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(ConfigError, match="do not fit|cannot read"):
            load_pretrained(opened(tmp_path / "mixed"), shape)


@pytest.mark.slow
def test_an_older_tokenizer_is_converted(tiny_base: Path, tmp_path: Path) -> None:
    from volano.models.tokens import Tokens

    shutil.copytree(tiny_base, tmp_path / "slow")
    content = (tmp_path / "slow" / "tokenizer.json").read_bytes()
    (tmp_path / "slow" / "tokenizer.json").unlink()
    words = sorted((found := json.loads(content)["model"]["vocab"]), key=found.__getitem__)
    (tmp_path / "slow" / "vocab.txt").write_text("\n".join(words), "utf-8")
    text = ["My parcel has not arrived, 我的快递"]
    made = Tokens.load(tokenizer_bytes(opened(tmp_path / "slow")), 64).encode(text)
    assert made[0].tolist() == Tokens.load(content, 64).encode(text)[0].tolist()
    rewrite(tmp_path / "slow", vocab_size=len(words) - 1)
    with pytest.raises(ConfigError, match="numbers tokens up to"):
        tokenizer_bytes(opened(tmp_path / "slow"))
