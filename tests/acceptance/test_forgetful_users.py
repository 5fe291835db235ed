"""What people forget: every command ends with a result, or with what is wrong and what to try."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Desk, Left

    Rows = list[tuple[str, str]]

pytestmark = [pytest.mark.slow, pytest.mark.data]

INTENTS = ("card_arrival", "change_pin", "exchange_rate", "lost_or_stolen_card")
STRANGER = "card_swallowed"
WORDS = ("card", "cash", "pin", "fee", "lost", "rate", "limit", "refund", "transfer")


@pytest.fixture
def rows(banking: tuple[Rows, Rows]) -> Rows:
    """Some hundreds of real rows of four intents, shuffled."""
    found = [row for row in banking[0] if row[1] in INTENTS]
    random.Random(0).shuffle(found)
    return found


@pytest.fixture
def strangers(banking: tuple[Rows, Rows]) -> Rows:
    """Rows of an intent that training does not know."""
    return [row for row in banking[0] if row[1] == STRANGER][:40]


def init(desk: Desk, *words: object) -> Left:
    return desk.command("init", desk.project, "--set", "effort=quick", *words)


def turn(desk: Desk) -> Left:
    left = desk.command("turn", "--project", desk.project)
    assert "nobody foresaw" not in left.err
    assert "Warning" not in left.err
    return left


def assert_refused(left: Left, *words: str) -> None:
    """Exit code 2, and one message with what, where and try."""
    assert left.code == 2, left.out + left.err
    for word in ("error: ", "  at   ", "  try  ", *words):
        assert word in left.err


def test_a_folder_without_a_file_to_read_is_refused(desk: Desk) -> None:
    assert_refused(init(desk, "--data", desk.folder), "holds no file that can be read")


def test_one_column_for_text_and_label_is_refused(desk: Desk, rows: Rows) -> None:
    file = desk.write("train.csv", rows)
    assert_refused(init(desk, "--data", file, "--text", "label", "--target", "label"), "'label'")


def test_a_test_file_with_other_columns_is_refused_with_its_columns(desk: Desk, rows: Rows) -> None:
    train = desk.write("train.csv", rows)
    test = desk.write("test.csv", rows[:50], ("question", "intent"))
    left = init(desk, "--data", train, "--test", test)
    assert_refused(left, "no column 'text'", "test.csv", "question, intent")


def test_a_test_file_without_rows_is_refused(desk: Desk, rows: Rows) -> None:
    train, test = desk.write("train.csv", rows), desk.write("test.csv", [])
    assert_refused(init(desk, "--data", train, "--test", test), "a header and no rows")


def test_rows_that_all_carry_one_label_are_refused(desk: Desk, rows: Rows) -> None:
    file = desk.write("train.csv", [(text, "same") for text, _ in rows])
    assert_refused(init(desk, "--data", file), "no column looks like a label")
    assert init(desk, "--data", file, "--target", "label").code == 0
    assert_refused(turn(desk), "the same label, 'same'")


def test_rows_without_any_label_are_refused(desk: Desk, rows: Rows) -> None:
    file = desk.write("train.csv", [(text, "") for text, _ in rows])
    assert init(desk, "--data", file, "--text", "text", "--target", "label").code == 0
    assert_refused(turn(desk), "no labelled row is left")


def test_test_labels_that_training_never_had_are_named_in_the_verdict(
    desk: Desk, rows: Rows, strangers: Rows
) -> None:
    train, test = desk.write("train.csv", rows), desk.write("test.csv", rows[:60] + strangers)
    assert init(desk, "--data", train, "--test", test).code == 0
    left = turn(desk)
    assert left.code == 0
    assert f"the candidate never learned '{STRANGER}'" in left.out


def test_a_test_of_unknown_labels_alone_deploys_nothing(
    desk: Desk, rows: Rows, strangers: Rows
) -> None:
    train, test = desk.write("train.csv", rows), desk.write("test.csv", strangers)
    assert init(desk, "--data", train, "--test", test).code == 0
    left = turn(desk)
    assert left.code == 3
    assert "does not beat guessing" in left.out


def test_ten_rows_deploy_nothing_and_the_small_test_is_told_of(desk: Desk, rows: Rows) -> None:
    assert init(desk, "--data", desk.write("train.csv", rows[:10])).code == 0
    left = turn(desk)
    assert left.code == 3
    assert "warning: The test set has" in left.err


def test_two_hundred_labels_of_three_rows_each_are_learnt_without_noise(desk: Desk) -> None:
    rng = random.Random(0)
    made = [
        (" ".join([*rng.choices(WORDS, k=5), f"topic{number}"]), f"label {number}")
        for number in range(200)
        for _ in range(3)
    ]
    assert init(desk, "--data", desk.write("train.csv", made)).code == 0
    left = turn(desk)
    assert left.code == 0


def test_a_text_of_a_megabyte_is_read_and_does_not_swell_the_pages(desk: Desk, rows: Rows) -> None:
    novel = " ".join(random.Random(0).choices(WORDS, k=230_000))
    assert len(novel) > 1_000_000
    file = desk.write("train.csv", [*rows[:300], (novel, "change_pin")])
    assert init(desk, "--data", file).code == 0
    assert turn(desk).code == 0
    pages = list((desk.project / ".volano" / "reports").rglob("*.html"))
    assert len(pages) == 2
    assert max(page.stat().st_size for page in pages) < 1_000_000


def test_texts_of_emoji_alone_are_learnt(desk: Desk) -> None:
    rng = random.Random(0)
    kinds = {"glad": "😀🎉🍕🚗", "cross": "😡💳📦🔒"}
    made = [
        ("".join(rng.choices(kinds[label], k=rng.randint(1, 6))), label)
        for label in sorted(kinds)
        for _ in range(200)
    ]
    assert init(desk, "--data", desk.write("train.csv", made)).code == 0
    left = turn(desk)
    assert left.code == 0
    answer = desk.command("predict", "😡📦📦", "--project", desk.project, "--json")
    assert answer.code == 0
    assert '"label": "cross"' in answer.out
