from __future__ import annotations

import random
import string
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volano.data.steps.near_duplicates import find_near_duplicates, name_clusters

COMMON = (
    "的一是不了人我在有他这中大来上个国和也子时道说地为得你要就那以会自着去之过家学对可她里后小么"
)


def shingles(text: str) -> set[str]:
    """The definition, in plain Python: a Chinese character is two symbols."""
    symbols = [
        char + half for char in text for half in ("12" if 0x2E80 <= ord(char) < 0x30000 else "1")
    ]
    if len(symbols) < 3:
        return {"".join(symbols)} if symbols else set()
    return {"".join(symbols[place : place + 3]) for place in range(len(symbols) - 2)}


def alike(one: str, other: str) -> float:
    mine, yours = shingles(one), shingles(other)
    return len(mine & yours) / max(len(mine | yours), 1)


def found(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    pairs = find_near_duplicates(texts, threshold)
    assert pairs.dtype == np.int64
    assert pairs.shape[1] == 2
    rows = [tuple(pair) for pair in pairs.tolist()]
    assert rows == sorted(set(rows))
    assert all(low < high for low, high in rows)
    return set(rows)


def component(pairs: set[tuple[int, int]], num: int) -> list[str | None]:
    return name_clusters(
        [f"{place:012d}" for place in range(num)], np.array(sorted(pairs)).reshape(-1, 2)
    )


short_texts = st.lists(
    st.text(alphabet="ab c你好，\U0001f600\x00é", max_size=12), min_size=2, max_size=12
)


@settings(deadline=None, max_examples=60)
@given(short_texts, st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_what_is_found_is_alike_by_the_plain_definition(texts: list[str], threshold: float) -> None:
    pairs = found(texts, threshold)
    for one, other in pairs:
        assert texts[one] == texts[other] or alike(texts[one], texts[other]) >= threshold
    for place, text in enumerate(texts):
        if texts.index(text) < place:
            assert (texts.index(text), place) in pairs


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("alphabet", [string.ascii_lowercase + " ", COMMON, COMMON + "abc "])
def test_nearly_all_pairs_of_a_brute_force_are_found(threshold: float, alphabet: str) -> None:
    chance = random.Random(0)
    texts: list[str] = []
    for _ in range(150):
        one = "".join(chance.choices(alphabet, k=chance.randint(1, 60)))
        other = list(one)
        for _ in range(chance.randint(0, 3)):
            other[chance.randrange(len(other))] = chance.choice(alphabet)
        texts += [one, "".join(other)]
    sets = [shingles(text) for text in texts]
    truth = {
        (one, other)
        for other in range(len(texts))
        for one in range(other)
        if texts[one] != texts[other]
        and len(sets[one] & sets[other]) >= threshold * len(sets[one] | sets[other])
    }
    pairs = {(one, other) for one, other in found(texts, threshold) if texts[one] != texts[other]}
    assert pairs <= truth
    assert len(pairs) >= 0.98 * len(truth)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.95])
@pytest.mark.parametrize(("alphabet", "length"), [(string.ascii_lowercase, 150), (COMMON, 75)])
def test_pairs_just_above_any_threshold_are_found(
    threshold: float, alphabet: str, length: int
) -> None:
    chance = random.Random(0)
    texts: list[str] = []
    planted = set()
    while len(planted) < 150:
        one = "".join(chance.choices(alphabet, k=length))
        num = round(length * chance.uniform(0, 1) * (1 - threshold))
        other = one[: length - num] + "".join(chance.choices(alphabet, k=num))
        if threshold <= alike(one, other) < threshold + 0.04:
            planted.add((len(texts), len(texts) + 1))
            texts += [one, other]
    assert len(found(texts, threshold) & planted) >= 0.98 * len(planted)


def test_one_edit_in_a_sentence_is_found_in_both_scripts() -> None:
    texts = [
        "please cancel my order 1234, it has not arrived yet and I am leaving tomorrow",
        "please cancel my order 1234, it has not arrived yet and I am flying tomorrow",
        "你好，我的订单一直没有发货，麻烦帮我查一下物流信息，谢谢",
        "你好，我的订单一直没有发货，麻烦帮我看一下物流信息，谢谢",
        "a different matter altogether",
    ]
    assert found(texts, 0.7) == {(0, 1), (2, 3)}


def test_odd_texts_are_no_trouble() -> None:
    odd = ["", "a", "ab", "你", "😀", "👩‍👩‍👧", "\ud800", "a\ud800b", "\x00", "\x00a", " ", "", "a"]
    assert found(odd, 0.7) == {(0, 11), (1, 12)}
    assert found([], 0.7) == set()
    assert found(["", ""], 0.7) == {(0, 1)}
    assert found(["aaaaaaaa", "aaaa"], 1.0) == {(0, 1)}  # the same distinct shingles


def test_arrow_columns_of_any_kind_give_the_same_pairs() -> None:
    texts = ["one text of some length", "one text of some lengths", "另一个", "另一个", "x"] * 3
    expected = find_near_duplicates(texts, 0.7).tolist()
    assert expected
    column = pa.array(["before", *texts])[1:]  # with an offset
    chunks = pa.chunked_array([texts[:4], [], texts[4:]], pa.string())
    for keys in (column, column.cast(pa.large_string()), chunks, pa.array(texts, pa.string_view())):
        assert find_near_duplicates(keys, 0.7).tolist() == expected
    assert find_near_duplicates(pa.chunked_array([], pa.string()), 0.7).shape == (0, 2)


def test_threshold_zero_pairs_equal_texts_only() -> None:
    assert found(["one text", "one text.", "one text"], 0) == {(0, 2)}


def test_what_is_near_a_text_is_near_its_equals() -> None:
    texts = ["one text of some length", "one text of some lengths"] * 3
    assert found(texts, 0.7) == {
        (one, other) for other in range(6) for one in range(other) if (one + other) % 2
    } | {(0, 2), (0, 4), (1, 3), (1, 5)}


def test_five_thousand_equal_texts_beside_others_give_few_pairs() -> None:
    texts = ["one text of some length", "one text of some lengths"] * 5_000
    pairs = found(texts, 0.7)
    assert len(pairs) < 25_000
    assert len(set(component(pairs, len(texts)))) == 1


def test_the_same_pairs_come_out_each_time() -> None:
    chance = random.Random(0)
    texts = ["".join(chance.choices("abc", k=14)) for _ in range(600)]
    first = find_near_duplicates(texts, 0.5)
    assert len(first)
    assert np.array_equal(first, find_near_duplicates(texts, 0.5))


def templated(num: int) -> list[str]:
    chance = random.Random(0)
    return [
        f"Dear customer, your parcel {chance.randrange(10**9)} left our warehouse today and will "
        f"reach you on day {chance.randrange(31)}; do not answer this message."
        for _ in range(num)
    ]


@pytest.mark.slow
def test_a_crowd_of_one_template_is_one_cluster_within_seconds() -> None:
    chance = random.Random(1)
    others = ["".join(chance.choices(string.ascii_lowercase, k=100)) for _ in range(2000)]
    texts = templated(20_000) + others
    began = time.process_time()
    pairs = found(texts, 0.7)
    assert time.process_time() - began < 20
    assert len(pairs) < 32 * len(texts)
    names = component(pairs, len(texts))
    assert set(names[:20_000]) == {"000000000000"}
    assert set(names[20_000:]) <= {None}


def test_a_pair_inside_a_crowd_that_is_not_alike_is_found() -> None:
    chance = random.Random(0)
    footer = " This message is confidential and meant for the person named above only."
    texts, planted = [], set()
    for _ in range(3000):
        words = ["".join(chance.choices(string.ascii_lowercase, k=6)) for _ in range(10)]
        one = " ".join(words)
        texts.append(one + footer)
        if chance.random() < 0.1:
            words[chance.randrange(10)] = "edited"
            planted.add((len(texts) - 1, len(texts)))
            texts.append(" ".join(words) + footer)
    pairs = found(texts, 0.7)
    truth = {pair for pair in planted if alike(texts[pair[0]], texts[pair[1]]) >= 0.7}
    assert len(pairs & truth) >= 0.98 * len(truth)


LARGE = """
import random, resource, sys
from volano.data.steps.near_duplicates import find_near_duplicates
find_near_duplicates(["one text of some length", "one text of some lengths"], 0.7)
chance = random.Random(0)
texts = eval(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pairs = find_near_duplicates(texts, 0.7)
print(len(pairs), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "num_pairs", "megabytes"),
    [
        # two texts of 10 MB, alike
        ("[(t := ''.join(chance.choices('abcdefgh', k=100_000)) * 100), t[:-9]]", 1, 900),
        ("[''.join(chance.choices('abcdefghij klmno', k=100)) for _ in range(50_000)]", 0, 250),
    ],
)
def test_memory_is_bounded(texts: str, num_pairs: int, megabytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE, texts], capture_output=True, text=True, check=True
    )
    pairs, used = map(int, done.stdout.split())
    assert pairs == num_pairs
    assert used < megabytes


def test_a_cluster_has_the_name_of_its_lowest_id() -> None:
    ids = ["ffffffffffffffff", "bbbbbbbbbbbbbbbb", "aaaaaaaaaaaaaaaa", "cccccccccccccccc"]
    pairs = np.array([[0, 1], [1, 3]])
    expected = ["bbbbbbbbbbbb", "bbbbbbbbbbbb", None, "bbbbbbbbbbbb"]
    assert name_clusters(ids, pairs) == expected
    assert name_clusters(pa.chunked_array([ids]), pairs) == expected
    assert name_clusters(ids, np.zeros((0, 2), np.int64)) == [None] * 4


def test_predictions_of_one_moment_are_of_different_clusters() -> None:
    """Their ids begin with the time, so that they are in order."""
    ids = [f"01a20707-fbf1-7000-8000-00000000000{n}" for n in range(4)]
    names = name_clusters(ids, np.array([[0, 1], [2, 3]]))
    assert names[0] == names[1] != names[2] == names[3]
