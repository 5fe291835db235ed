from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import read_whole

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "n,y\n1,a\n2,b\n"


def packed(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def read(path: Path, sheet: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = read_whole(
        path, SourceConfig(path=path.name, sheet=sheet)
    ).table.to_pylist()
    return found


def test_the_only_table_is_read_and_what_is_about_it_is_not(tmp_path: Path) -> None:
    path = packed(
        tmp_path, {"data/hour.csv": ROWS, "README.txt": "about", "__MACOSX/hour.csv": "x"}
    )
    batch = read_whole(path, SourceConfig(path="all.zip"))
    assert batch.table.to_pylist() == [{"n": "1", "y": "a"}, {"n": "2", "y": "b"}]
    assert batch.facts["member"] == "data/hour.csv"


def test_of_several_tables_one_is_named(tmp_path: Path) -> None:
    path = packed(tmp_path, {"hour.csv": ROWS, "day.csv": "n,y\n3,c\n"})
    assert read(path, "day.csv") == [{"n": "3", "y": "c"}]
    with pytest.raises(DataError, match="holds 2 tables, and none is named") as error:
        read(path)
    assert error.value.fix == "sheet: one of hour.csv, day.csv"
    with pytest.raises(DataError, match="no table named 'week.csv'"):
        read(path, "week.csv")


def test_a_table_that_is_packed_again_is_unpacked(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a.csv.gz", gzip.compress(ROWS.encode()))
    assert len(read(path)) == 2


def test_what_is_wrong_within_is_told_with_its_place(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.csv": "n,n\n1,2\n"})
    with pytest.raises(DataError, match="'n' 2 times") as error:
        read(path)
    assert error.value.where == f"{path}/a.csv:1"


def test_a_zip_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table that can be read"):
        read(packed(tmp_path, {"picture.png": "x"}))
    whole = packed(tmp_path, {"a.csv": ROWS * 500}).read_bytes()
    path = tmp_path / "cut.zip"
    for broken in (whole[:-40], whole[:30] + b"\0" * 20 + whole[50:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="cannot be unpacked"):
            read(path)


def test_a_name_that_leads_out_of_the_zip_file_leads_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("../../a.csv", ROWS)
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match="no table that can be read"):
        read(path)
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.data", "german.data-numeric", "kdd.data_10_percent", "a.test"])
def test_old_collections_of_tables_are_read_by_their_endings(tmp_path: Path, name: str) -> None:
    import gzip

    (tmp_path / name).write_text(ROWS, "utf-8")
    assert len(read(tmp_path / name)) == 2
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(ROWS.encode()))
    assert len(read(tmp_path / f"{name}.gz")) == 2
