from __future__ import annotations

import csv
import random
import re
import sqlite3
from pathlib import Path

import pytest
from tests.tiny import tiny_rows, write_rows

from volano.core.config import build_config
from volano.core.errors import ConfigError, DataError, UnknownNameError, UserError
from volano.core.settings import read_settings
from volano.loop.config import ProjectConfig
from volano.loop.project import Project
from volano.loop.start import Said, start_project


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.csv", tiny_rows())


def config_of(root: Path) -> ProjectConfig:
    return build_config(ProjectConfig, read_settings(root / "volano.yaml"))


def with_columns(path: Path, names: dict[str, str], **cells: str) -> Path:
    rows = [
        {names.get(name, name): cells.get(name, value) for name, value in row.items()}
        for row in tiny_rows()
    ]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_project_is_guessed_written_and_read_back(tmp_path: Path, data: Path) -> None:
    started = start_project(tmp_path / "tickets", Said(data))
    config = config_of(tmp_path / "tickets")
    assert config.data.fields.texts == ("body",)
    assert config.data.fields.target == "topic"
    assert config.data.sources[0].path == "../rows.csv"
    assert (tmp_path / "tickets" / "volano.yaml").read_text("utf-8") == started.text
    assert any(line.startswith("target: topic") for line in started.guesses)


def test_each_guess_has_a_comment_on_its_line(tmp_path: Path, data: Path) -> None:
    text = start_project(tmp_path / "tickets", Said(data)).text
    for key in ("text", "target", "group", "subject", "licence", "effort"):
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f"{key}:")]
        assert "  # " in line


def test_a_folder_of_texts_becomes_a_project(tmp_path: Path) -> None:
    for number, row in enumerate(tiny_rows()):
        path = tmp_path / "mail" / row["topic"].replace(" ", "-") / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(row["body"], "utf-8")
    start_project(tmp_path / "tickets", Said(tmp_path / "mail"))
    config = config_of(tmp_path / "tickets")
    assert (config.data.fields.texts, config.data.fields.target) == (("text",), "label")
    assert config.data.sources[0].path == "../mail"


def test_a_query_of_a_database_becomes_a_project_and_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tiny_rows()
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("crm.db") as database:
        database.execute(f"CREATE TABLE tickets ({', '.join(rows[0])})")
        places = ", ".join("?" * len(rows[0]))
        values = [tuple(row.values()) for row in rows]
        database.executemany(f"INSERT INTO tickets VALUES ({places})", values)
    database.close()
    with pytest.raises(ConfigError, match="no query is said") as error:
        start_project(Path("project"), Said("sqlite:///crm.db"))
    assert "tickets" in error.value.fix
    told = ("data.sources.0.fetch.query=tickets",)
    start_project(Path("project"), Said("sqlite:///crm.db", set=told))
    source = config_of(Path("project")).data.sources[0]
    assert (source.path, source.fetch.query) == ("sqlite:///../crm.db", "tickets")
    with Project.open("project") as project:
        (card,) = project.collect().card["sources"]
    assert (card["path"], card["read"]) == (source.path, len(rows))
    assert card["fetched_at"].startswith("20")
    assert len(card["sha256"]) == 64


def test_a_validation_and_a_test_file_keep_their_parts(tmp_path: Path, data: Path) -> None:
    said = Said(data, test=data.with_name("t.csv"), validation=str(data.with_name("v.csv")))
    for held in (said.test, said.validation):
        write_rows(Path(held or ""), tiny_rows())
    start_project(tmp_path / "tickets", said)
    sources = config_of(tmp_path / "tickets").data.sources
    assert [(Path(one.path).name, one.split) for one in sources] == [
        ("rows.csv", "train"),
        ("v.csv", "validation"),
        ("t.csv", "test"),
    ]
    data.with_name("v.csv").write_text("body,other\nhi,a\n", "utf-8")
    with pytest.raises(DataError, match="no column 'topic'"):
        start_project(tmp_path / "again", said)


def test_what_the_user_says_is_taken_and_so_commented(tmp_path: Path, data: Path) -> None:
    said = Said(data, text="body", target="topic", unknown="none of these")
    text = start_project(tmp_path / "tickets", said).text
    config = config_of(tmp_path / "tickets")
    assert config.labels.unknown == "none of these"
    assert text.count("as you said") == 3


def test_two_text_columns_stay_on_one_line_with_their_comment(tmp_path: Path) -> None:
    rows = with_columns(tmp_path / "rows.csv", {"tier": "title"}, tier="about my order")
    text = start_project(tmp_path / "tickets", Said(rows, text="title, body")).text
    assert config_of(tmp_path / "tickets").data.fields.texts == ("title", "body")
    assert "text: [title, body]" in text


@pytest.mark.parametrize(
    "name",
    [
        "正文",
        "the body",
        "body: of it",
        "#body",
        "yes",
        "'body'",
        '"',
        "- body",
        "{body}",
        "🙂 body",
    ],
)
def test_awkward_column_names_are_read_back_equal(tmp_path: Path, name: str) -> None:
    rows = with_columns(tmp_path / "rows.csv", {"body": name})
    start_project(tmp_path / "tickets", Said(rows, text=name, target="topic"))
    assert config_of(tmp_path / "tickets").data.fields.texts == (name,)


@pytest.mark.parametrize(
    "label", ["no", "null", "1", "以上都不是", "a: b", "line\nbreak", "# x", "~"]
)
def test_awkward_labels_are_read_back_equal(tmp_path: Path, data: Path, label: str) -> None:
    start_project(tmp_path / "tickets", Said(data, unknown=label))
    assert config_of(tmp_path / "tickets").labels.unknown == label


def test_a_project_that_is_there_is_never_written_over(tmp_path: Path, data: Path) -> None:
    start_project(tmp_path / "tickets", Said(data))
    with pytest.raises(UserError, match="project already"):
        start_project(tmp_path / "tickets", Said(data))


def test_a_dry_run_writes_nothing(tmp_path: Path, data: Path) -> None:
    started = start_project(tmp_path / "tickets", Said(data), dry_run=True)
    assert "task: text-classification" in started.text
    assert not (tmp_path / "tickets").exists()


def test_a_test_file_is_a_frozen_split_and_must_have_the_same_columns(
    tmp_path: Path, data: Path
) -> None:
    held = write_rows(tmp_path / "held.csv", tiny_rows()[:9])
    start_project(tmp_path / "tickets", Said(data, test=held))
    sources = config_of(tmp_path / "tickets").data.sources
    assert [(s.path, s.split) for s in sources] == [
        ("../rows.csv", "train"),
        ("../held.csv", "test"),
    ]
    strange = with_columns(tmp_path / "strange.csv", {"topic": "subject_of_it"})
    with pytest.raises(DataError, match="no column 'topic'") as told:
        start_project(tmp_path / "other", Said(data, test=strange))
    assert told.value.where == f"{strange}:1"
    with pytest.raises(DataError, match="no file"):
        start_project(tmp_path / "other", Said(data, test=tmp_path / "nowhere.csv"))


def test_settings_are_checked_before_anything_is_written(tmp_path: Path, data: Path) -> None:
    start_project(tmp_path / "tickets", Said(data, set=("effort=quick", "gate.margin=0.02")))
    assert config_of(tmp_path / "tickets").gate.margin == 0.02
    with pytest.raises(ConfigError, match="gate.margn"):
        start_project(tmp_path / "other", Said(data, set=("gate.margn=1",)))
    assert not (tmp_path / "other").exists()


def test_what_is_not_there_is_named(tmp_path: Path, data: Path) -> None:
    with pytest.raises(DataError, match="no column 'bdoy'") as column:
        start_project(tmp_path / "t", Said(data, text="bdoy"))
    assert column.value.fix == "did you mean 'body'?"
    with pytest.raises(DataError, match="no file"):
        start_project(tmp_path / "t", Said(tmp_path / "nowhere.csv"))
    with pytest.raises(UnknownNameError) as task:
        start_project(tmp_path / "t", Said(data, task="text-clasification"))
    assert task.value.fix == "did you mean 'text-classification'?"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        start_project(data / "inside a file", Said(data))


def test_data_may_lie_in_the_project_itself(tmp_path: Path) -> None:
    (tmp_path / "tickets").mkdir()
    data = write_rows(tmp_path / "tickets" / "rows.csv", tiny_rows())
    start_project(tmp_path / "tickets", Said(data))
    assert config_of(tmp_path / "tickets").data.sources[0].path == "rows.csv"


@pytest.mark.data
@pytest.mark.parametrize(
    ("train", "test", "text", "target", "separator", "language"),
    [
        ("banking77/train.csv", "banking77/test.csv", "text", "category", "", "en"),
        ("sms_spam/SMSSpamCollection", "", "column_2", "column_1", "", "en"),
        ("goemotions/train.tsv", "goemotions/test.tsv", "column_1", "column_2", ",", "en"),
        ("cold_zh/train.csv", "cold_zh/dev.csv", "TEXT", "label", "", "zh"),
        ("csl_zh/category/train.tsv", "csl_zh/category/test.tsv", "column_2", "column_3", "", "zh"),
    ],
)
def test_a_project_over_real_data_is_guessed_right(
    shared_data: Path, tmp_path: Path, train: str, test: str, text: str, target: str,
    separator: str, language: str,
) -> None:  # fmt: skip
    start_project(tmp_path, Said(shared_data / train, test=shared_data / test if test else None))
    config = config_of(tmp_path)
    assert config.data.fields.texts == (text,)
    assert config.data.fields.target == target
    assert config.labels.separator == separator
    assert config.language == language
    assert all((tmp_path / source.path).is_file() for source in config.data.sources)


def table(path: Path, labels: str = "yes no", count: int = 120) -> Path:
    chance = random.Random(0)
    known = labels.split()
    rows = [
        f"{chance.gauss(40, 9):.1f},{chance.choice('uvw')},{chance.randrange(9)},"
        f"{known[chance.random() < 0.3]}"
        for _ in range(count)
    ]
    path.write_text("\n".join(["weight,shape,rings,edible", *rows, ""]), "utf-8")
    return path


def test_a_table_becomes_a_project_whose_reasons_stand_beside_what_is_ignored(
    tmp_path: Path,
) -> None:
    lines = table(tmp_path / "rows.csv").read_text("utf-8").splitlines()
    body = [f"{n},{line},{line[-1]}" for n, line in enumerate(lines[1:])]
    (tmp_path / "rows.csv").write_text("\n".join([f"nth,{lines[0]},verdict", *body, ""]), "utf-8")
    said = Said(tmp_path / "rows.csv", target="edible")
    started = start_project(tmp_path / "mushrooms", said)
    config = config_of(tmp_path / "mushrooms")
    assert (config.task, config.gate.metric) == ("tabular-classification", "roc_auc")
    assert config.data.fields.ignore == ("nth", "verdict")
    assert re.search(r"- nth +# it only counts the rows\n", started.text)
    assert re.search(r"- verdict +# The column 'verdict' alone says the target", started.text)
    assert any(line.startswith("ignore: nth") for line in started.guesses)
    with Project.open(tmp_path / "mushrooms") as project:
        assert project.collect().card["schema"]["reads"] == ["weight", "shape", "rings"]


@pytest.mark.parametrize(
    ("task", "target", "metric"),
    [("tabular-classification", "edible", "roc_auc"), ("tabular-regression", "weight", "rmse")],
)
def test_the_kind_of_work_of_a_table_may_be_said(
    tmp_path: Path, task: str, target: str, metric: str
) -> None:
    start_project(tmp_path / "p", Said(table(tmp_path / "rows.csv"), task=task))
    config = config_of(tmp_path / "p")
    assert (config.task, config.data.fields.target, config.gate.metric) == (task, target, metric)


def test_labels_that_a_test_file_writes_in_another_way_are_renamed(tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv", "<=50K >50K")
    test = table(tmp_path / "test.csv", "<=50K. >50K.")
    started = start_project(tmp_path / "p", Said(data, test=test))
    assert config_of(tmp_path / "p").labels.rename == {"<=50K.": "<=50K", ">50K.": ">50K"}
    assert any("'<=50K.' of a held-out file is '<=50K'" in line for line in started.guesses)
    assert "# as a held-out file writes it" in started.text
    odd = table(tmp_path / "odd.csv", "<=50K maybe")
    started = start_project(tmp_path / "q", Said(data, test=odd))
    assert config_of(tmp_path / "q").labels.rename == {}
    assert any("'maybe' stands in" in line for line in started.unsure)


def test_names_for_a_table_without_a_header_are_given_with_set(tmp_path: Path) -> None:
    path = tmp_path / "rows.data"
    body = table(tmp_path / "rows.csv").read_text("utf-8").split("\n", 1)[1]
    path.write_text(body.replace(",", ", "), "utf-8")
    told = (
        "data.sources.0.header=false",
        "data.sources.0.columns=[weight, shape, rings, edible]",
    )
    start_project(tmp_path / "p", Said(path, set=told))
    config = config_of(tmp_path / "p")
    assert config.data.fields.target == "edible"
    assert config.data.sources[0].columns == ("weight", "shape", "rings", "edible")
    with Project.open(tmp_path / "p") as project:
        targets = project.collect().examples["target"].to_pylist()
    assert {tuple(one) for one in targets} == {("yes",), ("no",)}


def test_a_column_of_a_table_may_have_the_name_of_a_setting(tmp_path: Path) -> None:
    lines = table(tmp_path / "rows.csv").read_text("utf-8").splitlines()
    body = [f"{n},{line}" for n, line in enumerate(lines[1:])]
    (tmp_path / "rows.csv").write_text("\n".join([f"metric,{lines[0]}", *body, ""]), "utf-8")
    text = start_project(tmp_path / "p", Said(tmp_path / "rows.csv", target="edible")).text
    assert config_of(tmp_path / "p").data.fields.ignore == ("metric",)
    assert text.count("it only counts the rows") == 1


def test_a_project_of_anomalies_needs_no_target_and_names_its_budget(tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = [
        f"{rng.gauss(9, 2):.2f},{rng.choice('abc')},{rng.choice(['yes', 'no'])}" for _ in range(90)
    ]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["amount,way,is_new", *lines, ""]), "utf-8")
    test = tmp_path / "test.csv"
    test.write_text("amount,way,is_new\n9.5,a,no\n", "utf-8")
    started = start_project(tmp_path / "odd", Said(file, test, task="anomaly-detection"))
    config = config_of(tmp_path / "odd")
    assert config.data.fields.target == ""
    assert config.labels.alerts.share == 0.01 and "share: 0.01" in started.text
    assert config.data.sources[1].split == "test"
    assert any("none is needed" in one for one in started.unsure)
