"""The command line's mistakes, told in the language of whoever made them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from volano.app.cli.main import language_of

Volano = Callable[..., Any]


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "VOLANO_LANGUAGE": "en"}, "en"),
        ({"VOLANO_LANGUAGE": "zh", "LC_ALL": "C"}, "zh"),
    ],
)
def test_the_locale_decides_the_language_and_the_variable_before_it(
    environment: dict[str, str], language: str
) -> None:
    assert language_of(environment) == language


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (("tur",), "没有名为 'tur' 的命令", "是不是想写 'turn'？"),
        (("turn", "--sett", "a"), "没有名为 '--sett' 的选项", "是不是想写 '--set'？"),
        (("show",), "缺少参数 NAME", "volano show --help"),
        (("promote", "x"), "缺少选项 --because", "volano promote --help"),
        (("show", "a", "b"), "参数过多：b", "volano show --help"),
        (("list", "foo"), "'foo' 不在可选范围内：'models'", "volano list --help"),
        (("turn", "--project"), "选项 --project 需要一个值", "volano --help"),
        (("turn", "--dry-run=3"), "选项 --dry-run 不带值", "volano --help"),
        (("turn", "-p", "/nowhere"), "这里没有项目", "volano init NAME --data FILE"),
    ],
)
def test_wrong_commands_are_told_in_chinese_too(
    volano: Volano,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    what: str,
    fix: str,
) -> None:
    monkeypatch.setenv("VOLANO_LANGUAGE", "zh")
    ran = volano(*arguments)
    assert ran.code == 2
    assert f"错误：{what}" in ran.err and f"  建议 {fix}" in ran.err
    told = volano(*arguments, "--json")
    if "--project" not in arguments:
        assert told.json["error"]["what"].startswith(what)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030"])
def test_a_terminal_without_chinese_is_no_reason_to_crash(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "VOLANO_LANGUAGE": "zh"}
    for extra, is_told in (((), b"/nowhere"), (("--json",), b'"where"')):
        ran = subprocess.run(
            [sys.executable, "-m", "volano", "turn", "-p", "/nowhere", *extra],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 2 and is_told in ran.stdout + ran.stderr
        assert b"Traceback" not in ran.stderr
