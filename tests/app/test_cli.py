from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from tests.tiny import tiny_project, tiny_rows, write_rows

from volano.app.cli.main import app
from volano.core.nouns import Model
from volano.loop.project import Project
from volano.loop.turn import lock_of
from volano.store.locks import project_lock

if TYPE_CHECKING:
    from pathlib import Path

Volano = Callable[..., Any]

LOOKING = [
    ("status",),
    ("list", "models"),
    ("list", "datasets"),
    ("list", "reports"),
    ("list", "turns"),
    ("list", "releases"),
    ("show", "model:champion"),
    ("show", "dataset:latest"),
    ("show", "report:latest"),
    ("show", "turn:1"),
    ("diff", "model:champion", "model:latest"),
    ("explain", "train"),
    ("explain",),
    ("doctor",),
    ("predict", "where is my parcel?"),
    ("turn", "--dry-run"),
    ("promote", "model:champion", "--because", "why not", "--dry-run"),
    ("rollback", "--dry-run"),
]


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_every_command_prints_one_json_object_and_ends_text_with_the_next_command(
    volano: Volano, tickets: Path, command: tuple[str, ...]
) -> None:
    as_json = volano(*command, "--json")
    assert as_json.code == 0
    assert isinstance(as_json.json, dict)
    assert as_json.out.count("\n") == 1
    text = volano(*command)
    assert text.code == 0
    assert text.out.splitlines()[-1].startswith("next: ")
    assert not text.out.startswith("{")


def flags() -> str:
    """Every command with its arguments and flags, one line each."""
    lines = []
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        words = [
            p.opts[0] if p.param_type_name == "option" else p.name.upper()
            for p in command.params
            if p.name != "help"
        ]
        lines.append(" ".join([name, *words]))
    return "\n".join(lines) + "\n"


def test_commands_and_flags_change_only_on_purpose(request: pytest.FixtureRequest) -> None:
    golden = request.path.with_name("flags.txt")
    assert flags() == golden.read_text("utf-8"), "if this is meant, write it to tests/app/flags.txt"


def test_every_command_has_at_most_eight_flags_but_init() -> None:
    for line in flags().splitlines():
        name, *words = line.split()
        assert len([w for w in words if w.startswith("--")]) <= (10 if name == "init" else 8)


def test_a_second_turn_says_plainly_that_nothing_has_changed(volano: Volano, tickets: Path) -> None:
    text = volano("turn")
    assert text.code == 0
    assert text.out.startswith("nothing has changed since turn 1")
    done = volano("turn", "--json").json
    assert done["turn"] == 1
    assert done["seconds"] == {}
    assert done["skipped"] == [
        "collect", "prepare", "train", "export", "evaluate", "judge", "promote"
    ]  # fmt: skip


def test_a_turn_prints_progress_on_stderr_only_and_its_json_has_every_part(
    volano: Volano, tmp_path: Path
) -> None:
    tiny_project(tmp_path / "fresh").close()
    ran = volano("turn", "--json", "--project", str(tmp_path / "fresh"))
    assert ran.code == 0
    assert all(line.startswith("warning: ") for line in ran.err.splitlines())
    assert {
        "turn", "dataset", "model", "learner", "verdict", "metrics", "baseline", "skipped",
        "seconds", "feedback", "reports",
    } == ran.json.keys()  # fmt: skip
    assert ran.json["verdict"]["decision"] == "PROMOTE"
    assert {"value", "low", "high"} == ran.json["metrics"]["accuracy"].keys()
    again = volano("turn", "--project", str(tmp_path / "fresh"), "--set", "train.learner=bayes")
    assert "  train.bayes" not in again.out
    assert "judge" in again.err


def test_a_rejected_candidate_exits_with_three(volano: Volano, tmp_path: Path) -> None:
    rows = tiny_rows()
    for place, row in enumerate(rows):
        row["topic"] = ("delivery", "refund", "account")[(place * 7 + place // 3) % 3]
    tiny_project(tmp_path / "noise", rows).close()
    ran = volano("turn", "--project", str(tmp_path / "noise"))
    assert ran.code == 3
    assert ran.out.startswith("turn 1: REJECT")
    assert volano("turn", "--json", "--project", str(tmp_path / "noise")).code == 3
    assert volano("predict", "x", "--project", str(tmp_path / "noise")).code == 2  # none deployed


def test_outside_a_project_the_error_says_what_to_do(
    volano: Volano, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = volano("status")
    assert ran.code == 2 and ran.out == ""
    assert "there is no project here" in ran.err and "volano init" in ran.err
    as_json = volano("status", "--json")
    assert as_json.code == 2
    assert as_json.json["error"].keys() == {"what", "where", "try"}
    assert volano("doctor").code == 0
    assert volano("doctor", "--project", "nowhere").code == 2


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("turn", "--nonsense"), "no option named '--nonsense'"),
        (("trun",), "no command named 'trun'"),
        (("show",), "the argument NAME is missing"),
        (("list", "nouns"), "'nouns'"),
        (("turn", "--set", "novalue"), "'novalue' is not key=value"),
        (("turn", "--set", "train.fold=3"), "'train.fold' is not a setting"),
        (("show", "nonsense:1"), "not a reference"),
        (("show", "turn:99"), "no turn named '99'"),
        (("show", "model:ffff"), "no model named 'ffff'"),
        (("explain", "tarin"), "no section named 'tarin'"),
        (("predict", "nowhere.csv"), "no file 'nowhere.csv'"),
        (("review",), "say one of --export and --import"),
        (("rollback",), "no earlier champion"),
        (("init", ".", "--data", "rows.csv"), "a project already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_users_mistake_exits_with_two_and_is_json_where_asked(
    volano: Volano, tickets: Path, arguments: tuple[str, ...], what: str
) -> None:
    text = volano(*arguments)
    assert (text.code, text.out) == (2, "")
    assert what in text.err and "  try  " in text.err
    as_json = volano(*arguments, "--json")
    assert as_json.code == 2
    assert what in as_json.json["error"]["what"]


def test_a_damaged_store_exits_with_four(volano: Volano, tickets: Path) -> None:
    with Project.open(tickets) as project:
        model = project.find(Model, "model:champion")
    (model.folder / "manifest.json").write_text("{", "utf-8")
    assert volano("predict", "hello").code == 4
    ran = volano("doctor", "--json")
    assert ran.code == 4 and ran.json["faults"] >= 1


def test_a_turn_while_another_runs_is_refused_and_names_it(volano: Volano, tickets: Path) -> None:
    with Project.open(tickets) as project, project_lock(lock_of(project)):
        ran = volano("turn")
    assert ran.code == 2
    assert f"process {os.getpid()}" in ran.err


def test_promote_and_rollback_are_recorded_with_who_and_why(volano: Volano, tickets: Path) -> None:
    assert "champion already" in volano("promote", "model:latest", "--because", "x").out
    assert volano("turn", "--set", "train.learner=bayes").code in (0, 3)
    nothing = volano("promote", "model:latest", "--because", " ")
    assert (nothing.code, "kept with its reason" in nothing.err) == (2, True)
    said = volano("promote", "model:latest", "--because", "we know", "--by", "ann", "--json")
    assert said.json["forced"] is True and said.json["promoted"] is True
    assert "(forced)" in volano("status").out
    assert volano("list", "releases").out.endswith("next: volano status\n")
    assert "is the champion again" in volano("rollback").out
    newest, forced, _ = volano("list", "releases", "--json").json["releases"]
    assert newest["because"] == "rolled back by hand" and newest["by"]
    assert (forced["by"], forced["because"], forced["forced"]) == ("ann", "we know", True)


def test_init_writes_a_project_that_turns(
    volano: Volano, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "rows.csv", tiny_rows())
    dry = volano("init", "my tickets", "--data", "rows.csv", "--dry-run")
    assert "task: text-classification" in dry.out and not (tmp_path / "my tickets").exists()
    ran = volano("init", "my tickets", "--data", "rows.csv", "--set", "effort=quick")
    assert ran.out.splitlines()[-1] == "next: cd 'my tickets' && volano turn"
    assert "target: topic" in ran.out
    plan = volano("turn", "--project", "my tickets", "--dry-run", "--json").json["would_run"]
    assert plan[0] == "collect"
    assert not (tmp_path / "my tickets" / ".volano").exists()


def test_a_text_that_ends_like_a_file_is_still_a_text(volano: Volano, tickets: Path) -> None:
    assert volano("predict", "please open invoice.csv", "--json").json["label"]
    assert volano("predict", "e.g. the parcel", "--json").json["label"]


def test_a_file_is_answered_beside_itself(volano: Volano, tickets: Path) -> None:
    write_rows(tickets / "more.csv", tiny_rows()[:5])
    ran = volano("predict", "more.csv")
    assert ran.code == 0 and "5 answers" in ran.out
    assert (tickets / "more.answers.parquet").is_file()
    assert volano("predict", "more.csv").code == 2  # it is there already
    out = volano("predict", "more.csv", "--out", "answers.csv", "--json")
    assert out.json["num_rows"] == 5
    with (tickets / "answers.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert {"body", "label", "confidence"} <= set(next(csv.DictReader(stream)))


def test_review_goes_out_and_comes_back(volano: Volano, tickets: Path) -> None:
    first = volano("review", "--export", "todo.csv", "--json")
    if first.code == 2:  # nothing looked wrong to the model
        assert "nothing waits for review" in first.json["error"]["what"]
        return
    assert volano("review", "--import", "todo.csv", "--json").json["answered"] == 0


@pytest.mark.parametrize(
    ("encoding", "extra"),
    [("ascii", "--json"), pytest.param("gbk", "--explain", marks=pytest.mark.slow)],
)
def test_a_narrow_terminal_is_no_reason_to_crash(tickets: Path, encoding: str, extra: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "volano", "predict", "我的快递还没有到 🙂", "--explain", extra]
    ran = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert b"delivery" in ran.stdout
    if extra == "--json":
        assert json.loads(ran.stdout)["label"] == "delivery"


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tickets: Path) -> None:
    ran = subprocess.run(
        f"{sys.executable} -m volano explain | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.strip() in ("0", "141")


@pytest.mark.slow
def test_ctrl_c_says_that_nothing_is_lost(tmp_path: Path) -> None:
    tiny_project(tmp_path / "t", prepare={"near_duplicates": 0}, effort="thorough").close()
    turn = subprocess.Popen(
        [sys.executable, "-m", "volano", "turn", "--project", str(tmp_path / "t")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert turn.stderr is not None
    assert "collect" in turn.stderr.readline()
    turn.send_signal(signal.SIGINT)
    out, err = turn.communicate(timeout=60)
    assert turn.returncode == 130
    assert "nothing is lost" in err and "Traceback" not in err and out == ""


def test_serving_without_what_it_needs_is_a_users_mistake(volano: Volano, tickets: Path) -> None:
    ran = volano("serve", "--set", "serve.key_file=keys.txt")
    assert ran.code == 2 and "serve.key_file" in ran.err
    (tickets / "keys.txt").write_bytes(b"\xff\xfe")
    assert volano("serve", "--set", "serve.key_file=keys.txt").code == 2
    (tickets / "keys.txt").write_text("short\n", "utf-8")
    assert "16 to 512" in volano("serve", "--set", "serve.key_file=keys.txt").err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = volano("serve", "--set", f"serve.port={port}")
        assert ran.code == 2 and "port is in use" in ran.err
    assert "there is no key" in volano("serve", "--set", "serve.host=0.0.0.0").err


@pytest.mark.slow
def test_serving_ends_cleanly_with_ctrl_c(tickets: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "volano", "serve", "--set", "serve.port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdout.readline().startswith("listening on http://127.0.0.1:")
    time.sleep(0.3)
    server.send_signal(signal.SIGINT)
    _, err = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in err
