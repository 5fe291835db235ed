from __future__ import annotations

import html
import re
import time
import unicodedata
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.tiny import TEXTS

from volano.evals.altering import KINDS, alter, words_of
from volano.evals.wording import LOOK_ALIKES, NEIGHBOURS, SYNONYMS

if TYPE_CHECKING:
    from collections.abc import Iterator

MORE = (
    "I can't get the $5.99 refund at bob@shop.example, it isn't 3 days yet",
    "Can you show me how to change my phone?",
    "Is there a way to cancel order A-20817 before 3 pm?",
    "iPhone14 坏了，怎么换？不要发短信，我没有收到",
    "我要取消 2 号的订单，因为现在不需要了",
    "能不能把 https://shop.example/a?b=1 发给我",
    "Reset 密码 page 打不开，what do I do",
    "It's broken & I'm sad",
)
ALL = tuple(text for texts in TEXTS.values() for text in texts) + MORE
KNOWN = {word for text in ALL for word in words_of(text)}
DENIALS = re.compile(r"\b(?:not|no|never|without)\b|不|没|无|未|非|别")


def all_altered(num: int = 20) -> Iterator[tuple[str, str, str, str]]:
    """Kind, rule, text, altered text; where a rule applies."""
    for kind in KINDS:
        for text in ALL:
            for place in range(num):
                rule, altered = alter(text, kind, Random(f"{kind} {place} {text}"), KNOWN)
                if rule:
                    yield kind, rule, text, altered


def plain(text: str) -> str:
    """A text as a person reads it: one width, no entities, small letters, nothing shortened."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).lower().replace("’", "'")
    for short, whole in (("can't", "can not"), ("cannot", "can not"), ("won't", "will not")):
        text = text.replace(short, whole)
    return text.replace("n't", " not")


def test_every_rule_is_drawn_and_alters() -> None:
    drawn = Counter((kind, rule) for kind, rule, _, _ in all_altered())
    for kind, rules in KINDS.items():
        assert {rule for rule in rules if not drawn[kind, rule]} == set()


def test_numbers_and_negations_stay() -> None:
    for _, rule, text, altered in all_altered():
        assert altered != text
        before, after = plain(text), plain(altered)
        assert re.findall(r"\d+", before) == re.findall(r"\d+", after), (rule, text, altered)
        denied = [Counter(DENIALS.findall(one)) for one in (before, after)]
        # 能不能 asks, as 吗 does.
        asks = "能不能" in before + after or "可不可以" in before + after
        assert asks or denied[0] == denied[1], (rule, text, altered)


def test_addresses_and_codes_stay() -> None:
    codes = re.compile(r"[\w.]+@[\w.]+|https?://[\w./?=]+|[A-Z]-\d+|iPhone14|\$[\d.]+")
    for _, rule, text, altered in all_altered():
        for code in codes.findall(text):
            assert plain(code) in plain(altered), (rule, text, altered)


def test_a_typo_makes_no_other_word() -> None:
    for kind, _, text, altered in all_altered():
        if kind == "typos":
            fresh = words_of(altered) - words_of(text)
            assert not fresh & KNOWN, (text, altered)
    # Of the slips in "live", "love" is one; with it known, it is not made.
    made = {alter("They live here", "typos", Random(place), {"love"})[1] for place in range(400)}
    assert not any("love" in text for text in made)


def test_the_same_seed_alters_alike() -> None:
    for kind in KINDS:
        first, again = (alter(ALL[0], kind, Random(7), KNOWN) for _ in range(2))
        assert first == again


@pytest.mark.parametrize("text", ["Is it in stock?", "How do I pay", "where is my parcel?"])
def test_an_english_text_gets_no_chinese_words(text: str) -> None:
    for place in range(100):
        _, altered = alter(text, "paraphrase", Random(place))
        assert not re.search(r"[\u4e00-\u9fff]", altered)


@pytest.mark.parametrize("text", ["Mein Paket ist weg", "こんにちは 元気ですか", "12345", "???"])
def test_a_text_in_no_language_we_know_is_not_paraphrased(text: str) -> None:
    assert alter(text, "paraphrase", Random(1)) == ("", "")


def test_a_chinese_text_without_letters_or_marks_has_no_case() -> None:
    assert alter("快递单号查不到物流", "case", Random(1)) == ("", "")


@pytest.mark.parametrize("text", ["", " ", "好", "a", "🙂", "\ud83d", "不", "can't"])
def test_tiny_texts_are_altered_or_left_without_a_fault(text: str) -> None:
    for kind in KINDS:
        for place in range(30):
            rule, altered = alter(text, kind, Random(place))
            assert rule or altered == ""


def test_a_long_text_is_altered_at_its_beginning_and_soon() -> None:
    text = "The quick courier can't find my house. 快递员找不到我家。" * 2000
    start = time.process_time()
    for kind in KINDS:
        for place in range(10):
            _, altered = alter(text, kind, Random(place), KNOWN)
            assert altered.endswith(text[3000:])
    assert time.process_time() - start < 4


def test_tables_hold_no_pair_with_itself() -> None:
    for table in (LOOK_ALIKES, NEIGHBOURS):
        for one, others in table.items():
            assert others
            assert one not in others
            assert all(one in table[other] for other in others)
    for phrases in SYNONYMS.values():
        assert len({pattern for pattern, _ in phrases}) == len(phrases)
