from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.core.encoding import Encoding, decode, find_encoding
from volano.core.errors import DataError

TEXTS = {
    "gb18030": "你好，我的信用卡昨天在城市里丢失了，请帮忙处理一下。账单什么时候出来？\n",
    "big5": "您好，我的信用卡昨天在城市裡遺失了，請幫忙處理一下。帳單什麼時候出來？\n",
    "euc-kr": "안녕하세요 어제 카드를 잃어버렸습니다. 다시 발급받고 싶은데 어떻게 해야 하나요?\n",
    "shift_jis": "昨日カードをなくしました。再発行をお願いしたいのですが、どうすればよいですか。\n",
    "euc_jp": "昨日カードをなくしました。再発行をお願いしたいのですが、どうすればよいですか。\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("times", [1, 50])
def test_the_older_encodings_of_east_asia_are_told_apart(encoding: str, times: int) -> None:
    text = "text,label\nplain English first,a\n" + TEXTS[encoding] * times
    decoded = decode(text.encode(encoding), "a.csv")
    assert decoded.text == text
    assert (decoded.is_guessed, decoded.is_damaged) == (True, False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_says_its_encoding_is_no_guess(encoding: str) -> None:
    decoded = decode(TEXTS["gb18030"].encode(encoding), "a.csv")
    assert decoded.text.endswith(TEXTS["gb18030"])
    assert not decoded.is_guessed


def test_a_byte_that_is_no_text_costs_one_place_in_any_encoding() -> None:
    for encoding, guess in (("utf-8", "utf-8"), ("gb18030", "gb18030")):
        content = TEXTS["gb18030"].encode(encoding) * 9 + b"odd \xff\n"
        decoded = decode(content, "a.csv")
        assert (decoded.encoding, decoded.is_damaged) == (guess, True)
        assert decoded.text.count("\ufffd") == 1


def test_bytes_that_fit_two_languages_alike_are_not_guessed() -> None:
    with pytest.raises(DataError, match="cannot be told: it may be") as error:
        decode("苹果\n".encode("gbk"), "labels.txt")
    assert error.value.where == "labels.txt"
    assert "encoding:" in error.value.fix


def test_a_file_in_an_unknown_encoding_asks_for_its_name() -> None:
    content = (
        b"text,label\n\xcf\xf0\xe8\xe2\xe5\xf2,a\n\xea\xe0\xea,b\n\xe4\xe5\xeb\xe0,a\n"  # Russian
    )
    with pytest.raises(DataError, match="3 of 4 lines are not UTF-8") as error:
        decode(content, "a.csv")
    assert error.value.where == "a.csv:2"
    assert decode(content, "a.csv", "cp1251").text.splitlines()[1] == "Привет,a"


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("le café,a\nà bientôt,b\nété,a\n", "cp1252", "latin-1"),
        ("Straße für Übergröße\n", "latin-1", "latin-1"),
        ("it\u2019s \u201cfine\u201d \u2013 really\n", "cp1252", "cp1252"),
        ("¿qué pasó mañana?\n", "latin-1", "latin-1"),
    ],
)
def test_western_text_is_told_and_said_to_be_a_guess(text: str, encoding: str, guess: str) -> None:
    decoded = decode(b"text,label\n" + text.encode(encoding) * 20, "a.csv")
    assert decoded.text == "text,label\n" + text * 20
    assert (decoded.encoding, decoded.is_guessed, decoded.is_damaged) == (guess, True, False)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["我的卡还没有到,物流\n密码忘记了怎么办,账户\n" * 50, "a,b\n" * 9])
def test_utf_16_is_known_without_its_mark(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding), "a.csv")
    assert (decoded.text, decoded.encoding, decoded.is_guessed) == (text, encoding, True)


@pytest.mark.parametrize("name", ["base64", "zip", "hex", "rot13", "unicode_escape", "utf-7"])
def test_a_codec_that_no_file_is_saved_in_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="no character encoding named"):
        decode(b"abc", "a.csv", name)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300), size=st.integers(1, 7))
def test_any_bytes_are_told_alike_in_pieces_of_any_size(content: bytes, size: int) -> None:
    def told(step: int) -> Encoding | str:
        cuts = range(0, len(content), step)
        try:
            return find_encoding(lambda: (content[n : n + step] for n in cuts), "a.csv")
        except DataError as error:
            return error.what

    whole = told(max(len(content), 1))
    assert isinstance(whole, str) == isinstance(told(size), str) or not content.isascii()
    if isinstance(whole, Encoding) and not whole.is_guessed and not whole.is_damaged:
        assert told(size) == whole


def test_a_strange_encoding_is_refused() -> None:
    with pytest.raises(DataError, match="no character encoding named 'klingon'"):
        decode(b"x", "a.csv", "klingon")
