from __future__ import annotations

import pytest
from tests.tiny import tiny_rows, write_rows

from volano.core.errors import BusyError, UserError
from volano.core.nouns import Dataset, Model, Report
from volano.loop.doctor import examine
from volano.loop.project import Project
from volano.loop.prune import prune
from volano.loop.turn import lock_of
from volano.store import audit, releases, turns
from volano.store.locks import project_lock

NOUNS = (Dataset, Model, Report)


def hashes(project: Project) -> set[str]:
    return {name for noun in NOUNS for name in project.store.hashes(noun)}


def turned_again(project: Project, number: int) -> None:
    """A turn on other rows."""
    rows = tiny_rows()
    for place in range(number):
        rows.append({**rows[place], "id": f"N{number}{place}", "body": f"parcel {number} {place}"})
    write_rows(project.root / "rows.csv", rows)
    project.turn()


def test_nothing_is_pruned_where_the_ledger_was_lost(turned: Project) -> None:
    turned.close()
    for path in turned.state.glob("ledger.db*"):
        path.unlink()
    with Project.open(turned.root) as bare:
        there = hashes(bare)
        assert there
        with pytest.raises(UserError, match="no turn"):
            prune(bare)
        assert hashes(bare) == there
        assert any("was it lost" in found.state and found.is_fault for found in examine(bare))


@pytest.mark.slow
def test_only_what_no_rule_keeps_is_pruned_and_the_next_turn_goes_on(turned: Project) -> None:
    champion = releases.champion(turned.ledger)
    for number in range(1, 4):
        turned_again(turned, number)
    before = hashes(turned)
    plan = prune(turned, num_turns=1, num_releases=0, is_rehearsal=True)
    assert hashes(turned) == before
    assert plan.removed
    assert plan.num_bytes > 0
    with project_lock(lock_of(turned)), pytest.raises(BusyError):
        prune(turned)
    done = prune(turned, num_turns=1, num_releases=0, by="ann")
    assert done == plan
    gone = {name.partition(":")[2] for name in done.removed}
    assert hashes(turned) == before - gone
    assert champion is not None
    now = releases.champion(turned.ledger)
    assert now is not None
    assert now.model in hashes(turned)
    for ref, noun in (("latest", Dataset), ("latest", Model), ("latest", Report)):
        turned.find(noun, ref)
    judged = [
        stage.output["checks"]["report"]
        for turn in turns.list_turns(turned.ledger)
        for stage in turn.stages
        if stage.name == "judge"
    ]
    assert set(judged) <= hashes(turned)
    assert audit.list_audit(turned.ledger, action="prune")[0].detail["artifacts"]
    assert not [finding for finding in examine(turned) if finding.is_fault]
    last = turned.turn()
    assert set(last.skipped) >= {"collect", "prepare", "train"}
    turned_again(turned, 5)
    assert prune(turned, num_turns=100, num_releases=100).removed == {}


def test_an_unfinished_turn_keeps_what_it_made(turned: Project) -> None:
    with turned.store.draft() as draft:
        (draft / "weights.bin").write_bytes(b"1234")
        made = turned.store.keep(Model, draft, {})
    with turned.store.draft() as draft:
        (draft / "weights.bin").write_bytes(b"5678")
        orphan = turned.store.keep(Model, draft, {})
    number = turns.begin_turn(turned.ledger, {"x": 1}, 0)
    record = turns.StageRecord(number, "train.x", "k" * 64, {"model": made.hash})
    turns.record_stage(turned.ledger, record)
    told = [finding for finding in examine(turned) if "no turn speaks of" in finding.state]
    assert len(told) == 1
    assert not told[0].is_fault
    assert list(prune(turned).removed) == [f"model:{orphan.hash}"]
    assert made.hash in hashes(turned)
