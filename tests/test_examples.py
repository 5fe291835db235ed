"""The examples run as their pages say: data, one turn, a verdict, answers with reasons."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(script.parent.name for script in EXAMPLES.glob("*/run.py"))

pytestmark = pytest.mark.slow  # each is a turn of some thousands of rows


@pytest.fixture
def copied(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the example without what a run of it left, at the least effort."""
    made = shutil.ignore_patterns(".volano", "*.csv", "own")
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLES / request.param, folder, ignore=made)
    with (folder / "volano.yaml").open("a", encoding="utf-8") as project_file:
        project_file.write("effort: quick\n")
    return folder


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, "run.py", *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("copied", NAMES, indirect=True)
def test_the_example_makes_its_data_turns_once_and_gives_reasons(copied: Path) -> None:
    said = run(copied)
    assert re.search(r"^turn 1: (PROMOTE|HOLD)$", said, re.MULTILINE)
    (source,) = re.findall(r"- path: (\S+)", (copied / "volano.yaml").read_text("utf-8"))
    columns = (copied / source).read_text("utf-8").partition("\n")[0].split(",")
    reasons = set(re.findall(r"(\w+) = \S", said))
    assert reasons
    assert reasons <= set(columns)
    assert {page.name for page in copied.glob(".volano/reports/turn-1/*.html")} >= {
        "data.html",
        "model.html",
    }


@pytest.mark.parametrize("copied", ["medical-screening"], indirect=True)
def test_a_table_of_ones_own_becomes_a_project_of_its_own(copied: Path) -> None:
    subprocess.run([sys.executable, "make_data.py"], cwd=copied, check=True, timeout=60)
    said = run(copied, "--data", "diabetes.csv")
    assert "task: tabular-regression" in said
    assert re.search(r"^turn 1: PROMOTE$", said, re.MULTILINE)
    assert (copied / "own" / "diabetes" / "volano.yaml").is_file()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_example_has_a_page_with_output_that_its_script_prints(name: str, page: str) -> None:
    text = (EXAMPLES / name / page).read_text("utf-8")
    assert "$ python run.py" in text
    assert re.search(r"^turn 1: (PROMOTE|HOLD)$", text, re.MULTILINE)
