from __future__ import annotations

import pytest

import volano as vl
from volano.core.errors import BusyError, RefusedError, UserError
from volano.core.nouns import Model
from volano.loop.project import Project


def test_a_bare_reason_does_not_promote_unless_forced(turned: Project) -> None:
    with pytest.raises(RefusedError) as refused:
        turned.promote("model:champion", because="I like it")
    assert refused.value.exit_code == 3


def test_a_verdict_speaks_of_one_model_and_one_champion(turned: Project) -> None:
    with Project.open(turned.root, set=["train.learner=bayes"]) as other:
        bayes = other.train()
        verdict = other.judge(other.evaluate(bayes))
    with pytest.raises(RefusedError, match="verdict is about"):
        turned.promote("model:champion", because=verdict, forced=True)
    assert not verdict.promotes
    with pytest.raises(RefusedError, match="HOLD|REJECT"):
        turned.promote(bayes, because=verdict)
    assert turned.promote(bayes, because=verdict, forced=True).forced


def test_a_verdict_is_void_where_another_model_took_over_since(turned: Project) -> None:
    promoting = vl.Verdict("PROMOTE", ("better",), candidate="", champion="")
    with Project.open(turned.root, set=["train.learner=bayes"]) as other:
        bayes = other.train()
    first = turned.find(Model, "model:champion")
    verdict = vl.Verdict("PROMOTE", ("better",), candidate=bayes.hash, champion="0" * 64)
    assert promoting.promotes
    with pytest.raises(BusyError, match="champion changed"):
        turned.promote(bayes, because=verdict)
    assert turned.find(Model, "model:champion") == first


def test_what_training_made_is_never_promoted_unexported(turned: Project) -> None:
    native = str(turned.find(Model, "model:champion").card["native"])
    with pytest.raises(UserError, match="parity was never measured"):
        turned.promote(native, because="it is there", forced=True)


def test_rollback_with_nothing_before_is_a_users_mistake(turned: Project) -> None:
    with pytest.raises(UserError, match="no earlier champion"):
        turned.rollback(because="I regret it")


def test_promoting_the_reigning_champion_changes_nothing(turned: Project) -> None:
    again = turned.promote("model:champion", because="once more", forced=True)
    assert not again.forced
