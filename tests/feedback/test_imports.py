from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError, StoreError, UserError
from volano.feedback import (
    FeedbackConfig,
    export_reviews,
    fill_reviews,
    import_reviews,
    read_signals,
    settle,
)
from volano.store.audit import list_audit
from volano.store.predictions import add_predictions
from volano.store.reviews import ReviewItem, answered_reviews, file_reviews, open_reviews
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from volano.core.nouns import Prediction
    from volano.store.ledger import Ledger

    Predicted = Callable[..., Prediction]

KNOWN = {"card", "loan", "贷款"}


@pytest.fixture
def queue(ledger: Ledger, predicted: Predicted) -> tuple[ReviewItem, ...]:
    add_predictions(ledger, [predicted("p1", text="我的卡"), predicted("p2")])
    items = [
        ReviewItem("prediction", "p1", {"body": '我的卡, "x"\nnew'}, ("card",), "random", 0.5),
        ReviewItem("prediction", "p2", {"body": '=HYPERLINK("http://x")'}, ("card",), "unsure"),
        ReviewItem(
            "example", "e1", {"body": "+1 text", "label": "raw"}, ("-odd",), "suspect-label"
        ),
    ]
    return file_reviews(ledger, items)


def edited(path: Path, labels: dict[int, tuple[str, str]]) -> list[list[str]]:
    """The rows of a sheet with (label, by) filled in by review id."""
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    header = rows[0]
    for row in rows[1:]:
        label, by = labels.get(int(row[0]), ("", ""))
        row[header.index("label")], row[header.index("by")] = label, by
    return rows


def save(
    path: Path, rows: list[list[str]], *, encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def test_a_sheet_opens_in_chinese_and_runs_no_formula(
    ledger: Ledger, task: TextClassification, queue: object, tmp_path: Path
) -> None:
    path = tmp_path / "todo.csv"
    assert export_reviews(ledger, task, path) == 3
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    assert [row["body"] for row in rows] == [
        '我的卡, "x"\nnew',
        '\'=HYPERLINK("http://x")',
        "'+1 text",
    ]
    assert [row["answer"] for row in rows] == ["card", "card", "'-odd"]
    assert [row["confidence"] for row in rows] == ["0.9", "0.9", ""]
    assert rows[2]["label (input)"] == "raw"
    assert {row["label"] for row in rows} == {""}


def test_a_sheet_that_is_there_is_not_written_over(
    ledger: Ledger, task: TextClassification, queue: object, tmp_path: Path
) -> None:
    path = tmp_path / "todo.csv"
    path.write_text("work", "utf-8")
    with pytest.raises(UserError, match="already"):
        export_reviews(ledger, task, path)
    assert path.read_text("utf-8") == "work"
    assert export_reviews(ledger, task, path, replace=True) == 3
    with pytest.raises(UserError, match="cannot be written"):
        export_reviews(ledger, task, tmp_path / "no" / "todo.csv")


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("gb18030", ","), ("gb18030", ";"), ("utf-16", "\t")],
)
def test_it_comes_back_however_a_spreadsheet_saved_it(
    ledger: Ledger,
    task: TextClassification,
    queue: tuple[ReviewItem, ...],
    tmp_path: Path,
    encoding: str,
    delimiter: str,
) -> None:
    export_reviews(ledger, task, tmp_path / "todo.csv")
    labels = {queue[0].id: ("贷款", "安"), queue[2].id: ("'-odd", "")}
    rows = edited(tmp_path / "todo.csv", labels)
    done = save(tmp_path / "done.csv", rows, encoding=encoding, delimiter=delimiter)
    counts = import_reviews(ledger, task, done, KNOWN, by="importer")
    assert (counts.answered, counts.skipped, counts.agreement) == (2, 1, None)
    said = {(item.ref, item.label, item.by) for item in answered_reviews(ledger)}
    assert said == {("p1", ("贷款",), "安"), ("e1", ("-odd",), "importer")}
    assert [item.ref for item in open_reviews(ledger)] == ["p2"]
    again = import_reviews(ledger, task, done, KNOWN, by="importer")
    assert (again.answered, again.repeated, again.skipped) == (0, 2, 1)


def test_ids_that_nobody_filed_are_listed_and_nothing_is_kept(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    rows = [["review", "label"], [str(queue[0].id), "card"], ["999", "card"], ["1000.0", "loan"]]
    with pytest.raises(DataError, match="nobody filed: line 3: 999 'card'; line 4: 1000 'loan'"):
        import_reviews(ledger, task, save(tmp_path / "x.csv", rows), KNOWN)
    assert answered_reviews(ledger) == ()


def test_labels_never_seen_are_typing_errors_unless_meant(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    rows = [["review", "label"], [str(queue[0].id), "crad"], [str(queue[1].id), "card"]]
    path = save(tmp_path / "x.csv", rows)
    with pytest.raises(DataError, match="labels never seen: line 2: 1 'crad'") as caught:
        import_reviews(ledger, task, path, KNOWN)
    assert "--new-labels" in caught.value.fix
    assert answered_reviews(ledger) == ()
    counts = import_reviews(ledger, task, path, KNOWN, new_labels=True)
    assert (counts.answered, counts.new_labels) == (2, ("crad",))


def test_two_people_are_kept_apart_and_their_agreement_is_measured(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    one, two, _ = (str(item.id) for item in queue)
    header = ["review", "label", "by", "comment"]
    rows = [
        header,
        [one, "card", "ann", "clear"],
        [two, "card", "ann", ""],
        [one, "card", "bo", ""],
    ]
    first = import_reviews(ledger, task, save(tmp_path / "a.csv", rows), KNOWN)
    assert (first.answered, first.second_opinions) == (2, 1)
    assert first.agreement is not None
    assert (first.agreement.num_shared, first.agreement.share_agreeing) == (1, 1.0)
    rows = [header, [two, "loan", "bo", ""], [two, "loan", "cy", ""]]
    second = import_reviews(ledger, task, save(tmp_path / "b.csv", rows), KNOWN)
    assert (second.second_opinions, second.answered) == (2, 0)
    assert second.agreement is not None
    assert second.agreement.kappas["bo and cy"] is None
    kept = [(item.ref, item.by, item.label, item.why) for item in answered_reviews(ledger)]
    assert len(kept) == 5
    assert ("p1", "bo", ("card",), "random") in kept
    assert [deed.detail["comment"] for deed in list_audit(ledger, action="comment-review")] == [
        "clear"
    ]


def test_a_conflict_is_settled_by_one_of_those_who_disagreed(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    header, one = ["review", "label", "by"], str(queue[0].id)
    rows = [header, [one, "card", "ann"], [one, "loan", "bo"]]
    first = save(tmp_path / "first.csv", rows)
    import_reviews(ledger, task, first, KNOWN)
    config = FeedbackConfig(num_reviews=0)
    (asked,) = fill_reviews(config, task, ledger, seed=0)
    assert (asked.ref, asked.why) == ("p1", "conflict")
    rows = [header, [str(asked.id), "loan", "ann"], [str(asked.id), "loan", "bo"]]
    last = save(tmp_path / "last.csv", rows)
    counts = import_reviews(ledger, task, last, KNOWN)
    assert (counts.answered, counts.repeated, counts.changed) == (1, 1, 0)
    for path in (first, last):  # sent in again, neither changes anything
        again = import_reviews(ledger, task, path, KNOWN)
        assert (again.repeated, again.answered, again.changed) == (2, 0, 0)
    settled = settle(config, task, read_signals(ledger)).settled
    assert [(s.outcome, s.labels) for s in settled] == [("label", ("loan",))]
    assert fill_reviews(config, task, ledger, seed=0) == ()


def test_an_import_that_breaks_off_keeps_nothing(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    one, two, _ = (str(item.id) for item in queue)
    rows = [["review", "label", "by", "comment"], [one, "card", "ann", ""], [one, "loan", "bo", ""]]
    path = save(tmp_path / "x.csv", [*rows, [two, "card", "ann", "clear"]])
    with ledger.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(StoreError, match="full"):
        import_reviews(ledger, task, path, KNOWN)
    assert len(open_reviews(ledger)) == 3
    assert answered_reviews(ledger) == ()


def test_a_comment_that_is_sent_in_twice_is_kept_once(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    one = str(queue[0].id)
    header = ["review", "label", "by", "comment"]
    rows = [header, [one, "card", "ann", "clear"], [one, "loan", "bo", "no"]]
    for _ in range(2):
        import_reviews(ledger, task, save(tmp_path / "x.csv", rows), KNOWN)
    rows[1][3] = "not so clear"
    import_reviews(ledger, task, save(tmp_path / "x.csv", rows), KNOWN)
    said = [(deed.actor, deed.detail["comment"]) for deed in list_audit(ledger)]
    assert said == [("ann", "not so clear"), ("bo", "no"), ("ann", "clear")]


def test_one_person_saying_two_things_of_one_item_is_refused(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    one = str(queue[0].id)
    rows = [["review", "label", "by"], [one, "card", "ann"], [one, "loan", "ann"]]
    with pytest.raises(DataError, match="two labels"):
        import_reviews(ledger, task, save(tmp_path / "x.csv", rows), KNOWN)
    rows[2][1] = "card"
    counts = import_reviews(ledger, task, save(tmp_path / "y.csv", rows), KNOWN)
    assert (counts.answered, counts.repeated) == (1, 1)


def test_a_changed_answer_is_counted_as_changed(
    ledger: Ledger, task: TextClassification, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    one = str(queue[0].id)
    for label in ("card", "loan"):
        path = save(tmp_path / f"{label}.csv", [["review", "label"], [one, label]])
        counts = import_reviews(ledger, task, path, KNOWN)
    assert (counts.answered, counts.changed) == (0, 1)
    assert [item.label for item in answered_reviews(ledger)] == [("loan",)]


def test_several_labels_use_the_separator_of_the_project(
    ledger: Ledger, queue: tuple[ReviewItem, ...], tmp_path: Path
) -> None:
    many = TextClassification(LabelsConfig(separator="|"))
    rows = [["review", "label"], [str(queue[0].id), "loan | card"]]
    import_reviews(ledger, many, save(tmp_path / "x.csv", rows), KNOWN)
    assert [item.label for item in answered_reviews(ledger)] == [("card", "loan")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column 'review'"),
        (b"a,b\n1,2\n", "no column 'review'"),
        (b"PK\x03\x04", "workbook"),
        (b"review,label\nx1,card\n", "line 2: 'x1'"),
        (b'review,label\n1,"card\n', "broken"),
        (b"\xff\x81 \xff\n" * 3, "not UTF-8"),
        (b"review,label\n1,c\x00ard\n", "no text"),
        (b"review,label,by\n1,card,ann\n2,card,bo\n3,c\xffrd,cy\n", "no text: line 4"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_with_the_reason(
    content: bytes, said: str, ledger: Ledger, task: TextClassification, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        import_reviews(ledger, task, tmp_path / "x.csv", KNOWN)


def test_a_missing_sheet_is_a_clear_error(
    ledger: Ledger, task: TextClassification, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        import_reviews(ledger, task, tmp_path / "x.csv", KNOWN)
