from __future__ import annotations

import json
from pathlib import Path

from volano.core.nouns import Dataset, Estimate, Model, Turn, Verdict

VERDICT = Verdict(
    "HOLD",
    ("too close to call",),
    candidate="a" * 64,
    champion="b" * 64,
    metric="accuracy",
    effect=Estimate(0.01, -0.01, 0.03),
    labels_needed=120,
    checks={"slices": []},
)


def turn(**changed: object) -> Turn:
    given = {
        "number": 3,
        "dataset": "d" * 64,
        "model": "a" * 64,
        "learner": "linear",
        "verdict": VERDICT,
        "metrics": {"accuracy": Estimate(0.9, 0.8, 0.95)},
        "baseline": {"guess": {"metrics": {"accuracy": 0.3}}},
        "skipped": ("collect",),
        "seconds": {"train": 1.0},
    }
    return Turn(**given | changed)  # type: ignore[arg-type]


def test_a_verdict_reads_back_equal_from_its_json() -> None:
    assert Verdict.from_dict(json.loads(json.dumps(VERDICT.to_dict()))) == VERDICT
    bare = Verdict("PROMOTE", ("first",))
    assert Verdict.from_dict(bare.to_dict()) == bare
    assert str(bare) == "PROMOTE\n  - first" and bare.promotes


def test_an_artifact_is_told_by_its_name_alone() -> None:
    model = Model("a" * 64, Path("x"), {"learner": "linear"})
    assert model.ref == "model:aaaaaaaaaaaa"
    assert repr(model) == "Model('aaaaaaaaaaaa')"
    assert model == Model("a" * 64, Path("x"), {})
    assert "not served" in str(model)


def test_a_dataset_tells_what_was_dropped() -> None:
    card = {"stage": "prepared", "counts": {"rows": 5, "splits": {"train": 5, "test": 0}}}
    data = Dataset("d" * 64, Path("x"), {**card, "dropped": {"duplicate": 2}})
    assert data.dropped == {"duplicate": 2}
    assert str(data).splitlines() == [
        "dataset:dddddddddddd (prepared): 5 rows",
        "  splits    5 train",
        "  dropped   2 duplicate",
    ]
    assert Dataset("d" * 64, Path("x")).dropped == {}


def test_a_turn_is_one_screen_and_one_object() -> None:
    done = turn(feedback={"from_feedback": 2, "from_review": 0})
    assert repr(done) == "Turn(3, HOLD, model='aaaaaaaaaaaa')"
    assert "accuracy           0.900 (0.800 to 0.950)   guessing 0.300" in str(done)
    assert "2 from feedback, 0 from review" in str(done)
    assert done.stages == ("collect", "train")
    assert json.loads(json.dumps(done.to_dict())) == done.to_dict()


def test_a_turn_that_did_nothing_says_so_first() -> None:
    assert str(turn(seconds={})).startswith("nothing has changed since turn 3")
    assert not turn().is_unchanged
