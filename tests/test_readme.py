"""What the READMEs say is true: their Python runs, their commands, targets and links exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from volano.app.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
EXAMPLE = "examples/support-tickets"
READMES = ["README.md", "README.zh-CN.md"]
PAGES = [*READMES, "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/*/README*.md"))


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[list[str]]:
    """Every command that a page shows: after ``$`` in a console block, or as code in a line."""
    text = (ROOT / page).read_text("utf-8")
    lines = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    lines += re.findall(r"`((?:volano|make|python|\.venv/bin/volano) [^`]+)`", text)
    for line in lines:
        for part in line.split("&&"):
            yield shlex.split(part, comments=True)


def refuse_unless_it_exists(words: list[str], page: str) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    if words == ["--help"]:
        return
    assert words[0] in group.commands, f"{page}: there is no command volano {words[0]}"
    known = {flag for one in group.commands[words[0]].params for flag in one.opts}
    for word in words[1:]:
        assert not word.startswith("-") or word in known, f"{page}: {words[0]} has no {word}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_flag_on_the_page_exists(page: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for words in commands(page):
        program = words[0].removeprefix(".venv/bin/")
        if program == "volano":
            refuse_unless_it_exists(words[1:], page)
        elif program == "make":
            goals = [word for word in words[1:] if "=" not in word]
            assert set(goals) <= set(targets), f"{page}: make {goals}"
        elif program == "python":
            is_module = words[1] == "-m"
            script = words[2].replace(".", "/") + ".py" if is_module else words[1]
            folders = ROOT, (ROOT / page).parent  # an example's page begins with cd
            assert any((folder / script).is_file() for folder in folders), f"{page}: {script}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing == []


def test_both_readmes_show_the_same_rooms_and_these_are_the_tree() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "volano").glob("*/__init__.py")}
    for page in READMES:
        shown = re.findall(r"^[├└]── (\w+) ", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert set(shown) == rooms, page


def test_both_readmes_run_the_same_code() -> None:
    said = [re.sub(r"#.*", "", block) for page in READMES for block in blocks(page, "python")]
    assert len(said) == 2
    assert said[0] == said[1]


@pytest.mark.slow
def test_the_loop_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
    monkeypatch.chdir(tmp_path)
    line = next(words for words in commands("README.md") if words[:2] == ["volano", "init"])
    get_command(app).main(line[1:], standalone_mode=False)
    (code,) = blocks("README.md", "python")
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
    said = capsys.readouterr().out
    (promised,) = re.findall(r"print\(data.dropped\)  # (.+)", code)
    assert promised in said
    assert "\nPROMOTE\n" in said


def test_each_change_is_told_in_at_most_twenty_five_words() -> None:
    changes = re.findall(r"^- (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert changes
    assert [change for change in changes if len(change.split()) > 25] == []
