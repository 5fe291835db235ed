from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors import safe_open
from tests.store.test_disk import on_small_disk
from tests.train.loop.tiny_training import make_net, make_recipe, train

from volano.core.errors import VolanoError
from volano.core.events import Event, Events
from volano.train.loop.checkpoints import (
    FILE,
    Checkpoint,
    Keeper,
    read_checkpoint,
    write_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MIXED = {
    "a": torch.tensor([True, False, True]),
    "b": torch.randn(3, 5),
    "c": torch.tensor(7),
    "d": torch.randn(5).bfloat16(),
    "e": torch.empty(0, 4),
    "f": torch.randn(4, 3).t(),
    "g": torch.tensor(1.5, dtype=torch.float64),
}


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_a_checkpoint_comes_back_bit_by_bit(tmp_path: Path) -> None:
    told = {"loss": 0.1 + 0.2, "nothing": None, "text": "字"}
    write_checkpoint(tmp_path / FILE, Checkpoint(MIXED, told), "abc")
    found = read_checkpoint(tmp_path / FILE, "abc")
    assert same(found.tensors, MIXED)
    assert found.told == told
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / FILE, Checkpoint(MIXED, {}), "abc")
    with safe_open(tmp_path / FILE, "pt") as opened:
        assert same({name: opened.get_tensor(name) for name in opened.keys()}, MIXED)  # noqa: SIM118


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_half_a_checkpoint_is_refused(tmp_path: Path, part: float) -> None:
    path = tmp_path / FILE
    write_checkpoint(path, Checkpoint(MIXED, {}), "abc")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(VolanoError, match="it is damaged"):
        read_checkpoint(path, "abc")


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write_checkpoint(path, Checkpoint(MIXED, {"step": 3}), "abc")
    whole = path.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        try:
            found = read_checkpoint(path, "abc")
        except VolanoError:
            continue
        assert chr(whole[place]) in " \n", place  # a blank of the header
        assert same(found.tensors, MIXED)


def test_the_checkpoint_of_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write_checkpoint(path, Checkpoint(MIXED, {"step": 1}), "abc")
    (tmp_path / f"{FILE}.new").write_bytes(b"half of the next")
    assert read_checkpoint(path, "abc").told == {"step": 1}


def notes_of(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.kind == "warning"]


@pytest.mark.parametrize("fault", ["other training", "damaged", "junk", "a folder"])
def test_what_does_not_fit_is_told_and_not_used(tmp_path: Path, fault: str) -> None:
    path = tmp_path / FILE
    write_checkpoint(path, Checkpoint(MIXED, {}), "other" if fault == "other training" else "abc")
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    if fault == "junk":
        path.write_bytes(struct.pack("<Q", 2**60) + b"[]")
    if fault == "a folder":
        path.unlink()
        path.mkdir()
    events: list[Event] = []
    assert Keeper(tmp_path, "abc", 0.0, Events((events.append,))).find() is None
    assert len(notes_of(events)) == 1


def test_a_snapshot_is_not_altered_by_later_steps(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, "abc", 0.0, Events())
    changing = {"w": torch.zeros(200_000)}
    for step in range(20):
        changing["w"].fill_(step)
        keeper.save(changing, {}, {"step": step})
        keeper.settle()
        changing["w"].fill_(-1)  # the training goes on while the thread writes
        keeper.wait()
        found = read_checkpoint(tmp_path / FILE, "abc")
        assert found.told == {"step": step}
        assert torch.equal(found.tensors["w"], torch.full((200_000,), float(step)))
    keeper.close()
    assert len(keeper.stalls) == 20


def test_a_disk_that_refuses_costs_the_checkpoint_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.new").mkdir()
    events: list[Event] = []
    history = train(make_net(), make_recipe(tmp_path), Events((events.append,)))
    assert len(history.epochs) == 4
    assert any("no checkpoint is kept" in note for note in notes_of(events))


def test_a_folder_that_cannot_be_made_costs_the_checkpoint_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    events: list[Event] = []
    recipe = make_recipe(tmp_path / "file" / "scratch")
    assert len(train(make_net(), recipe, Events((events.append,))).epochs) == 4
    assert any("no checkpoint is kept" in note for note in notes_of(events))


def test_a_checkpoint_that_does_not_fit_leaves_the_disk_to_others(tmp_path: Path) -> None:
    lines = on_small_disk(
        tmp_path,
        """
        import torch
        from volano.core.events import Events
        from volano.train.loop.checkpoints import Keeper, read_checkpoint
        say = lambda event: print(event.kind, event.text)
        keeper = Keeper(disk / "scratch", "abc", 0.0, Events((say,)))
        weights = {"w": torch.arange(600_000.0)}  # there is room for one, and not for two
        for step in range(2):
            keeper.save(weights, {}, {"step": step})
            keeper.wait()
        keeper.close()
        answer("after", 300_000)
        print(*sorted(path.name for path in (disk / "scratch").iterdir()))
        print(read_checkpoint(disk / "scratch" / "checkpoint.safetensors", "abc").told["step"])
        """,
    )
    assert lines == ["warning no checkpoint is kept: the disk is full", FILE, "0"]


def test_no_checkpoint_is_due_while_one_is_written(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, "abc", 1e-9, Events())
    keeper.prepare({"w": torch.zeros(30_000_000)})
    keeper.save({"w": torch.zeros(30_000_000)}, {}, {})
    assert not keeper.is_due
    keeper.close()
    assert keeper.is_due
    assert not Keeper(None, "abc", 0.0, Events()).is_due
    assert not Keeper(tmp_path, "abc", 60.0, Events()).is_due


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_the_writing_thread_brings_no_team_of_its_own(tmp_path: Path) -> None:
    """More threads than cores, and OpenMP's threads sleep at each barrier of the training."""
    code = f"""
import os, pathlib, torch
from volano.core.events import Events
from volano.train.loop.checkpoints import Keeper
torch.set_num_threads(2)
big = {{"module.w": torch.ones(1 << 20, requires_grad=True)}}
(big["module.w"] * 2).sum().item()  # now torch has its threads
before = len(os.listdir("/proc/self/task"))
keeper = Keeper(pathlib.Path({str(tmp_path)!r}), "abc", 0.0, Events())
for step in range(2):
    keeper.save(big, {{}}, {{}})
    keeper.wait()
print(len(os.listdir("/proc/self/task")) - before)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.split() == ["1"]  # the writer itself


def test_another_recipe_or_other_rows_begin_anew(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, epochs=1)
    train(make_net(), recipe)
    events: list[Event] = []
    log = Events((events.append,))
    assert train(make_net(), recipe, log).told["resumed_from"] == 15
    assert not notes_of(events)
    others = [
        make_recipe(tmp_path, epochs=1, lr=0.02),
        make_recipe(tmp_path, epochs=1, seed=1),
        replace(recipe, content="other rows"),
    ]
    for other in others:
        assert train(make_net(), other, log).told["resumed_from"] is None
    assert train(make_net(dropout=0.1, width=8), others[-1], log).told["resumed_from"] is None
    assert notes_of(events) == [
        "the checkpoint is not used: it is of another training; training begins anew"
    ] * len([*others, "other network"])


def names_in(path: Path) -> set[str]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return set(json.loads(content[8 : 8 + length])) - {"__metadata__"}


def test_the_header_says_what_is_inside(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if event.kind == "progress" and event.done == 20:  # in the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_net(), make_recipe(tmp_path), Events((stop,)))
    names = names_in(tmp_path / FILE)
    assert {"module.body.0.weight", "module.body.1.running_mean", "best.head.bias"} <= names
    assert {"optimizer.exp_avg.body.0.weight", "optimizer.step.head.bias"} <= names


def test_a_finished_training_keeps_its_weights_alone(tmp_path: Path) -> None:
    net = make_net()
    train(net, make_recipe(tmp_path))
    assert names_in(tmp_path / FILE) == {f"module.{name}" for name in net.state_dict()}
