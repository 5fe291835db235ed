from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from volano.data.steps import texts
from volano.data.steps.texts import detect_language, detect_languages

WORDS = [
    "the",
    "el",
    "is",
    "don't",
    "'the'",
    "我的",
    "卡",
    "カード",
    "카드",
    "où",
    "ſo",
    "12",
    "。",
    "x_y",
]
TEXT = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
)


@settings(max_examples=400, deadline=None)
@given(found=st.lists(TEXT, max_size=8))
def test_languages_of_many_texts_are_those_of_each(found: list[str]) -> None:
    few, texts._FEW = texts._FEW, 0
    try:
        assert detect_languages(found) == [detect_language(text) for text in found]
    finally:
        texts._FEW = few
