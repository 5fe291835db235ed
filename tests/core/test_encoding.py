from __future__ import annotations

import pytest

from volano.core.encoding import decode
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
    content = "text,label\nle café,a\nà bientôt,b\nété,a\n".encode("cp1252")
    with pytest.raises(DataError, match="3 of 4 lines are not UTF-8") as error:
        decode(content, "a.csv")
    assert error.value.where == "a.csv:2"
    assert decode(content, "a.csv", "cp1252").text.count("é") == 3


def test_a_strange_encoding_is_refused() -> None:
    with pytest.raises(DataError, match="no character encoding named 'klingon'"):
        decode(b"x", "a.csv", "klingon")
