from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import Batch, read_source, read_whole
from volano.data.sources.files import hash_source


def fill(folder: Path, **files: str | bytes) -> Path:
    """Files by name; two underscores stand for a slash, and one at the end for no ending."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_md", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(folder: Path) -> Batch:
    return read_whole(folder, SourceConfig(path=folder.name))


def test_each_file_of_text_is_a_row_and_its_folder_the_label(tmp_path: Path) -> None:
    batch = read(fill(tmp_path, spam__1="win now", ham__2="see\nyou", README_md="about"))
    assert batch.table.to_pylist() == [
        {"text": "see\nyou", "file": "ham/2", "label": "ham"},
        {"text": "win now", "file": "spam/1", "label": "spam"},
    ]
    assert batch.lines.tolist() == [1, 2]
    assert batch.facts["left_out"] == "README.md"


def test_a_folder_may_be_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "here", spam__1="win now")
    monkeypatch.chdir(tmp_path)
    assert read(Path("here")).table["file"].to_pylist() == ["spam/1"]


def test_without_sub_folders_there_is_no_label(tmp_path: Path) -> None:
    batch = read(fill(tmp_path, a="one", b="two"))
    assert batch.table.column_names == ["text", "file"]


def test_each_text_has_an_encoding_of_its_own_and_what_is_no_text_is_set_aside(
    tmp_path: Path,
) -> None:
    texts = {
        "a": "plain",
        "b": "我的卡还没有到，密码也忘记了".encode("gb18030") * 3,
        "c": "le café à Orléans".encode("latin-1"),
        "d": b"odd \xff\n" * 3 + b"lines\n" * 9,
        "e": b"\0\1\2",
    }
    batch = read(fill(tmp_path, **texts))
    assert batch.table["file"].to_pylist() == ["a", "b", "c"]
    assert batch.facts["encoding"] == "utf-8, gb18030, latin-1"
    assert batch.facts["guessed_encoding"] == "gb18030, latin-1"
    assert [row.line for row in batch.broken] == [4, 5]
    assert batch.broken[0].reason == "d: bytes that are not text in the file's encoding"
    assert batch.broken[1].reason == "e: a NUL, which no text holds"


def test_parts_of_a_table_are_read_by_name_with_their_lines_counted_on(tmp_path: Path) -> None:
    rows = "text,label\n"
    parts = {"p-10_csv": rows + "c,x\n", "p-2_csv": rows + "b,x\nbad\n", "p-1_csv": rows + "a,x\n"}
    batch = read(fill(tmp_path, **parts, LICENSE="free"))
    assert batch.table["text"].to_pylist() == ["a", "b", "c"]
    assert batch.lines.tolist() == [2, 4, 7]
    (broken,) = batch.broken
    assert (broken.line, broken.reason) == (5, "p-2.csv:3: 1 cells, 2 columns")
    assert (batch.facts["files"], batch.facts["left_out"]) == ("3", "LICENSE")


def test_parts_in_parquet_may_differ_in_their_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": [1]}), tmp_path / "2.parquet")
    assert read(tmp_path).table.to_pylist() == [{"text": "a", "n": None}, {"text": "b", "n": 1}]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({}, "holds no file that can be read"),
        ({".hidden": "x"}, "holds no file that can be read"),
        ({"a_csv": "t,l\nx,y\n", "b.jsonl": "{}"}, "several kinds: 1 .csv, 1 .jsonl"),
        ({"a": "text", "b.png": "x"}, "several kinds: 1 text, 1 .png"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: Path, files: dict[str, str], what: str
) -> None:
    with pytest.raises(DataError, match=what) as error:
        read(fill(tmp_path, **files))
    assert error.value.fix


@pytest.mark.skipif(os.name == "nt", reason="no links without rights, no pipes with names")
def test_links_that_run_in_a_circle_and_pipes_stop_nothing(tmp_path: Path) -> None:
    fill(tmp_path, a="one")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    batch = read(tmp_path)
    assert batch.table["text"].to_pylist() == ["one"]
    assert sorted(row.reason.partition(":")[0] for row in batch.broken) == ["loop", "pipe"]
    assert hash_source(tmp_path)


def test_the_hash_of_a_folder_is_of_names_and_contents(tmp_path: Path) -> None:
    seen = {hash_source(fill(tmp_path, a="one", b="two"))}
    (tmp_path / ".DS_Store").write_text("x", "utf-8")
    assert {hash_source(tmp_path)} == seen
    seen.add(hash_source(fill(tmp_path, b="three")))
    (tmp_path / "b").rename(tmp_path / "c")
    seen.add(hash_source(tmp_path))
    assert len(seen) == 3


def test_a_folder_that_is_read_again_gives_batches_of_some_megabytes(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text("a word " * 100_000, "utf-8")
    batches = list(read_source(tmp_path, SourceConfig(path="x")))
    assert [batch.table.num_rows for batch in batches] == [6, 6]


@pytest.mark.data
def test_mini_newsgroups_is_read_whole_with_every_encoding_said(shared_data: Path) -> None:
    batches = list(read_source(shared_data / "mini_newsgroups", SourceConfig(path="x")))
    assert sum(batch.table.num_rows for batch in batches) == 1995
    broken = [row for batch in batches for row in batch.broken]
    assert len(broken) == 5
    assert all(row.raw and "bytes that are not text" in row.reason for row in broken)
    assert batches[0].facts["left_out"] == "README.md"
    labels = {label for batch in batches for label in batch.table["label"].to_pylist()}
    assert len(labels) == 20
    # One name in Big5 is told rightly from its six bytes; a guess all the same, and said.
    assert batches[-1].facts["guessed_encoding"] == "cp950"
