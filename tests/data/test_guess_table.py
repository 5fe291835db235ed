from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from volano.core.errors import DataError
from volano.data import SourceConfig
from volano.data.config import CellsConfig
from volano.data.guess import guess_project
from volano.tasks import TabularClassification, TabularRegression, TextClassification
from volano.tasks.anomaly_detection import AnomalyDetection

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = "customer_no,branch_code,age,sex,plan,joined,spent,closed_because,Churn"


def churn(count: int = 400) -> str:
    chance = random.Random(0)
    lines = []
    for n in range(count):
        left = chance.random() < 0.3
        cells = [
            f"C{n:05}",
            chance.choice(["101", "102", "205", "310"]),
            str(chance.randrange(18, 90)) if n % 9 else "?",
            chance.choice("mf"),
            chance.choice(["month to month", "one year", "two years"]),
            f"202{chance.randrange(4)}-0{chance.randrange(1, 10)}-1{chance.randrange(9)}",
            f"{chance.gauss(50, 9):.2f}",
            chance.choice(["too dear", "moved"]) if left else "",
            "Yes" if left else "No",
        ]
        lines.append(",".join(cells))
    return "\n".join([COLUMNS, *lines, ""])


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_table_with_a_label_is_understood(tmp_path: Path) -> None:
    guess = guess_project(write(tmp_path, churn()))
    assert guess.task == "tabular-classification"
    assert guess.fields.model_dump(exclude_defaults=True) == {
        "target": "Churn",
        "group": "sex",
        "time": "joined",
        "ignore": ("customer_no", "closed_because"),
        "kinds": {"branch_code": "category"},
    }
    assert guess.because["customer_no"].startswith("an id")
    assert "filled almost only where the label is 'Yes'" in guess.because["closed_because"]
    assert guess.labels == ("No", "Yes")
    assert all(choice.because for choice in guess.choices.values())


def test_a_table_with_a_number_is_understood_and_parts_of_the_number_are_ignored(
    tmp_path: Path,
) -> None:
    chance = random.Random(0)
    rows = [(chance.randrange(99), chance.randrange(999), chance.gauss(0, 1)) for _ in range(300)]
    body = [f"{n},{a},{b},{c:.3f},{a + b}" for n, (a, b, c) in enumerate(rows, 1)]
    guess = guess_project(write(tmp_path, "\n".join(["nth,guests,members,warmth,cnt", *body, ""])))
    assert guess.task == "tabular-regression"
    assert (guess.fields.target, guess.labels) == ("cnt", ())
    assert guess.fields.ignore == ("nth", "guests", "members")
    assert guess.because["nth"] == "it only counts the rows"
    assert guess.because["guests"] == "a part of the target, which is guests + members"


def test_the_kind_of_work_may_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, churn())
    guess = guess_project(path, task=TabularRegression())
    assert guess.fields.target == "spent"
    assert guess_project(path, task=TextClassification(), text="plan").fields.text == "plan"
    assert guess_project(path, text="plan").task == "text-classification"


@pytest.mark.parametrize(
    ("column", "values", "target"),
    [
        ("y", ["0", "1"], "y"),
        ("income", ["low", "high"], "income"),
        ("是否流失", ["是", "否"], "是否流失"),
        ("grp", ["a", "b"], "grp"),
    ],
)
def test_the_target_is_known_by_its_name_or_as_the_last_column(
    tmp_path: Path, column: str, values: list[str], target: str
) -> None:
    chance = random.Random(0)
    body = [
        f"{chance.gauss(0, 1):.2f},{chance.randrange(90)},{chance.randrange(9)},"
        f"{chance.choice('uvw')},{chance.choice(values)}"
        for _ in range(200)
    ]
    guess = guess_project(write(tmp_path, "\n".join([f"a,b,c,d,{column}", *body, ""])))
    assert (guess.task, guess.fields.target) == ("tabular-classification", target)


def test_a_table_with_names_of_people_is_a_table_and_one_with_texts_is_not(tmp_path: Path) -> None:
    chance = random.Random(0)
    head = "survived,age,fare,siblings,name"
    people = [
        f"{n % 2},{chance.randrange(80)},{chance.random() * 90:.2f},{chance.randrange(4)},"
        f"Mr. {''.join(chance.choices('abcdefgh', k=6)).title()} {n} Smith"
        for n in range(200)
    ]
    guess = guess_project(write(tmp_path, "\n".join([head, *people, ""])))
    assert (guess.task, guess.fields.target) == ("tabular-classification", "survived")
    body = [f"{row} wrote that the parcel number {n} did not come" for n, row in enumerate(people)]
    guess = guess_project(write(tmp_path, "\n".join([head, *body, ""])))
    assert (guess.task, guess.fields.text) == ("text-classification", "name")
    assert "tabular-classification" in guess.choices["task"].alternatives


def test_a_headerless_table_is_read_by_its_last_column(tmp_path: Path) -> None:
    body = churn().split("\n", 1)[1]
    guess = guess_project(write(tmp_path, body, "churn.data-numeric"))
    assert (guess.source.header, guess.fields.target) == (False, "column_9")
    known = SourceConfig(path="churn.data", header=False, columns=tuple(COLUMNS.split(",")))
    guess = guess_project(write(tmp_path, body, "churn.data"), source=known)
    assert guess.fields.target == "Churn"


def test_numbers_with_a_decimal_comma_are_seen_and_read(tmp_path: Path) -> None:
    chance = random.Random(0)
    rows = [(chance.uniform(20, 200), chance.choice("abc")) for _ in range(200)]
    body = [f"{a:.1f};{b};{7 * a:.2f}".replace(".", ",") for a, b in rows]
    guess = guess_project(write(tmp_path, "\n".join(["area;town;rent", *body, ""])))
    assert guess.source.cells.decimal == "comma"
    assert guess.choices["decimal"].because == "so numbers are written in area, rent"
    assert (guess.task, guess.fields.target) == ("tabular-regression", "rent")


def air(*, low: float = 0.1) -> str:
    """Two sensors, each with a gap now and then: -200, which is far below the first alone."""
    chance = random.Random(0)
    rows = [(chance.uniform(low, 9), chance.uniform(0, 1500), chance.uniform(1, 40))
            for _ in range(300)]  # fmt: skip
    gaps = ["-200" if n % 20 == 0 else "" for n in range(300)]
    body = [f"{gap or f'{a:.1f}'},{gap or f'{b:.0f}'},{c:.2f}"
            for gap, (a, b, c) in zip(gaps, rows, strict=True)]  # fmt: skip
    return "\n".join(["CO,NOx,price", *body, ""])


def test_a_number_far_below_all_others_is_written_as_missing(tmp_path: Path) -> None:
    guess = guess_project(write(tmp_path, air()))
    assert guess.source.cells.missing == {"CO": ("-200",), "NOx": ("-200",)}
    assert guess.choices["missing"].value == ("-200 in CO", "-200 in NOx")
    # Where others lie below 0 too, -200 may be a number like them: each turn tells it.
    guess = guess_project(write(tmp_path, air(low=-5)))
    assert guess.source.cells.missing == {}
    known = SourceConfig(path="a.csv", cells=CellsConfig(missing={"*": ("NIL",)}))
    found = guess_project(write(tmp_path, air()), source=known).source
    assert found.cells.missing == {"*": ("NIL",)}


def test_a_label_or_a_level_is_not_taken_for_missing(tmp_path: Path) -> None:
    """-1 is missing among shares, and a label beside them."""
    chance = random.Random(0)
    body = [f"{-1 if n % 20 == 0 else f'{chance.random():.3f}'},{chance.choice([-1, 0, 1])},"
            f"{chance.choice([-1, 1])}" for n in range(400)]  # fmt: skip
    guess = guess_project(write(tmp_path, "\n".join(["share,kind,label", *body, ""])))
    assert guess.source.cells.missing == {"share": ("-1",)}
    assert (guess.fields.target, guess.labels) == ("label", ("-1", "1"))


def test_few_whole_numbers_may_be_counts_and_are_asked_about(tmp_path: Path) -> None:
    chance = random.Random(0)
    body = [f"{chance.random():.3f},{chance.random():.3f},{min(int(chance.expovariate(0.4)), 9)}"
            for _ in range(300)]  # fmt: skip
    guess = guess_project(write(tmp_path, "\n".join(["a,b,visits", *body, ""])))
    assert guess.task == "tabular-classification"
    assert guess.choices["task"].alternatives == ("tabular-regression",)
    assert not guess.choices["task"].is_sure


@pytest.mark.parametrize("name", ["客户号", "身份证号", "customer_id"])
def test_a_number_that_names_people_is_a_subject(tmp_path: Path, name: str) -> None:
    chance = random.Random(0)
    body = [f"C{n // 2:04},{chance.random():.3f},{chance.random():.3f},{n % 2}" for n in range(300)]
    guess = guess_project(write(tmp_path, "\n".join([f"{name},a,b,left", *body, ""])))
    assert guess.fields.subject == name


def test_a_table_with_measures_and_a_price_in_chinese_is_a_regression(tmp_path: Path) -> None:
    chance = random.Random(0)
    areas = [round(chance.uniform(40, 200), 2) for _ in range(200)]
    body = [f"{area}平米,{chance.choice(['朝阳', '海淀'])},{area * 6:.0f}万" for area in areas]
    path = write(tmp_path, "\n".join(["建筑面积,区域,总价", *body, ""]))
    guess = guess_project(path, target="总价")
    assert (guess.task, guess.fields.target) == ("tabular-regression", "总价")


def test_points_beside_decimal_commas_are_doubted(tmp_path: Path) -> None:
    chance = random.Random(0)
    body = [
        f"{chance.uniform(20, 200):.1f};".replace(".", ",") + f"{chance.random():.3f};{n % 2}"
        for n in range(200)
    ]
    guess = guess_project(write(tmp_path, "\n".join(["rent;rank;label", *body, ""])))
    decimal = guess.choices["decimal"]
    assert (guess.source.cells.decimal, decimal.is_sure) == ("comma", False)
    assert "with a point in rank" in decimal.because


def test_a_first_line_that_counts_the_columns_is_a_header(tmp_path: Path) -> None:
    chance = random.Random(0)
    cells = ([f"{chance.gauss(0, 1):.3f}" for _ in range(4)] for _ in range(100))
    body = [",".join([*row, str(n % 2)]) for n, row in enumerate(cells)]
    for head in ("0,1,2,3,4", "1,2,3,4,5"):
        guess = guess_project(write(tmp_path, "\n".join([head, *body, ""])))
        assert (guess.source.header, guess.fields.target) == (True, head[-1])
        assert guess.labels == ("0", "1")


def test_two_columns_that_are_named_like_targets_are_told(tmp_path: Path) -> None:
    chance = random.Random(0)
    body = [
        ",".join([chance.choice("yn"), str(chance.randrange(90)), f"{chance.gauss(9, 1):.2f}"])
        for _ in range(200)
    ]
    guess = guess_project(write(tmp_path, "\n".join(["default,age,price", *body, ""])))
    target = guess.choices["target"]
    assert (target.is_sure, {target.value, *target.alternatives}) == (False, {"default", "price"})


@pytest.mark.parametrize(
    ("head", "values"), [("是否有房,年龄,违约", "是否"), ("x,年龄,逾期", "有无")]
)
def test_a_chinese_target_is_known_by_its_name(tmp_path: Path, head: str, values: str) -> None:
    chance = random.Random(0)
    body = [
        f"{chance.choice('是否')},{chance.randrange(90)},{chance.choice(values)}"
        for _ in range(200)
    ]
    guess = guess_project(write(tmp_path, "\n".join([head, *body, ""])))
    assert (guess.task, guess.fields.target) == ("tabular-classification", head.split(",")[-1])
    assert guess.labels == tuple(sorted(values))


def test_cells_of_rows_that_nobody_looked_at_do_not_hide_the_target(tmp_path: Path) -> None:
    text = looked(said=("ok", "ok")).replace(",\n", ",-\n")
    guess = guess_project(write(tmp_path, text), task=AnomalyDetection())
    assert guess.fields.target == "checked"


def test_in_a_few_rows_no_column_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path, "age,income,label\n1,20,a\n2,21,b\n")
    assert guess_project(path, target="label", task=TabularClassification()).fields.ignore == ()


def test_a_target_of_which_each_row_differs_is_doubted(tmp_path: Path) -> None:
    body = [f"{n},{n % 7},code {n * 7919:x}" for n in range(100)]
    path = write(tmp_path, "\n".join(["a,b,label", *body, ""]))
    guess = guess_project(path, task=TabularClassification(), target="label")
    assert any("100 different labels in 100 rows" in doubt for doubt in guess.doubts)


def test_a_comma_that_groups_thousands_is_no_decimal_comma(tmp_path: Path) -> None:
    body = [f"{n},5;1,{n:03}.50;a" if n % 2 else f"{n},5;2,{n:03}.25;b" for n in range(100)]
    guess = guess_project(write(tmp_path, "\n".join(["x;price;label", *body, ""])))
    assert guess.source.cells.decimal == "point"


def test_a_table_without_a_target_says_so(tmp_path: Path) -> None:
    body = [f"K{n},{n * n}.5" for n in range(60)]
    path = write(tmp_path, "\n".join(["name,size", *body, ""]))
    with pytest.raises(DataError, match="looks like a target of tabular-classification"):
        guess_project(path, task=TabularClassification())


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "task", "target", "ignore", "settings"),
    [
        ("telco_churn/Telco-Customer-Churn.csv", "classification", "Churn", (), {}),
        ("california_housing/housing.csv", "regression", "median_house_value", (), {}),
        ("adult_census/adult.data", "classification", "column_15", (), {}),
        (
            "bike_sharing/Bike-Sharing-Dataset.zip",
            "regression",
            "cnt",
            ("instant", "casual", "registered"),
            {"sheet": "hour.csv"},
        ),
    ],
)
def test_real_tables_are_understood(
    shared_data: Path, name: str, task: str, target: str, ignore: tuple[str, ...],
    settings: dict[str, str],
) -> None:  # fmt: skip
    source = SourceConfig(path=name, **settings)  # type: ignore[arg-type]
    guess = guess_project(shared_data / name, source=source)
    assert (guess.task, guess.fields.target) == (f"tabular-{task}", target)
    assert guess.fields.ignore == ignore
    assert guess.doubts == ()


def looked(checked: str = "checked", said: tuple[str, str] = ("ok", "fraud")) -> str:
    chance = random.Random(1)
    lines = [f"at,amount,new_shop,{checked}"]
    for n in range(400):
        label = chance.choices(["", *said], [90, 8, 2])[0]
        cells = (chance.gauss(50, 9), chance.choice(["yes", "no"]), label)
        lines.append(f"2025-03-{1 + n % 28:02d},{cells[0]:.2f},{cells[1]},{cells[2]}")
    return "\n".join([*lines, ""])


def test_anomalies_need_no_target_and_a_yes_or_no_of_anything_is_none(tmp_path: Path) -> None:
    bare = "\n".join(line.rpartition(",")[0] for line in looked().splitlines())
    guess = guess_project(write(tmp_path, bare), task=AnomalyDetection())
    assert (guess.fields.target, guess.labels, guess.normal) == ("", (), "")
    assert guess.fields.time == "at"
    assert "none is needed" in guess.doubts[0]


def test_the_column_that_says_what_was_found_is_the_target_of_anomalies(tmp_path: Path) -> None:
    guess = guess_project(write(tmp_path, looked()), task=AnomalyDetection())
    assert (guess.fields.target, guess.normal) == ("checked", "")
    guess = guess_project(
        write(tmp_path, looked("is_fraud", ("no", "yes"))), task=AnomalyDetection()
    )
    assert guess.fields.target == "is_fraud"
    kinds = looked("kind", ("normal.", "smurf."))
    guess = guess_project(write(tmp_path, kinds), target="kind", task=AnomalyDetection())
    assert (guess.fields.target, guess.normal) == ("kind", "normal.")
