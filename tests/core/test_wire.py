from __future__ import annotations

import pytest

from volano.core.wire import BadJsonError, NotJsonError, check_json_type, dump_json, read_json


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"\\udfff": 1}', "half a character"),
        (b"[" * 40 + b"]" * 40, "deep"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deep"),
    ],
)
def test_what_a_ledger_cannot_keep_is_refused_with_a_reason(body: bytes, said: str) -> None:
    with pytest.raises(BadJsonError, match=said) as caught:
        read_json(body)
    assert caught.value.http_status == 400
    assert caught.value.where.startswith("body")
    str(caught.value).encode()


def test_the_place_of_half_a_character_is_named() -> None:
    with pytest.raises(BadJsonError) as caught:
        read_json(b'{"inputs": [{"body": "ok"}, {"body": "\\ud83d"}]}')
    assert caught.value.where == "body.inputs[1].body"


def test_whole_characters_in_escapes_are_read() -> None:
    assert read_json(b'["\\ud83d\\ude00 \\u5361"]') == ["😀 卡"]


def test_numbers_keep_every_digit_and_chinese_is_not_escaped() -> None:
    assert dump_json({"卡": 0.1 + 0.2}) == '{"卡":0.30000000000000004}'.encode()


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("", ""),
        ("text/plain", ""),
        ("application/x-www-form-urlencoded", ""),
        ("application/json; charset=gb18030", ""),
        ("application/json", "gzip"),
    ],
)
def test_another_type_than_json_is_refused(kind: str, encoding: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        check_json_type(kind, encoding)
    assert caught.value.http_status == 415


@pytest.mark.parametrize(
    "kind", ["application/json", 'Application/JSON; charset="UTF-8"', "application/ld+json"]
)
def test_json_is_accepted(kind: str) -> None:
    check_json_type(kind, "identity")
