from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_project, tiny_rows, write_rows

from volano.core.errors import BusyError, DataError, StageError, UserError
from volano.core.events import Event, Events
from volano.core.hooks import Hub
from volano.core.nouns import Dataset, Prediction
from volano.core.settings import read_settings
from volano.loop.plugins import load_hub
from volano.loop.project import Project
from volano.loop.turn import lock_of
from volano.store import predictions, releases, reviews, turns
from volano.store.locks import project_lock

Open = Callable[..., Project]
ALL = ("collect", "prepare", "train", "export", "evaluate", "judge", "promote")


def rewrite(project: Project, change: Callable[[list[dict[str, str]]], Any]) -> None:
    rows = tiny_rows()
    change(rows)
    write_rows(project.root / "rows.csv", rows)


def appended(topic: str, num: int = 3, start: int = 60) -> list[dict[str, str]]:
    return [
        {
            "id": f"R{start + place}",
            "body": f"{topic} {hashlib.sha256(bytes([place])).hexdigest()[:40]}",
            "topic": topic,
            "tier": "free",
            "customer": f"N{start + place}",
        }
        for place in range(num)
    ]


def collected(project: Project) -> Dataset:
    last = turns.find_turn(project.ledger, "latest", state="finished")
    assert last is not None and last.result is not None
    return project.store.open(Dataset, last.result["collected"])


def test_a_first_turn_runs_every_stage_and_promotes(turned: Project) -> None:
    record = turns.find_turn(turned.ledger, 1)
    assert record is not None and record.result is not None
    assert list(record.result["seconds"]) == list(ALL)
    assert record.result["skipped"] == []
    assert all(stage.peak_bytes > 0 and not stage.skipped for stage in record.stages)
    champion = releases.champion(turned.ledger)
    assert champion is not None and champion.model == record.result["model"]
    assert not champion.forced
    assert turned.store.verify() == ()


def test_a_second_turn_does_nothing(turned: Project) -> None:
    done = turned.turn()
    assert done.number == 1
    assert done.is_unchanged
    assert done.skipped == ALL
    assert done.to_dict()["seconds"] == {}
    assert str(done).startswith("nothing has changed since turn 1")
    assert len(turns.list_turns(turned.ledger)) == 1
    assert turned.rehearse() == ()


@pytest.mark.slow
def test_a_second_turn_loads_no_stage(turned: Project) -> None:
    script = (
        "import sys; from volano.loop.project import Project\n"
        "with Project.open(sys.argv[1]) as project: assert project.turn().is_unchanged\n"
        "print(*(name for name in sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(turned.root)], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    stages = {f"volano.{name}" for name in (
        "data.prepare", "train.train", "export.export", "evals.evaluate", "evals.page",
        "loop.judge", "loop.pages", "loop.bookkeeping", "core.pages", "data.report",
    )}  # fmt: skip
    heavy = {"sklearn", "scipy.optimize", "scipy.stats", "jinja2", "alembic", "starlette"}
    assert not loaded & (stages | heavy)


def test_the_key_of_a_moved_project_is_the_same(turned: Project, tmp_path: Path) -> None:
    shutil.copytree(turned.root, tmp_path / "elsewhere")
    with Project.open(tmp_path / "elsewhere") as moved:
        done = moved.turn()
        assert done.is_unchanged
        assert done.reports["model"].startswith(str(tmp_path / "elsewhere"))


def test_appended_rows_make_a_new_dataset_and_the_champion_is_compared(turned: Project) -> None:
    assert turned.rehearse() == ()
    rewrite(turned, lambda rows: rows.extend(appended("refund")))
    assert turned.rehearse() == ALL
    done = turned.turn()
    assert done.number == 2
    assert collected(turned).card["changes"] == {"new": 3, "edited": 0, "deleted": 0, "kept": 60}
    assert done.verdict.champion
    assert done.skipped == ()


def test_an_edited_row_is_known_by_its_key(turned: Project) -> None:
    rewrite(turned, lambda rows: rows[0].update(body="My parcel has still not arrived"))
    turned.turn()
    assert collected(turned).card["changes"] == {"new": 0, "edited": 1, "deleted": 0, "kept": 59}


@pytest.mark.slow
def test_a_replaced_file_drops_the_rows_that_left_it(turned: Project) -> None:
    rewrite(turned, lambda rows: rows.__delitem__(slice(0, 6)))
    turned.turn()
    assert collected(turned).card["changes"]["deleted"] == 6


@pytest.mark.slow
def test_a_split_never_reshuffles(turned: Project) -> None:
    before = turned.find(Dataset, "dataset:latest").examples.select(["id", "split"]).to_pylist()
    rewrite(turned, lambda rows: rows.extend(appended("delivery", 12)))
    turned.turn()
    after = turned.find(Dataset, "dataset:latest").examples.select(["id", "split"]).to_pylist()
    splits = {row["id"]: row["split"] for row in after}
    assert all(splits[row["id"]] == row["split"] for row in before)


def test_when_the_test_set_grows_the_champion_is_scored_again(turned: Project) -> None:
    champion = releases.champion(turned.ledger)
    rewrite(turned, lambda rows: rows.extend(appended("account", 30)))
    done = turned.turn()
    first, second = (turns.find_turn(turned.ledger, number) for number in (1, 2))
    assert first and second and first.result and second.result and champion
    assert second.result["num_test"] > first.result["num_test"]
    scored = [stage.name for stage in second.stages if not stage.skipped]
    assert f"evaluate.{champion.model[:12]}" in scored
    assert done.verdict.champion == champion.model


def test_a_renamed_label_compares_the_champion_under_todays_names(reopen: Open) -> None:
    done = reopen("labels.rename={refund: money back}").turn()
    assert done.verdict.decision == "HOLD"
    told = "under today's label names: 'refund' is 'money back'"
    assert any(told in reason for reason in done.verdict.because)
    assert "never" not in str(done.verdict)  # nothing that the champion is told not to know


@pytest.mark.slow
def test_merged_and_removed_labels_are_told(reopen: Open) -> None:
    merged = reopen("labels.rename={refund: account}").turn()
    assert any("'refund' is 'account'" in reason for reason in merged.verdict.because)
    removed = reopen("labels.remove=[refund]").turn()
    assert any("'refund' is no more" in reason for reason in removed.verdict.because)
    assert removed.verdict.champion


@pytest.mark.slow
def test_an_added_label_is_judged_and_told(turned: Project) -> None:
    rewrite(turned, lambda rows: rows.extend(appended("warranty", 30)))
    done = turned.turn()
    assert any("warranty" in reason for reason in done.verdict.because)


def test_a_setting_for_one_turn_is_a_turn_of_its_own(reopen: Open) -> None:
    done = reopen("train.learner=bayes").turn()
    assert (done.number, done.learner) == (2, "bayes")
    assert done.skipped == ("collect", "prepare")
    assert done.baseline["learner"] == "linear"
    assert reopen("train.learner=bayes").turn().is_unchanged


def test_pages_in_another_language_are_written_and_nothing_else_runs(reopen: Open) -> None:
    done = reopen("language=zh").turn()
    assert done.number == 2
    assert set(done.skipped) >= {"collect", "prepare", "train", "export", "evaluate"}
    assert not done.is_unchanged or done.seconds == {}


@pytest.mark.slow
def test_flipped_labels_never_take_over(turned: Project) -> None:
    before = releases.champion(turned.ledger)

    def flip(rows: list[dict[str, str]]) -> None:
        topics = sorted({row["topic"] for row in rows})
        for row in rows[::4]:
            row["topic"] = topics[(topics.index(row["topic"]) + 1) % len(topics)]

    rewrite(turned, flip)
    assert turned.turn().verdict.decision in ("HOLD", "REJECT")
    after = releases.champion(turned.ledger)
    assert before is not None and after is not None and after.model == before.model


def test_what_people_said_is_used_and_counted(turned: Project) -> None:
    champion = releases.champion(turned.ledger)
    assert champion is not None
    scores = {"refund": 0.5, "account": 0.3, "delivery": 0.2}
    output = {"label": "refund", "confidence": 0.5, "unknown": False, "scores": scores}
    asked = [
        Prediction(f"p{n}", 100.0 + n, champion.model, {"body": text}, output, f"U{n}", "free")
        for n, text in enumerate(("The tap of the kettle drips", "壶嘴漏水怎么办", "Where is it"))
    ]
    predictions.add_predictions(turned.ledger, asked)
    predictions.add_feedback(
        turned.ledger,
        [
            {"prediction": "p0", "label": "delivery", "by": "ann"},
            {"prediction": "p1", "label": "account", "by": "bob"},
            {"prediction": "nobody", "label": "account"},
        ],
    )
    (asked_of,) = reviews.file_reviews(
        turned.ledger,
        [reviews.ReviewItem("prediction", "p2", {"body": "Where is it"}, ("refund",), "random")],
    )
    reviews.answer_reviews(
        turned.ledger, [reviews.ReviewAnswer(asked_of.id, ("delivery",), "carla")]
    )
    done = turned.turn()
    assert done.feedback == {"from_feedback": 2, "from_review": 1, "corrected": 0, "added": 3}
    assert done.to_dict()["feedback"] == done.feedback
    assert "examples   2 from feedback, 1 from review" in str(done)
    assert turned.turn().is_unchanged


@pytest.mark.slow
def test_a_reviewed_row_replaces_its_label(turned: Project) -> None:
    data = turned.find(Dataset, "dataset:latest")
    row = data.labelled("train").to_pylist()[0]
    (item,) = reviews.file_reviews(
        turned.ledger,
        [reviews.ReviewItem("example", row["id"], row["fields"], ("refund",), "suspect-label")],
    ) or [found for found in reviews.open_reviews(turned.ledger) if found.ref == row["id"]]
    other = "account" if row["target"] != ["account"] else "refund"
    reviews.answer_reviews(turned.ledger, [reviews.ReviewAnswer(item.id, (other,), "ann")])
    done = turned.turn()
    assert done.feedback["corrected"] == 1
    assert done.feedback["from_review"] == 1


def promote_another(project: Project, reopen: Open) -> str:
    """A second model, made champion by hand."""
    done = reopen("train.learner=bayes").turn()
    project.promote(done.model, because="we know better", by="ann", forced=True)
    return done.model


@pytest.mark.slow
def test_a_rollback_is_not_undone_by_the_next_turn(turned: Project, reopen: Open) -> None:
    first = releases.champion(turned.ledger)
    second = promote_another(turned, reopen)
    turned.rollback(because="it annoyed people", by="ann")
    assert reopen("train.learner=bayes", "gate.margin=0").turn().model == second
    champion = releases.champion(turned.ledger)
    assert first is not None and champion is not None and champion.model == first.model


def test_a_model_that_gave_way_is_not_brought_back_by_a_turn(turned: Project, reopen: Open) -> None:
    done = turned.turn()
    promote_another(turned, reopen)
    # Judged anew, against the champion that a person chose; it may be better, and stays out.
    again = turned.turn()
    assert again.model == done.model
    assert again.verdict.decision == "HOLD"
    champion = releases.champion(turned.ledger)
    assert champion is not None and champion.forced
    assert turned.turn().is_unchanged


def test_two_turns_at_once_are_refused_and_say_who_runs(turned: Project) -> None:
    with project_lock(lock_of(turned)), pytest.raises(BusyError, match="process") as refused:
        turned.turn()
    assert refused.value.exit_code == 2
    with project_lock(lock_of(turned)), pytest.raises(BusyError):
        turned.train()


class Failing:
    """A learner with a fault in it."""

    name = "linear"
    input = "text"
    parts = ()
    reads: frozenset[str] = frozenset()
    needs_base = False

    def fits(self, task: object) -> bool:
        return True

    def fit(self, *_: object) -> object:
        raise RuntimeError("the solver fell over")


def test_a_failing_stage_names_turn_and_stage_and_the_turn_is_continued(
    turned: Project,
) -> None:
    rewrite(turned, lambda rows: rows.extend(appended("refund")))
    known = load_hub()
    hub = Hub(
        dict(known.readers), dict(known.tasks), {**known.learners, ("text", "linear"): Failing()}
    )
    settings = read_settings(turned.root / "volano.yaml")
    with Project(turned.root, settings, hub, Events()) as broken:
        with pytest.raises(StageError) as failed:
            broken.turn()
        assert failed.value.exit_code == 1
        assert failed.value.where == "turn 2, stage train.linear"
        assert "the solver fell over" in failed.value.what
    done = turned.turn()
    assert done.number == 2
    assert {"collect", "prepare"} <= done.seconds.keys()  # they ran in this turn, before the fault


def test_a_users_mistake_is_told_as_such(turned: Project) -> None:
    (turned.root / "rows.csv").unlink()
    with pytest.raises(DataError) as told:
        turned.turn()
    assert told.value.exit_code == 2


def test_a_damaged_dataset_is_made_again_as_it_was(turned: Project) -> None:
    data = turned.find(Dataset, "dataset:latest")
    held = {row["id"] for row in data.labelled("test").to_pylist()}
    (data.folder / "examples.parquet").write_bytes(b"PAR1")
    heard: list[Event] = []
    with Project.open(turned.root, events=Events((heard.append,))) as project:
        project.turn()
        again = project.find(Dataset, "dataset:latest")
    assert again.hash == data.hash
    assert {row["id"] for row in again.labelled("test").to_pylist()} == held
    assert any("is run again" in event.text for event in heard if event.kind == "warning")
    assert turned.store.verify() == ()


def test_the_ledger_keeps_what_was_said(turned: Project) -> None:
    said = turns.list_events(turned.ledger, 1)
    ended = [event.text for event in said if event.kind == "stage" and event.done]
    assert ended[0] == "collect" and ended[-1] == "promote"
    assert not any(event.kind == "progress" for event in said)


def test_skipped_stages_are_recorded_with_the_turn_that_skipped_them(reopen: Open) -> None:
    project = reopen("train.learner=bayes")
    project.turn()
    record = turns.find_turn(project.ledger, 2)
    assert record is not None
    skipped = {stage.name for stage in record.stages if stage.skipped}
    assert {"collect", "prepare"} <= skipped
    assert "export.bayes" not in skipped


KILLED = """
import os, sys
from volano.core.events import Events
from volano.loop.project import Project
import volano.loop.turn, volano.data.collect, volano.data.prepare, volano.train.train
import volano.export.export, volano.evals.evaluate, volano.loop.judge, volano.loop.pages
import volano.loop.bookkeeping, volano.train.choose

def turn_until(count):
    left = [count]
    def hear(event):
        if event.kind == "stage":
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
    with Project.open(sys.argv[1], events=Events((hear,))) as project:
        project.turn()

# Each life ends one event later than the one before: at a stage's beginning or at its end, before
# the ledger knows of it. A life that is not cut short ends the series.
for count in range(1, 100):
    child = os.fork()
    if child == 0:
        turn_until(count)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(count)
        sys.exit(0)
sys.exit(1)
"""


def result_of(project: Project) -> dict[str, Any]:
    done = project.turn()
    verdict = done.verdict
    assert project.store.verify() == ()
    return {
        "dataset": done.dataset,
        "model": done.model,
        "verdict": (verdict.decision, verdict.because, verdict.effect),
        "number": done.number,
        "num_releases": len(releases.list_releases(project.ledger)),
        "num_suspects": len(reviews.open_reviews(project.ledger)),
    }


@pytest.mark.slow
def test_killed_at_every_beginning_and_end_of_a_stage_it_ends_in_the_same_result(
    tmp_path: Path,
) -> None:
    with tiny_project(tmp_path / "whole") as undisturbed:
        expected = result_of(undisturbed)
    tiny_project(tmp_path / "killed").close()
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ran.stdout) > 5
    with Project.open(tmp_path / "killed") as project:
        assert result_of(project) == expected


def test_killed_after_promoting_the_verdict_is_still_against_the_champion_before(
    turned: Project,
) -> None:
    """The turn had promoted, and was killed before it could write its result down."""
    record = turns.find_turn(turned.ledger, 1)
    assert record is not None and record.result is not None
    with turned.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET state = 'running', result = NULL")
        connection.exec_driver_sql("DELETE FROM stages WHERE name = 'promote'")
    done = turned.turn()
    assert done.number == 1
    assert done.verdict.to_dict() == record.result["verdict"]
    assert len(releases.list_releases(turned.ledger)) == 1
    assert done.skipped == ()
    assert list(done.seconds) == list(ALL)


def test_a_turn_reads_back_equal_from_its_json(turned: Project) -> None:
    done = turned.turn()
    assert json.loads(json.dumps(done.to_dict())) == done.to_dict()


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_result() -> None:
    benchmark = Path(__file__).parents[2] / "benchmarks" / "kill_turns.py"
    ran = subprocess.run(
        [sys.executable, str(benchmark), "--kills", "6"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 differ" in ran.stdout


def test_a_champion_whose_text_column_is_gone_is_named_with_a_way_out(
    turned: Project, reopen: Open
) -> None:
    source = turned.root / turned.config.data.sources[0].path
    text = turned.config.data.fields.texts[0]
    lines = source.read_text("utf-8")
    source.write_text(lines.replace(text, "words", 1), "utf-8")
    with pytest.raises(UserError, match=f"reads '{text}'") as refused:
        reopen("data.fields.text=words").turn()
    assert "volano promote model:" in refused.value.fix
