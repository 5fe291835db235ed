from __future__ import annotations

import numpy as np
import pytest
from tests.tiny_encoder import tiny_tokenizer

from volano.core.errors import ConfigError
from volano.core.events import Event, Events
from volano.models.tokens import Tokens
from volano.train.encoders.config import EncoderConfig
from volano.train.encoders.shaping import (
    choose_head,
    choose_lr,
    choose_pooling,
    tokenise,
    weigh,
)
from volano.train.loop.config import OptimizerConfig

SHORT, LONG = "refund the parcel", "refund the parcel " * 40


def heard(texts: list[str], max_tokens: int | str = "auto", most: int = 512):  # type: ignore[no-untyped-def]
    said: list[Event] = []
    config = EncoderConfig.model_validate({"max_tokens": max_tokens})
    return tokenise(tiny_tokenizer(), texts, config, most, Events((said.append,))), said


def test_pooling_is_what_is_named_then_what_the_base_states_then_the_mean() -> None:
    said: list[Event] = []
    log = Events((said.append,))
    assert choose_pooling(EncoderConfig(pooling="max"), ("lasttoken",), log)[0] == "max"
    assert choose_pooling(EncoderConfig(), ("cls",), log) == ("cls", "the base states it")
    assert choose_pooling(EncoderConfig(), (), log) == ("mean", "the base states none")
    assert not said


@pytest.mark.parametrize("stated", [("lasttoken",), ("mean", "cls")])
def test_a_pooling_that_is_not_known_is_told_apart_from_none(stated: tuple[str, ...]) -> None:
    said: list[Event] = []
    pooling, why = choose_pooling(EncoderConfig(), stated, Events((said.append,)))
    assert (pooling, "states none" in why) == ("mean", False)
    assert [event.kind for event in said] == ["warning"]
    assert all(name in why and name in said[0].text for name in stated)


def test_the_head_is_cosine_unless_the_project_names_another() -> None:
    assert choose_head(EncoderConfig())[0] == "cosine"
    assert choose_head(EncoderConfig(head="linear")) == ("linear", "named in the project")


@pytest.mark.parametrize(
    ("width", "lr"), [(384, 2e-4), (768, 5e-5), (1024, 2.8e-5), (32, 1e-3), (512, 1.125e-4)]
)
def test_the_learning_rate_falls_with_the_square_of_the_width(width: int, lr: float) -> None:
    assert choose_lr(OptimizerConfig(), width)[0] == pytest.approx(lr, rel=0.01)
    assert choose_lr(OptimizerConfig(lr=0.5), width) == (0.5, "named in the project")


def test_auto_covers_nearly_all_texts_in_whole_eights() -> None:
    found, said = heard([SHORT] * 399 + [LONG])
    assert found.max_tokens == 8
    assert (found.texts_cut, said[0].kind) == (1, "note")
    assert len(found.ids_N[-1]) == 8
    assert found.ids_N[0][0] == found.ids_N[-1][0]
    assert found.ids_N[0][-1] == found.ids_N[-1][-1], "the closing token stays"


def test_what_is_cut_is_counted_and_warned_of() -> None:
    found, said = heard([SHORT, LONG], max_tokens=8)
    whole, silent = heard([SHORT, LONG], max_tokens=512)
    assert found.tokens == whole.tokens
    assert found.tokens_cut == len(whole.ids_N[1]) - 8
    assert [event.kind for event in said] == ["warning"]
    assert "1 of 2 texts" in said[0].text
    assert not silent
    assert whole.told() == {
        "max_tokens": 512, "texts_cut": 0, "tokens_cut": 0, "tokens": whole.tokens,
        "tokens_unknown": 0,
    }  # fmt: skip


def test_a_base_that_does_not_know_the_language_is_warned_of() -> None:
    found, said = heard([SHORT] * 8 + ["ありがとう"] * 2)
    assert found.tokens_unknown > 0.03 * found.tokens
    assert [event.kind for event in said] == ["warning"]
    assert "unknown to the base" in said[0].text
    assert "train.base" in said[0].text
    assert not heard([SHORT] * 99 + ["ありがとう"])[1], "a word here and there is no other language"


def test_auto_never_passes_the_positions_of_the_base() -> None:
    found, said = heard([LONG] * 3, most=32)
    assert found.max_tokens == 32
    assert [event.kind for event in said] == ["warning"]


def test_more_tokens_than_the_base_has_positions_are_refused() -> None:
    with pytest.raises(ConfigError, match="positions for 32 tokens") as caught:
        heard([SHORT], max_tokens=64, most=32)
    assert caught.value.where == "train.encoder.max_tokens"


def test_balanced_weights_let_each_label_count_alike() -> None:
    truth = np.eye(2, dtype=bool)[[0] * 9 + [1]]
    found = weigh(np.ones(10), truth, "balanced")
    assert found.mean() == pytest.approx(1.0)
    assert found[:9].sum() == pytest.approx(found[9])
    several = np.array([[True, True], [True, False], [True, False]])
    assert weigh(np.ones(3), several, "balanced").tolist() == pytest.approx([1.5, 0.75, 0.75])
    assert weigh(np.array([2.0, 0.0]), truth[:2], "none").tolist() == [2.0, 0.0]


def test_the_unknown_token_is_found_in_every_kind_of_vocabulary() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE, Unigram

    pieces = Tokenizer(Unigram([("a", -1.0), ("<unk>", 0.0)], unk_id=1))
    letters = Tokenizer(BPE({"a": 0}, []))
    assert Tokens.load(tiny_tokenizer(), 8).unknown == 1
    assert Tokens.load(pieces.to_str().encode(), 8).unknown == 1
    assert Tokens.load(letters.to_str().encode(), 8).unknown is None
