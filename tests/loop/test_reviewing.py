from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError, UserError
from volano.loop.reviewing import import_sheet, write_sheet
from volano.store import reviews

if TYPE_CHECKING:
    from pathlib import Path

    from volano.loop.project import Project


def file_one(project: Project) -> None:
    item = reviews.ReviewItem("example", "x" * 64, {"body": "?"}, ("refund",), "suspect-label")
    reviews.file_reviews(project.ledger, [item])


def fill(path: Path, label: str) -> None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": label} for row in rows)


def test_a_sheet_goes_out_and_its_answers_come_back(turned: Project, tmp_path: Path) -> None:
    file_one(turned)
    num = write_sheet(turned, tmp_path / "todo.csv")
    assert num == len(reviews.open_reviews(turned.ledger)) > 0
    fill(tmp_path / "todo.csv", "account")
    done = import_sheet(turned, tmp_path / "todo.csv", by="ann", new_labels=False)
    assert done["answered"] == num
    assert reviews.open_reviews(turned.ledger) == ()


def test_a_label_that_nobody_knows_is_refused_unless_it_is_meant(
    turned: Project, tmp_path: Path
) -> None:
    file_one(turned)
    write_sheet(turned, tmp_path / "todo.csv")
    fill(tmp_path / "todo.csv", "acount")
    with pytest.raises(DataError, match="labels never seen"):
        import_sheet(turned, tmp_path / "todo.csv", by="ann", new_labels=False)
    assert reviews.open_reviews(turned.ledger)
    done = import_sheet(turned, tmp_path / "todo.csv", by="ann", new_labels=True)
    assert list(done["new_labels"]) == ["acount"]


def test_where_nothing_waits_no_sheet_is_left(turned: Project, tmp_path: Path) -> None:
    answers = [
        reviews.ReviewAnswer(item.id, ("refund",), "ann")
        for item in reviews.open_reviews(turned.ledger)
    ]
    reviews.answer_reviews(turned.ledger, answers)
    with pytest.raises(UserError, match="nothing waits"):
        write_sheet(turned, tmp_path / "todo.csv")
    assert not (tmp_path / "todo.csv").exists()


def test_a_sheet_is_never_written_over(turned: Project, tmp_path: Path) -> None:
    file_one(turned)
    (tmp_path / "todo.csv").write_text("mine", "utf-8")
    with pytest.raises(UserError):
        write_sheet(turned, tmp_path / "todo.csv")
    assert (tmp_path / "todo.csv").read_text("utf-8") == "mine"
