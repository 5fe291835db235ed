"""References, seeds, events, the hub: one screen each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.core.errors import UnknownNameError, UserError
from volano.core.events import Event, Events
from volano.core.hashing import code_hash, hash_bytes, hash_file, hash_json, to_json
from volano.core.hooks import Hub
from volano.core.refs import Ref
from volano.core.seeds import derive_seed, unit_interval

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text", ["model:champion", "model:a1b2c3", "dataset:latest", "report:champion", "turn:7"]
)
def test_a_reference_reads_back_equal(text: str) -> None:
    assert str(Ref.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "model:", "model:xyz", "dataset:champion", "turn:a1b2", "modle:latest", "a:b:c"]
)
def test_what_is_no_reference_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(UserError, match="not a reference") as told:
        Ref.parse(text)
    assert "model:champion" in told.value.fix


def test_a_bare_name_is_a_model_unless_said_otherwise() -> None:
    assert Ref.parse("champion") == Ref("model", "champion")
    assert Ref.parse("7", default="turn") == Ref("turn", "7")


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), max_size=5))
def test_the_order_of_keys_does_not_alter_a_hash(values: dict[str, object]) -> None:
    turned = dict(reversed(values.items()))
    assert hash_json(values) == hash_json(turned)
    assert to_json(values) == to_json(turned)


def test_hashes_are_of_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == hash_bytes(b"abc")
    assert hash_json({"a": 1}) != hash_json({"a": "1"})
    with pytest.raises(ValueError, match="JSON"):
        hash_json(float("nan"))


def test_a_room_has_its_own_code_hash() -> None:
    assert code_hash(("core",)) == code_hash(("core",))
    assert code_hash(("core",)) != code_hash(("core", "store"))


@given(st.integers(0, 2**31), st.text(max_size=5), st.text(max_size=5))
def test_a_seed_depends_on_its_purpose_alone(seed: int, one: str, other: str) -> None:
    assert 0 <= derive_seed(seed, one) < 2**32
    assert 0.0 <= unit_interval(seed, one) < 1.0
    assert (derive_seed(seed, one) == derive_seed(seed, other)) == (one == other)


def test_events_reach_every_listener_with_their_stage() -> None:
    heard: list[Event] = []
    events = Events((heard.append, heard.append)).of("train")
    with events.running("folds"):
        events.progress("rows", 1, 2)
    events.scalar("loss", 0.5, step=3)
    assert len(heard) == 8
    assert {event.stage for event in heard} == {"train"}
    assert [event.kind for event in heard[::2]] == ["stage", "progress", "stage", "scalar"]
    assert heard[-1].to_dict()["value"] == 0.5


def test_a_hub_refuses_two_of_one_name_and_suggests_the_nearest() -> None:
    hub = Hub()
    hub.add_task("texts", 1)
    assert hub.find("task", "texts") == 1
    with pytest.raises(UserError, match="two plugins register the task 'texts'"):
        hub.add_task("texts", 2)
    with pytest.raises(UnknownNameError) as told:
        hub.find("task", "tetxs")
    assert told.value.fix == "did you mean 'texts'?"


def test_learners_of_one_name_may_differ_in_what_they_read() -> None:
    hub = Hub()
    texts, columns = SimpleNamespace(input="text"), SimpleNamespace(input="columns")
    hub.add_learner("linear", texts)
    hub.add_learner("linear", columns)
    assert hub.learners_of(SimpleNamespace(input="columns")) == {"linear": columns}
    with pytest.raises(UserError, match="two plugins register the learner 'linear'"):
        hub.add_learner("linear", texts)
