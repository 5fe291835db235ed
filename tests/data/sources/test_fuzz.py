"""Whatever bytes a file holds: rows, rows set aside, or one DataError; nothing is lost unsaid."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import Batch, read_whole

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz_readers.py"
LESS = {"deadline": None, "suppress_health_check": list(HealthCheck)}
# No byte order marks, nothing that is no character, and no line breaks of other scripts.
TEXT = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffd\x85\u2028\u2029"
    )
)
WILD = st.binary(max_size=400) | st.lists(
    st.sampled_from([b'"', b",", b"\t", b"\n", b"\r", b"\r\n", b"a", b"1", b"{", b"}", b"[", b'":'])
    | st.binary(max_size=3),
    max_size=120,
).map(b"".join)


def read(path: Path, content: bytes, **settings: Any) -> Batch | DataError:
    path.write_bytes(content)
    try:
        return read_whole(path, SourceConfig(path=path.name, **settings))
    except DataError as error:
        return error


@settings(max_examples=300, **LESS)
@given(content=WILD)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_any_bytes_at_all_are_rows_or_said_to_be_none(
    tmp_path: Path, name: str, content: bytes
) -> None:
    found = read(tmp_path / name, content)
    if isinstance(found, DataError):
        assert found.what
        assert found.where
        assert found.fix
    else:
        assert len(found.lines) == found.table.num_rows
        assert all(row.reason for row in found.broken)


@settings(max_examples=200, **LESS)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6),
    mark=st.sampled_from(",\t;|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]),
)
def test_what_csv_writes_in_any_dialect_is_read_back_the_same(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    mark: str,
    quoting: Any,
    ending: str,
    encoding: str,
) -> None:
    stream = StringIO(newline="")
    writer = csv.writer(stream, delimiter=mark, quoting=quoting, lineterminator=ending)
    writer.writerows([("one", "two", "three"), *rows])
    found = read(
        tmp_path / "a.csv", stream.getvalue().encode(encoding), delimiter=mark, encoding=encoding
    )
    assert isinstance(found, Batch), found
    assert found.broken == ()
    assert list(zip(*found.table.to_pydict().values(), strict=True)) == rows


@settings(max_examples=200, **LESS)
@given(lines=st.lists(st.text(st.sampled_from("ab,; ")), max_size=12))
def test_every_line_without_quotes_is_a_row_or_set_aside(tmp_path: Path, lines: list[str]) -> None:
    content = "\n".join(["text,label", "x,y", *lines])
    found = read(tmp_path / "a.csv", content.encode(), delimiter=",")
    assert isinstance(found, Batch)
    told = sorted([*found.lines.tolist(), *(row.line for row in found.broken)])
    assert told == [2, *(number for number, line in enumerate(lines, 3) if line)]
    assert [row.raw for row in found.broken] == [
        line for line in lines if line and line.count(",") != 1
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, **LESS)
@given(rows=st.lists(st.dictionaries(TEXT, TEXT | JSON, max_size=4), min_size=1, max_size=6))
def test_every_object_of_json_lines_is_a_row_or_set_aside(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    assume(any(rows))
    content = "\n".join(json.dumps(row, ensure_ascii=False, allow_nan=True) for row in rows)
    found = read(tmp_path / "a.jsonl", content.encode())
    if isinstance(found, DataError):
        assert "no line of the file is a JSON object" in found.what
        return
    told = sorted([*found.lines.tolist(), *(row.line for row in found.broken)])
    assert told == list(range(1, len(rows) + 1))
    if found.table.num_rows == len(rows):
        for row, back in zip(rows, found.table.to_pylist(), strict=True):
            for name, value in row.items():
                if isinstance(value, str):
                    assert back[name] == value


@pytest.mark.slow
def test_atheris_finds_nothing_in_a_short_run(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: nothing is shown by coverage-guided fuzzing")
    command = [sys.executable, str(SCRIPT), "--seconds", "20"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "nothing found" in done.stdout
