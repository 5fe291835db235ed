"""The documentation is a test: blocks run, references match the code, the site builds.

Each page has a folder of its own with the example's files and a project that was turned once (none
where the page says ``<!-- starts: empty -->``). Its blocks run there in order:

- ``python``: executed, all blocks of a page in one namespace;
- ``console``: each ``$ volano ...`` runs, ``$ cd`` moves, ``$ curl`` asks the page's server;
- ``http``: sent to the page's server; a ``json`` block after it shows the shape of the answer;
- ``yaml``: settings, laid over the smallest project file.
"""

from __future__ import annotations

import doctest
import importlib.util
import json
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from ruamel.yaml import YAML

import volano
from volano.app.cli.main import run
from volano.app.http import make_app, make_service
from volano.core.config import build_config
from volano.core.settings import Settings
from volano.loop.config import ProjectConfig
from volano.loop.project import Project
from volano.serve.server import Server, listen

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.slow  # runs whole turns or servers

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.glob("*.md"))
LANGUAGES = {"python", "pycon", "console", "http", "json", "yaml", "toml", "text"}
SMALLEST = {"task": "text-classification", "data": {"sources": [{"path": "tickets.csv"}]}}
AN_ID = re.compile(r"019ab3c4-\.\.\.|01a201d8-[0-9a-f-]+")  # the ids that pages show


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    text: str


def blocks_of(page: str) -> list[Block]:
    found, text = [], (DOCS / page).read_text("utf-8")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(line, match[1], match[2]))
    return found


def volano_exits(*words: str) -> int:
    """The exit code of ``volano WORDS``, run in this process."""
    before, sys.argv = sys.argv, ["volano", *words]
    try:
        run()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's files, and a project that was turned once."""
    folder = tmp_path_factory.mktemp("turned")
    for path in (ROOT / "examples" / "support-tickets").glob("*.csv"):
        shutil.copy(path, folder)
    project = str(folder / "tickets")
    data = str(folder / "tickets.csv")
    assert volano_exits("init", project, "--data", data, "--unknown", "other") == 0
    assert volano_exits("turn", "--project", project) == 0
    return folder


@dataclass
class Walk:
    """Somebody who follows one page."""

    page: str
    patch: pytest.MonkeyPatch
    exits: ExitStack
    names: dict[str, Any] = field(default_factory=dict)
    client: httpx.Client | None = None
    last_id: str = ""

    def follow(self) -> None:
        answer = None
        for block in blocks_of(self.page):
            where = f"docs/{self.page}:{block.line}"
            if block.language == "python":
                source = "\n" * (block.line - 1) + block.text
                exec(compile(source, where, "exec", dont_inherit=True), self.names)
            elif block.language == "console":
                for line in block.text.splitlines():
                    if line.startswith("$ "):
                        self.type(line[2:], where)
            elif block.language == "http":
                answer = self.send(block.text)
            elif block.language == "json" and answer is not None:
                check_shape(json.loads(block.text), answer, where)
                answer = None
            elif block.language == "yaml":
                values = {**SMALLEST, **YAML(typ="safe").load(block.text)}
                build_config(ProjectConfig, Settings(where, values))

    def type(self, line: str, where: str) -> None:
        words = shlex.split(line)
        if words[0] == "cd":
            self.patch.chdir(words[1])
        elif words[0] == "curl":
            self.curl(words)
        elif words[:2] == ["volano", "serve"]:
            self.ask()
        else:
            assert words[0] == "volano", f"{where}: nobody knows how to run {line!r}"
            assert volano_exits(*words[1:]) == 0, f"{where}: {line}"

    def ask(self) -> httpx.Client:
        """The server of this page's project, started when it is first asked."""
        if self.client is None:
            project = self.exits.enter_context(Project.open(".", set=["serve.port=0"]))
            service = self.exits.enter_context(make_service(project))
            config = project.config.serve
            server = Server(make_app(project, service), config, listen(config))
            thread = threading.Thread(target=server.run)
            thread.start()
            self.exits.callback(thread.join)
            self.exits.callback(server.stop)
            client = httpx.Client(base_url=server.url, trust_env=False)
            self.client = self.exits.enter_context(client)
        return self.client

    def curl(self, words: list[str]) -> None:
        url = next(word for word in words if word.startswith("http"))
        flags = dict(zip(words, words[1:], strict=False))
        path = "/" + url.split("/", 3)[3]
        self.send(f"POST {path}\n{flags['-H']}\n\n{flags['-d']}")

    def send(self, text: str) -> Any:
        head, _, body = text.partition("\n\n")
        first, *rest = head.strip().splitlines()
        method, path = first.split()
        headers = dict(line.split(": ", 1) for line in rest)
        body = AN_ID.sub(self.last_id, body)
        response = self.ask().request(method, path, headers=headers, content=body.encode())
        answer = response.json()
        assert (response.status_code == 200) == ("error" not in answer), response.text
        if "predictions" in answer:
            self.last_id = answer["predictions"][0]["id"]
        return answer


def check_shape(shown: Any, found: Any, where: str) -> None:
    """The keys and kinds of values that a page shows are those that really come."""
    if isinstance(shown, dict):
        assert isinstance(found, dict), where
        if not {"delivery", "payment"} & set(shown):  # scores have labels as keys
            assert list(shown) == list(found), where
            for key, value in shown.items():
                check_shape(value, found[key], f"{where}: {key}")
    elif isinstance(shown, list):
        assert shown and found, where
        for one in found:
            check_shape(shown[0], one, where)
    elif isinstance(shown, float | int) and not isinstance(shown, bool):
        assert isinstance(found, float | int), where
    elif shown is not None:
        assert type(shown) is type(found), where


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_the_page_runs(
    page: str, turned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts_empty = "<!-- starts: empty -->" in (DOCS / page).read_text("utf-8")
    for path in turned.glob("*.csv"):
        shutil.copy(path, tmp_path)
    if not starts_empty:
        shutil.copytree(turned / "tickets", tmp_path / "tickets")
    monkeypatch.chdir(tmp_path if starts_empty else tmp_path / "tickets")
    with ExitStack() as exits:
        Walk(page, monkeypatch, exits).follow()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page: str) -> None:
    assert {block.language for block in blocks_of(page)} <= LANGUAGES


@pytest.mark.parametrize(
    "page", ["index.md", "tutorial.md", "tables.md", "automatic.md", "sources.md"]
)
def test_the_chinese_page_has_the_blocks_of_the_english_one(page: str) -> None:
    texts = [[block.text for block in blocks_of(name)] for name in (page, f"zh/{page}")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["pyproject.toml", "volano_fasttext.py", "volano_counts.py"])
def test_the_plugin_that_the_page_shows_is_the_one_that_is_tested(name: str) -> None:
    shown = {block.text for block in blocks_of("plugins.md")}
    assert (ROOT / "tests" / "plugin_example" / name).read_text("utf-8") in shown


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "_generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["project-file.md", "cli.md", "python.md"])
def test_a_reference_page_says_what_the_code_says(generate: ModuleType, name: str) -> None:
    fresh = generate.page(name, generate.pages()[name])
    assert (DOCS / name).read_text("utf-8") == fresh, "run: python docs/_generate.py"


def test_every_setting_flag_and_public_name_is_described(generate: ModuleType) -> None:
    assert generate.undocumented_settings() == []
    assert generate.undocumented_flags() == []
    assert generate.undocumented_names() == []


def test_the_examples_in_docstrings_are_true() -> None:
    found = pkgutil.walk_packages(volano.__path__, "volano.")
    names = [one.name for one in found if one.name != "volano.__main__"]
    modules = [import_module(name) for name in names if ".migrations" not in name]
    results = {module.__name__: doctest.testmod(module) for module in modules}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 20


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loads = re.compile(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//[^\"]+\"")
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        assert loads.findall(page.read_text("utf-8")) == [], page.name
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", sheet.read_text("utf-8"))
