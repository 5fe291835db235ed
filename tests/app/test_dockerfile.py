from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from typer.main import get_command

from volano.app.cli.main import app
from volano.serve import ServeConfig

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def said(word: str) -> list[str]:
    return [line[len(word) :].strip() for line in LINES if line.startswith(word + " ")]


def test_the_image_runs_a_command_that_exists_with_settings_that_exist() -> None:
    (command,) = said("CMD")
    name, verb, *settings = json.loads(command)
    assert shutil.which(name, path=str(Path(sys.executable).parent))
    assert verb in get_command(app).commands  # type: ignore[attr-defined]
    given = [setting.removeprefix("serve.").split("=") for setting in settings[1::2]]
    config = ServeConfig.model_validate(dict(given), strict=False)
    assert (config.host, config.port) == ("0.0.0.0", int(said("EXPOSE")[0]))


def test_the_image_asks_for_health_without_a_key_and_does_not_run_as_root() -> None:
    (check,) = said("HEALTHCHECK")
    assert f":{said('EXPOSE')[0]}/healthz" in check
    compile(json.loads(check[check.index("[") :])[2], "healthcheck", "exec")
    assert said("USER") == ["volano"]
    assert said("VOLUME") == said("WORKDIR") == ["/project"]


def test_what_the_image_copies_is_let_in_and_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    assert "constraints.txt" in kept
    assert {"LICENSE", "NOTICE", "README.md", "pyproject.toml", "src"} <= set(kept)
