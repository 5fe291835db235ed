from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.core.identifiers import find_identifiers, mask, mask_values


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to Ann.Smith+x@mail.example.co.uk, please", "write to <email>, please"),
        ("我的邮箱是zhang_san@qq.com谢谢", "我的邮箱是<email>谢谢"),
        ("邮箱：li＠163．com", "邮箱：<email>"),
        ("call +1 (415) 555-0132 now", "call <phone> now"),
        ("call (415) 555-0132.", "call <phone>."),
        ("415.555.0132 or 415-555-0132", "<phone> or <phone>"),
        ("my number is 4155550132", "my number is <phone>"),
        ("345-899-3560x4587, 010-62345678转801", "<phone>, <phone>"),
        ("call me at 467 3395 today", "call me at <phone> today"),
        ("01.93.92.16.85 ou 0490 75 40 81", "<phone> ou <phone>"),
        ("London +44 20 7946 0958, Berlin 0049 30 901820", "London <phone>, Berlin <phone>"),
        ("txt 08712460324 to win", "txt <phone> to win"),
        ("手机13812345678打不通", "手机<phone>打不通"),
        ("请打138-1234-5678或+86 139 1234 5678", "请打<phone>或<phone>"),
        ("座机010-62345678，区号(0755)2345678", "座机<phone>，区号<phone>"),
        ("全角１３８１２３４５６７８也算", "全角<phone>也算"),
        ("客服400-820-8820", "客服<phone>"),
        ("身份证11010519491231002X。", "身份证<id>。"),
        ("身份证号440524 18800101 0014", "身份证号440524 18800101 0014"),
        ("card 4111 1111 1111 1111 exp", "card <card> exp"),
        ("amex 3782 822463 10005", "amex <card>"),
        ("卡号6222021234567890128丢了", "卡号<card>丢了"),
        ("IBAN DE89 3704 0044 0532 0130 00 and more", "IBAN <iban> and more"),
        ("gb82west12345698765432", "<iban>"),
        ("from 192.168.1.254 at 10:20:30", "from <ip> at 10:20:30"),
        ("服务器2001:db8::8a2e:370:7334超时", "服务器<ip>超时"),
        ("2001:db8::1: down, ::ffff:192.0.2.1 up", "<ip>: down, <ip> up"),
        ("SSN 123-45-6789", "SSN <ssn>"),
    ],
)
def test_an_identifier_becomes_its_kind(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 202401150001 of 2024-01-15 10:20:30",
        "订单号20240115123456，下单时间2024年1月15日",
        "ORD-2024-000123 costs $1,234.56, was ¥13,812,345,678.00",
        "价格是12345678.90元，优惠100000000",
        "growth +1234567.89 and -12.5 %",
        "4155550132 is an order number",
        "4111 1111 1111 1112 fails its check digit",
        "110105194912310021 fails its check character",
        "11010519491331002X has month 13",
        "DE89370400440532013001 fails its check",
        "version 1.2.3.4 and v10.0.19041.1 and 版本：2.0.1.3",
        "999.1.1.1 is out of range, 1.2.3.4.5 too long",
        "std::vector abc::def 10:20:30",
        "000-12-3456 and 666-12-3456 and 987-65-4321",
        "mail me @ home, price@store",
        "tracking ABC13812345678XYZ",
        "1.5.2024, 15/01/2024, 01-02-2024",
        "pages 100-2000, rows 1 000 000",
        "please call on 2024-01-15 or 15.01.2024, 电话回访20240115",
        "",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert mask(text) == text


def test_offsets_are_those_of_the_text_as_given() -> None:
    text = "打１３８１２３４５６７８ or a@b.com"
    assert [text[start:end] for _, start, end in find_identifiers(text)] == [
        "１３８１２３４５６７８",
        "a@b.com",
    ]


def test_values_of_json_are_masked_at_any_depth_and_nothing_else_changes() -> None:
    row = {"a": [{"b": "a@b.com"}, 13812345678, 12, 1.5, None, True], "c": "好"}
    assert mask_values(row) == {"a": [{"b": "<email>"}, "<phone>", 12, 1.5, None, True], "c": "好"}


@given(st.text(alphabet="0123456789+-. ()@:abXx身份证电话ＡＢ０１＠", max_size=80))
def test_masking_never_fails_and_never_overlaps(text: str) -> None:
    found = find_identifiers(text)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert all(a.start < a.end for a in found)


@pytest.mark.parametrize(
    "piece",
    ["a", "1 ", "1-", ":", "0", "+", "DE89 ", "a.", "@a.", "1.", "+1 ", "f:", "(0", "4111 "],
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    began = time.perf_counter()
    mask(piece * (400_000 // len(piece)) + "@")
    assert time.perf_counter() - began < 5
