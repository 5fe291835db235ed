from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest

from volano.core.errors import DataError
from volano.data.config import SourceConfig
from volano.data.sources import Batch, read_source, read_whole

pytest.importorskip("python_calamine", reason="nothing is shown about workbooks: volano[excel]")

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
DAY, FORMULA = '<c r="{}" s="1"><v>45000</v></c>', '<c r="{}"><f>1+1</f><v>2</v></c>'


def cell(place: str, value: object) -> str:
    if isinstance(value, str) and value.startswith("<c"):
        return value.format(place)
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def write_book(path: Path, **sheets: dict[int, list[object]]) -> Path:
    """A workbook as small as Excel would open: rows by number, cells from column A on."""
    numbered = list(enumerate(sheets.items(), start=1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default '
        f'Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{KIND}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(f'<sheet name="{s}" sheetId="{n}" r:id="r{n}"/>' for n, (s, _) in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/{n}.xml"/>'
            for n, _ in numbered
        )
        + f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for number, (_, rows) in numbered:
        parts[f"xl/worksheets/{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>'
            + "".join(
                f'<row r="{line}">'
                + "".join(cell(f"{chr(65 + n)}{line}", v) for n, v in enumerate(row) if v != "")
                + "</row>"
                for line, row in rows.items()
            )
            + "</sheetData></worksheet>"
        )
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in parts.items():
            packed.writestr(name, '<?xml version="1.0"?>' + text)
    return path


def read(path: Path, **settings: object) -> Batch:
    return read_whole(path, SourceConfig(path=path.name, **settings))  # type: ignore[arg-type]


def test_a_sheet_is_read_with_its_kinds_of_values_and_its_rows(tmp_path: Path) -> None:
    rows: dict[int, list[object]] = {
        3: ["text", "n", "day", "ok", "sum", ""],
        4: ["hi", 1, DAY, True, FORMULA],
        6: ["ho", 2, "", False, ""],
    }
    batch = read(write_book(tmp_path / "a.xlsx", S1=rows))
    assert batch.table.to_pylist() == [
        {"text": "hi", "n": 1, "day": "2023-03-15", "ok": True, "sum": 2},
        {"text": "ho", "n": 2, "day": None, "ok": False, "sum": None},
    ]
    assert batch.lines.tolist() == [4, 6]
    assert batch.facts == {"format": "workbook"}


def test_a_column_of_several_kinds_is_kept_as_text_and_said(tmp_path: Path) -> None:
    batch = read(write_book(tmp_path / "a.xlsx", S={1: ["v"], 2: [7], 3: ["seven"], 4: [True]}))
    assert batch.table["v"].to_pylist() == ["7", "seven", "true"]
    assert batch.facts["mixed"] == "v"


def test_of_several_sheets_one_must_be_named(tmp_path: Path) -> None:
    book = write_book(tmp_path / "a.xlsx", Old={1: ["a"], 2: ["x"]}, New={1: ["a"], 2: ["y"]})
    with pytest.raises(DataError, match="2 sheets, and none is named") as error:
        read(book)
    assert error.value.fix == "sheet: one of Old, New"
    assert read(book, sheet="New").table.to_pylist() == [{"a": "y"}]
    with pytest.raises(DataError, match="no sheet named 'Nwe'"):
        read(book, sheet="Nwe")


def test_a_sheet_without_a_header_has_the_columns_it_is_given(tmp_path: Path) -> None:
    book = write_book(tmp_path / "a.xlsx", S={1: ["hi", "a"], 2: ["ho", "b"]})
    assert read(book, header=False, columns=("text", "label")).table.num_rows == 2
    with pytest.raises(DataError, match="2 columns, and 3 are named"):
        read(book, header=False, columns=("a", "b", "c"))


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ({}, "the sheet is empty"),
        ({1: ["a", "b"]}, "a header and no rows"),
        ({1: ["a", "a"], 2: ["x", "y"]}, "'a' 2 times"),
    ],
)
def test_a_sheet_that_cannot_be_used_says_why(
    tmp_path: Path, rows: dict[int, list[object]], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        read(write_book(tmp_path / "a.xlsx", S=rows))


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods", "a.xlsb"])
def test_a_file_that_is_no_workbook_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"text,label\nhi,a\n")
    with pytest.raises(DataError, match="the workbook cannot be read"):
        read(tmp_path / name)


@pytest.mark.slow
def test_a_workbook_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        piece = b"0" * 2**20
        with packed.open("xl/worksheets/1.xml", "w", force_zip64=True) as part:
            for _ in range(1100):
                part.write(piece)
    with pytest.raises(DataError, match="unpacks to 1100 MB, and the most is 1024"):
        read(tmp_path / "a.xlsx")


def test_a_large_sheet_comes_in_batches(tmp_path: Path) -> None:
    rows: dict[int, list[object]] = {n: [f"text {n}", n] for n in range(2, 20_002)}
    book = write_book(tmp_path / "a.xlsx", S={1: ["text", "n"], **rows})
    batches = list(read_source(book, SourceConfig(path="a.xlsx")))
    assert len(batches) == 2
    assert sum(batch.table.num_rows for batch in batches) == 20_000
    assert batches[-1].lines[-1] == 20_001


def test_a_title_above_the_header_of_a_sheet_is_told(tmp_path: Path) -> None:
    rows: dict[int, list[object]] = {1: ["Customers of May"], 3: ["name", "age", "left"]}
    rows |= {number: [f"p{number}", number, "no"] for number in range(4, 20)}
    with pytest.raises(
        DataError, match="the first line has 1 cells, and nearly all .* have 3"
    ) as e:
        read_whole(write_book(tmp_path / "a.xlsx", one=rows), SourceConfig(path="a.xlsx"))
    assert e.value.where == f"{tmp_path / 'a.xlsx'}:1"
    del rows[1]
    batch = read_whole(write_book(tmp_path / "b.xlsx", one=rows), SourceConfig(path="b.xlsx"))
    assert batch.table.column_names == ["name", "age", "left"]
    assert batch.table.num_rows == 16
