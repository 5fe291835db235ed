from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import Batch, read_whole

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, content: str) -> Batch:
    path.write_text(content, "utf-8")
    return read_whole(path, SourceConfig(path=path.name))


def test_objects_become_rows_with_their_lines_and_missing_keys_are_null(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.jsonl", '{"text": "你好", "n": 1}\n\n{"text": "b", "tags": ["x"]}\n')
    assert batch.lines.tolist() == [1, 3]
    assert batch.table.to_pylist()[1] == {"text": "b", "n": None, "tags": ["x"]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{oops", "not JSON: Expecting property name"),
        ("[1]", "a list, not an object"),
        ('{"a": NaN}', "NaN is no JSON value"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
    ],
)
def test_a_line_that_is_no_object_is_set_aside(tmp_path: Path, line: str, reason: str) -> None:
    batch = read(tmp_path / "a.jsonl", f'{{"text": "a"}}\n{line}\n')
    (broken,) = batch.broken
    assert (broken.line, broken.raw) == (2, line)
    assert reason in broken.reason


def test_a_column_of_mixed_kinds_becomes_json_text_and_says_so(tmp_path: Path) -> None:
    batch = read(tmp_path / "a.jsonl", '{"v": 1}\n{"v": "one"}\n{"v": [1]}\n')
    assert batch.table["v"].to_pylist() == ["1", "one", "[1]"]
    assert batch.facts["mixed"] == "v"


def test_a_file_without_any_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line of the file is a JSON object"):
        read(tmp_path / "a.jsonl", "text,label\n")
