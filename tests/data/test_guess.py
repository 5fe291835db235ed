from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError
from volano.data.guess import guess_project

if TYPE_CHECKING:
    from pathlib import Path

TICKETS = "ticket_id,customer_id,tier,created,body,category\n" + "".join(
    f"T{n},c{n % 30},{('free', 'pro')[n % 2]},2025-01-{1 + n % 28:02},"
    f"please help me with problem number {n},{('refund', 'login', 'unknown')[n % 3]}\n"
    for n in range(120)
)


def test_a_table_of_tickets_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(TICKETS, "utf-8")
    guess = guess_project(path)
    assert guess.fields.model_dump(exclude_defaults=True) == {
        "text": "body",
        "target": "category",
        "group": "tier",
        "subject": "customer_id",
        "time": "created",
    }
    assert guess.source.key == "ticket_id"
    assert (guess.unknown, guess.language, guess.num_rows) == ("unknown", "en", 120)
    assert all(choice.because for choice in guess.choices.values())


def test_what_is_named_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(TICKETS, "utf-8")
    guess = guess_project(path, text="body", target="tier")
    assert guess.fields.target == "tier"
    assert guess.choices["target"].confidence == 1.0


def test_a_named_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(TICKETS, "utf-8")
    with pytest.raises(DataError, match="no column 'bodi'") as error:
        guess_project(path, text="bodi")
    assert "body" in error.value.fix


def test_a_names_file_in_an_older_encoding_is_read_and_a_strange_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text,label\n" + "".join(f"some text {n},{n % 2}\n" for n in range(60)), "utf-8"
    )
    (tmp_path / "labels.txt").write_bytes("账单\n贷款\n".encode("gbk"))
    assert guess_project(path).names == "labels.txt"
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00\xd8")
    assert guess_project(path).names == ""


def test_superscripts_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"some text {n},{'²³'[n % 2]}\n" for n in range(60)))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n", "utf-8")
    assert guess_project(path).names == ""


def test_a_file_without_a_label_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("text\n" + "".join(f"a note about {n}\n" for n in range(50)), "utf-8")
    with pytest.raises(DataError, match="no column looks like a label"):
        guess_project(path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "header", "text", "target", "labels", "language"),
    [
        ("banking77/train.csv", True, "text", "category", 77, "en"),
        ("sms_spam/SMSSpamCollection", False, "column_2", "column_1", 2, "en"),
        ("cold_zh/train.csv", True, "TEXT", "label", 2, "zh"),
        ("csl_zh/category/train.tsv", False, "column_2", "column_3", 13, "zh"),
    ],
)
def test_real_files_are_understood(
    shared_data: Path, name: str, header: bool, text: str, target: str, labels: int, language: str
) -> None:
    guess = guess_project(shared_data / name)
    assert guess.source.header == header
    assert (guess.fields.text, guess.fields.target) == (text, target)
    assert (len(guess.labels), guess.language, guess.separator) == (labels, language, "")


@pytest.mark.data
def test_several_labels_by_number_are_understood(shared_data: Path) -> None:
    guess = guess_project(shared_data / "goemotions" / "dev.tsv")
    assert (guess.separator, guess.names, len(guess.labels)) == (",", "labels.txt", 28)
    assert (guess.fields.text, guess.fields.target) == ("column_1", "column_2")


@pytest.mark.slow
@pytest.mark.data
def test_a_chinese_file_in_an_older_encoding_is_understood(shared_data: Path) -> None:
    (path,) = (shared_data / "medical_dialogue_zh").glob("*.csv")
    guess = guess_project(path)
    assert guess.fields.text == ("title", "ask")
    assert guess.fields.target == "department"
