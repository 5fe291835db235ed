from __future__ import annotations

import csv
import gzip
import os
import time
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volano.core.errors import DataError
from volano.data.config import CellsConfig, SourceConfig
from volano.data.sources import Batch, read_source, read_whole
from volano.data.sources.dialect import Dialect
from volano.data.sources.rows import RowsOfLines


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
        ("a.doc", "x", "no reader"),
        ("a.zip", "x", "cannot be unpacked"),
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
    with pytest.raises(DataError, match="a source is one file|holds no file"):
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


def rows_in_windows(text: str, size: int) -> list[tuple[int, object]]:
    """Every row and fault with its line, as they come from windows of so many lines."""
    lines = list(StringIO(text, newline=""))
    reader = RowsOfLines(Dialect(",", True))
    windows = [reader.read(lines[n : n + size]) for n in range(0, len(lines), size)]
    windows.append(reader.read([], is_last=True))
    found: list[tuple[int, object]] = []
    for rows in windows:
        found += [
            (rows.first + begin, cells)
            for begin, cells in zip(rows.begins, rows.cells, strict=True)
            if cells
        ]
        found += [(rows.first + f.begin, rows.raw(f.begin, f.end)) for f in rows.faults]
    return sorted(found, key=lambda one: one[0])


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from('ab,"\n\r'), max_size=60), size=st.integers(1, 9))
def test_where_a_window_ends_makes_no_difference(text: str, size: int) -> None:
    assert rows_in_windows(text, size) == rows_in_windows(text, 10_000)


QUOTED = "text,label\n" + '"p, q",y\n' * 2000
HOSTILE = {
    "quotes": '"' * 200_001,
    "a quote on each line": '"\n' * 100_000,
    "a quote that closes and opens on each line": 'a"b"x,"y\n' * 30_000 + "q,r\n",
    "cells that close and open on each line": 'x","y\n' * 30_000,
    "the same, with an end that spoils it": 'x","y\n' * 30_000 + 'z"q"\n',
    "many that run into the next": ('a,"b\n' + "c,d\n" * 40) * 1000,
    "delimiters": "," * 300_000,
    "a cell of 10 MB": '"' + "a" * 10_000_000 + '",b\n',
    "a line longer than a row may be": "a" * (2**24 + 2**22) + "\nq,r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_time_in_proportion_to_its_size(tmp_path: Path, name: str) -> None:
    began = time.process_time()
    batch = read(tmp_path / "a.csv", QUOTED + HOSTILE[name])
    assert time.process_time() - began < 10
    assert batch.table.num_rows >= 2000


def test_a_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    cell = "a line\n" * 1_500
    batch = read(tmp_path / "a.csv", f'text,label\n"{"b" * 10_000_000}",c\n"{cell}",d\n')
    assert [len(text) for text in batch.table["text"].to_pylist()] == [10_000_000, len(cell)]


def test_a_line_that_is_no_row_is_kept_by_its_beginning(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", "text,label\nx,y\n" + "z" * (2**24 + 2**23) + "\nq,r\n")
    (broken,) = batch.broken
    assert (broken.line, len(broken.raw)) == (3, 1000)
    assert "longer than" in broken.reason
    assert batch.lines.tolist() == [2, 4]


def test_a_nul_costs_its_row(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv", b"text,label\na\0b,c\nd,e\n")
    assert [(one.line, one.reason) for one in batch.broken] == [(2, "a NUL, which no text holds")]
    assert batch.table.num_rows == 1


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")])
def test_a_file_with_nothing_but_a_mark_is_empty(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="only empty lines"):
        read(tmp_path / ("a.csv.gz" if content[0] == 0x1F else "a.csv"), content)


def test_more_columns_than_any_table_has_are_refused(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(20_000))
    with pytest.raises(DataError, match="20000 columns, and the most is 16384"):
        read(tmp_path / "a.csv", f"{names}\nx\n")


def test_a_packed_file_is_read_as_it_is_unpacked(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.csv.gz", gzip.compress(b"text,label\nhi,a\n"))
    assert batch.table.to_pylist() == [{"text": "hi", "label": "a"}]
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tmp_path / "b.csv.gz", gzip.compress(b"text,label\n" + os.urandom(9000))[:500])
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tmp_path / "c.csv.gz", b"text,label\nhi,a\n")


@pytest.mark.parametrize("content", [b"PAR1....", b"PK\x03\x04....", b"\x1f\x8b....", b"%PDF-1.7"])
def test_a_file_that_is_something_else_by_its_first_bytes_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(DataError, match="by its first bytes"):
        read(tmp_path / "a.csv", content)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "some text,a\n" * 50_000, "utf-8")
    batches = read_source(path, SourceConfig(path="a.csv"))
    next(batches)
    with path.open("a", encoding="utf-8") as stream:
        stream.write("one more,a\n")
    with pytest.raises(DataError, match="changed while it was read"):
        list(batches)


@pytest.mark.skipif(os.name == "nt", reason="no pipes with names, no links without rights")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name, what in (
        ("pipe.csv", "no file but a pipe"),
        ("loop.csv", "there is no file"),
        ("a\0b.csv", "there is no file"),
        ("a" * 300, "there is no file"),
    ):
        with pytest.raises(DataError, match=what):
            read_whole(tmp_path / name, SourceConfig(path="x"))
    with pytest.raises(DataError, match="a pipe or a device"):
        read_whole(Path("/dev/zero"), SourceConfig(path="x"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nx\n", "utf-8")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(DataError, match="may not be read"):
        read_whole(tmp_path / "a.csv", SourceConfig(path="a.csv"))


def test_a_large_file_comes_in_batches_with_the_right_lines(tmp_path: Path) -> None:
    body = "".join(f'"text {n},\nsecond line",{n % 7}\n' for n in range(100_000))
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + body, "utf-8", newline="")
    batches = list(read_source(path, SourceConfig(path="a.csv")))
    assert len(batches) > 2
    lines = [line for batch in batches for line in batch.lines.tolist()]
    assert lines == list(range(2, 200_002, 2))
    texts = [text for batch in batches for text in batch.table["text"].to_pylist()]
    assert texts == [f"text {n},\nsecond line" for n in range(100_000)]


def test_a_decimal_comma_is_read_where_the_source_says_so(tmp_path: Path) -> None:
    content = "area;price;day;note\n12,5;1.234,50 €;03.02.2024;a, b\n7;-1 000;04.02.2024;1,x\n"
    batch = read(tmp_path / "a.csv", content, cells={"decimal": "comma"})
    assert batch.table["area"].to_pylist() == ["12.5", "7"]
    assert batch.table["price"].to_pylist() == ["1234.50€", "-1000"]
    assert batch.table["day"].to_pylist() == ["03.02.2024", "04.02.2024"]
    assert batch.table["note"].to_pylist() == ["a, b", "1,x"]
    as_written = read(tmp_path / "a.csv", content)
    assert as_written.table["area"].to_pylist() == ["12,5", "7"]


def test_a_point_after_a_zero_is_before_decimals_whatever_the_source_says(tmp_path: Path) -> None:
    content = "score;price\n0.123;1,5\n-0.500;2,5\n0.75;1.234.567,5\n"
    batch = read(tmp_path / "a.csv", content, cells={"decimal": "comma"})
    assert batch.table["score"].to_pylist() == ["0.123", "-0.500", "0.75"]
    assert batch.table["price"].to_pylist() == ["1.5", "2.5", "1234567.5"]


CARS = """18.0   8   307.0      130.0      3504.      12.0   70  1\t"chevrolet chevelle malibu"
15.0   8   350.0      ?          3693.      11.5   70  1\t"buick skylark 320"
"""


@pytest.mark.parametrize("how", ["auto", "whitespace"])
def test_columns_between_runs_of_spaces_are_columns(tmp_path: Path, how: str) -> None:
    batch = read(tmp_path / "auto-mpg.data", CARS, header=False, delimiter=how)
    assert batch.facts["delimiter"] == "whitespace"
    assert batch.table.num_columns == 9
    assert batch.table["column_4"].to_pylist() == ["130.0", "?"]
    assert batch.table["column_9"].to_pylist() == ["chevrolet chevelle malibu", "buick skylark 320"]
    assert batch.lines.tolist() == [1, 2]


def test_codes_between_single_spaces_are_columns(tmp_path: Path) -> None:
    line = "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1 \n"
    batch = read(tmp_path / "german.data", line * 30, header=False)
    assert (batch.facts["delimiter"], batch.table.num_columns) == ("whitespace", 21)


@pytest.mark.parametrize("quoting", ["auto", "none"])
def test_a_stray_quote_between_spaces_costs_no_row(tmp_path: Path, quoting: str) -> None:
    body = [f"{n}  {n}  x  {n}" for n in range(100)]
    body[50], body[90] = '50  "  x  50', '90  5"  x  6"'
    content = "a b c d\n" + "\n".join(body)
    batch = read(tmp_path / "a.dat", content, delimiter="whitespace", quoting=quoting)
    assert (batch.table.num_rows, batch.broken) == (100, ())
    assert batch.table["b"][50].as_py() == '"'


def test_a_line_with_a_cell_less_between_spaces_is_set_aside(tmp_path: Path) -> None:
    body = "  a  b   c d\n" + "  1  2  3 4 \n" * 30 + " 5 6 7\n8\t9 10  11"
    batch = read(tmp_path / "yacht.dat", body)
    assert batch.table.column_names == ["a", "b", "c", "d"]
    assert batch.table.num_rows == 31
    assert [(one.line, one.reason) for one in batch.broken] == [(32, "3 cells, 4 columns")]


@pytest.mark.parametrize("content", [
    "at\ta\tb\n2024-01-05 10:00\t1\t2\n2024-01-06 11:00\t3\t4\n",  # a tab parts, a space does not
    "1, 2, 3, 4\n5, 6, 7, 8\n",
    "at\n2024-01-05 10:00\n2024-01-06 11:00\n",
    "ein Satz mit fünf Wörtern\nnoch ein Satz mit fünf\n",
    "1 a,2 b,3 c,4 d\n5 e,6 f,7 g,8 h\n",
    "Order Date\tUnits\tPrice\n" + "2024-01-05 10:03\t7\t  169.04\n" * 20,
    "2024-01-05  10:00\t1\t2\n" * 20,
    "a\tb\tc\n" + "1  1\t\t3\n" * 20,
    "+49 170 12 34\n+49 171 99 56\n" * 20,
    "2024-01-05 10:00:01 10.0.0.1 GET 200\n" * 20,
])  # fmt: skip
def test_spaces_within_cells_part_no_columns(tmp_path: Path, content: str) -> None:
    assert read(tmp_path / "a.txt", content, header=False).facts["delimiter"] != "whitespace"


def test_what_a_source_says_is_missing_is_empty(tmp_path: Path) -> None:
    content = "a,b,c\n-999,x,1.5\n3,?!,-999.0\n-9990, ?! ,2\n"
    batch = read(tmp_path / "a.csv", content, cells={"missing": {"*": ["?!"], "a": ["-999"]}})
    assert batch.table.to_pydict() == {
        "a": ["", "3", "-9990"], "b": ["x", "", ""], "c": ["1.5", "-999.0", "2"]
    }  # fmt: skip
    batch = read(tmp_path / "a.csv", content, cells={"missing": {"c": ["-999"]}})
    assert batch.table["c"].to_pylist() == ["1.5", "", "2"]


def test_a_missing_number_is_empty_in_columns_of_numbers_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1, -999], "b": [-999.0, 2.5], "c": [[1], [-999]]}),
                   tmp_path / "a.parquet")  # fmt: skip
    source = SourceConfig(path="a.parquet", cells=CellsConfig(missing={"*": ("-999",)}))
    batch = read_whole(tmp_path / "a.parquet", source)
    assert batch.table.to_pydict() == {"a": [1, None], "b": [None, 2.5], "c": [[1], [-999]]}


def test_a_header_may_lack_the_name_of_the_row_names_or_of_the_end_of_rows(tmp_path: Path) -> None:
    named = read(tmp_path / "r.txt", "mpg cyl wt hp\n" + '"Mazda RX4" 21 6 2.62 110\n' * 9)
    assert named.table.column_names == ["column_1", "mpg", "cyl", "wt", "hp"]
    assert named.table["column_1"][0].as_py() == "Mazda RX4"
    ended = read(tmp_path / "a.csv", "a,b\n" + "1,2,\n" * 9)
    assert ended.table.column_names == ["a", "b", "column_3"]
    assert read(tmp_path / "a.csv", "a,b,\n" + "1,2\n" * 9).table.column_names == ["a", "b"]


def test_a_title_above_the_header_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="the first line has 1 cells, and nearly all .* have 3"
    ) as e:
        read(tmp_path / "a.csv", "\nLoans of May\n\na,b,c\n" + "1,2,3\n" * 9)
    assert e.value.where == f"{tmp_path / 'a.csv'}:2"
    assert "above the header" in str(e.value.fix)
