"""What ``import volano`` offers, what it loads, and that a plugin really plugs in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import volano
from volano.loop.start import Said

HEAVY = ("numpy", "pyarrow", "pydantic", "sqlalchemy", "scipy", "sklearn", "starlette", "uvicorn")
PLUGIN = Path(__file__).parent / "plugin_example"


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh process has loaded after ``code``."""
    show = (
        f"import sys, json; sys.stderr.write(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    )
    command = [sys.executable, "-c", f"{code}\n{show}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def test_the_public_names_are_these() -> None:
    assert sorted(volano.__all__) == [
        "Answer",
        "Dataset",
        "Estimate",
        "Event",
        "Events",
        "Feedback",
        "Hub",
        "Model",
        "Prediction",
        "Predictor",
        "Project",
        "RefusedError",
        "Release",
        "Report",
        "Turn",
        "UserError",
        "Verdict",
        "VolanoError",
        "open",
        "start_project",
    ]
    assert all(getattr(volano, name) is not None for name in volano.__all__)
    assert set(volano.__all__) <= set(dir(volano))


def test_importing_volano_loads_nothing_heavy() -> None:
    assert loaded_by("import volano") == set()


def test_help_loads_nothing_heavy() -> None:
    ask = "import sys; sys.argv = ['volano', '--help']\nfrom volano.app.cli.main import run"
    assert loaded_by(f"{ask}\ntry:\n    run()\nexcept SystemExit:\n    pass") == set()


def install_plugin(folder: Path) -> dict[str, str]:
    """The example plugin as pip would leave it in ``folder``; the environment that finds it."""
    shutil.copy(PLUGIN / "volano_fasttext.py", folder)
    about = folder / "volano_fasttext-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: volano-fasttext\nVersion: 0.1.0\n"
    )
    (about / "entry_points.txt").write_text("[volano.plugins]\nfasttext = volano_fasttext\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def run_in(folder: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


READ = """
from pathlib import Path
import volano
from volano.loop.start import Said

print(volano.start_project(Path("tickets"), Said(Path("tickets.ft"))).text)
with volano.open("tickets") as project:
    print(project.collect().card["counts"])
"""


@pytest.mark.slow
def test_an_installed_plugin_reads_its_format_without_a_line_of_registration(
    tmp_path: Path,
) -> None:
    lines = [f"__label__{('card', 'loan')[n % 2]} please help with question {n}" for n in range(30)]
    (tmp_path / "tickets.ft").write_text("\n".join([*lines, "no label here"]), "utf-8")
    with pytest.raises(volano.UserError, match=r"no reader knows files that end in '\.ft'"):
        volano.start_project(tmp_path / "tickets", Said(tmp_path / "tickets.ft"))
    done = run_in(tmp_path, install_plugin(tmp_path), "-c", READ)
    assert done.returncode == 0, done.stderr
    assert "target: label" in done.stdout
    assert "'broken': 1, 'rows': 30" in done.stdout


@pytest.mark.slow
def test_a_plugin_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    env = install_plugin(tmp_path)
    (tmp_path / "volano_fasttext.py").write_text("import nothing_of_this_name\n", "utf-8")
    done = run_in(tmp_path, env, "-m", "volano", "init", "tickets", "--data", "tickets.csv")
    assert done.returncode == 2
    assert "the plugin 'fasttext' cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
