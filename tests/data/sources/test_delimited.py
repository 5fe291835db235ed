from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import Batch, read_whole

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, content: str | bytes, **settings: object) -> Batch:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_whole(path, SourceConfig(path=path.name, **settings))  # type: ignore[arg-type]


def test_rows_keep_the_line_they_begin_on_across_line_breaks_in_quotes(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", 'text,label\n"two\nlines",a\r\nnext,b\n\nlast,c\n')
    assert batch.lines.tolist() == [2, 4, 6]
    assert batch.table["text"].to_pylist() == ["two\nlines", "next", "last"]


def test_a_row_of_another_width_is_set_aside_with_its_line_and_text(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", "text,label\ngood,a\nbad,b,c\nfine,a\n")
    assert batch.lines.tolist() == [2, 4]
    (broken,) = batch.broken
    assert (broken.line, broken.reason, broken.raw) == (3, "3 cells, 2 columns", "bad,b,c")


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    content = 'text,label\n"fine, yes",a\nbad,"b\n"good, too",c\nplain,d\n'
    batch = read(tmp_path / "a.csv", content)
    assert batch.table["label"].to_pylist() == ["a", "c", "d"]
    assert [(one.line, one.reason) for one in batch.broken] == [(3, "a quote that never closes")]


def test_many_stray_quotes_cost_one_row_each(tmp_path: Path) -> None:
    body = "".join(f'x,"stray {n}\n"fine, {n}",b\n' for n in range(3000))
    batch = read(tmp_path / "a.csv", "text,label\n" + body)
    assert batch.table.num_rows + len(batch.broken) == 6000
    assert len(batch.broken) == 3000


def test_a_quote_open_at_the_end_of_the_file_is_told(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", 'text,label\n"a, b",x\nlast,"cut off')
    assert batch.broken[0].line == 3
    assert batch.table.num_rows == 1


@pytest.mark.parametrize(
    ("mark", "name"), [(",", "comma"), ("\t", "tab"), (";", "semicolon"), ("|", "bar")]
)
def test_the_delimiter_is_found(tmp_path: Path, mark: str, name: str) -> None:
    batch = read(
        tmp_path / "a.txt",
        f"text{mark}label\nHello, you; there{mark}a\nHm{mark}b\n"
        if mark in "\t|"
        else f"text{mark}label\nHello you{mark}a\nHm{mark}b\n",
    )
    assert batch.facts["delimiter"] == name
    assert batch.table.column_names == ["text", "label"]


def test_quotes_in_a_tab_separated_file_may_be_only_characters(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.tsv", 'text\tlabel\n"Hi" he said\ta\n"open\tb\nx\ta\n')
    assert batch.facts["quoting"] == "none"
    assert batch.table["text"].to_pylist() == ['"Hi" he said', '"open', "x"]


def test_a_headerless_file_has_the_columns_it_is_given(tmp_path: Path) -> None:
    batch = read(
        tmp_path / "a.tsv", "ham\tHi\nspam\tWin\n", header=False, columns=("label", "text")
    )
    assert batch.table["label"].to_pylist() == ["ham", "spam"]
    assert batch.lines.tolist() == [1, 2]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", b"\xef\xbb\xbftext,label\nhi,a\n")
    assert batch.table.column_names == ["text", "label"]


def test_an_index_without_a_name_gets_one(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", ",text\n0,hi\n").table.column_names == ["column_1", "text"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "utf-8-sig"])
def test_chinese_is_read_from_the_encodings_it_comes_in(tmp_path: Path, encoding: str) -> None:
    content = "text,label\n我的卡还没有到,物流\n密码忘记了怎么办,账户\n".encode(encoding)
    batch = read(tmp_path / "a.csv", content)
    assert batch.table["text"].to_pylist() == ["我的卡还没有到", "密码忘记了怎么办"]


def test_rows_with_bytes_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", b"text,label\ngood,a\nb\xffd,b\nfine \xef\xbf\xbd?,c\n")
    assert [one.line for one in batch.broken] == [3, 4]


def test_a_replacement_character_that_was_written_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "text,label\nfine \ufffd?,c\n").broken == ()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "\n\n", "only empty lines"),
        ("a.csv", "text,label\n", "no rows"),
        ("a.csv", "text,text\na,b\n", "'text' 2 times"),
        ("a.xlsx", "x", "no reader"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, name: str, content: str, what: str
) -> None:
    with pytest.raises(DataError, match=what) as error:
        read(tmp_path / name, content)
    assert str(tmp_path) in error.value.where
    assert error.value.fix


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("x", "utf-8")
    with pytest.raises(DataError) as error:
        read_whole(tmp_path / "ticket.csv", SourceConfig(path="ticket.csv"))
    assert error.value.fix == "did you mean 'tickets.csv'?"


@pytest.mark.parametrize("name", ["*.csv", "."])
def test_a_pattern_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="a source is one file|no reader"):
        read_whole(tmp_path / name, SourceConfig(path=name))


def test_a_named_encoding_that_does_not_fit_says_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not utf-8") as error:
        read(tmp_path / "a.csv", b"text,label\nok,a\n\xff,b\n", encoding="utf-8")
    assert error.value.where.endswith("a.csv:3")


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffd"))
LINES = st.text(st.sampled_from('ab,;\t"\n 我'), max_size=12)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.tuples(CELL | LINES, CELL), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back_whole(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    stream = StringIO(newline="")
    csv.writer(stream).writerows([("text", "label"), *rows])
    batch = read(tmp_path / "a.csv", stream.getvalue(), delimiter=",", encoding="utf-8")
    assert batch.broken == ()
    assert list(zip(*batch.table.to_pydict().values(), strict=True)) == rows


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(st.sampled_from('ab,"\n'), max_size=60))
def test_every_line_with_something_on_it_is_a_row_or_broken(tmp_path: Path, text: str) -> None:
    batch = read(tmp_path / "a.csv", f"text,label\nx,y\n{text}", delimiter=",")
    seen = " ".join(
        [
            *(" ".join(row.values()) for row in batch.table.to_pylist()),
            *(one.raw for one in batch.broken),
        ]
    )
    for letter in "ab":
        assert seen.count(letter) == text.count(letter)
