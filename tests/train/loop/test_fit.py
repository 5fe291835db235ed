from __future__ import annotations

import math
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.train.loop.tiny_training import (
    ROWS,
    loss,
    make_batches,
    make_net,
    make_recipe,
    train,
    watch,
)
from torch import nn

from volano.core.errors import ConfigError
from volano.core.events import Event, Events
from volano.train.loop import fit as loop_fit
from volano.train.loop.checkpoints import FILE
from volano.train.loop.fit import Watched, fit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """What no loop catches: the nearest to SIGKILL inside one process."""


def killer(step: int) -> Events:
    """Dies at a step, in the middle of telling it."""

    def listen(event: Event) -> None:
        if event.kind == "progress" and event.done == step:
            raise Killed

    return Events((listen,))


def weights_of(module: nn.Module) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def trained(recipe: Any, log: Events | None = None, **net: Any) -> tuple[dict[str, Any], Any]:
    module = make_net(**net)
    history = train(module, recipe, log)
    return weights_of(module), history


def curve(history: Any) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.valid_loss) for epoch in history.epochs]


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "sgd"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_that_dies_goes_on_to_the_same_bits(
    tmp_path: Path, optimizer: str, precision: str
) -> None:
    settings = {"name": optimizer, "precision": precision, "accumulate": 2}
    expected, whole = trained(make_recipe(**settings))
    for step in (1, 8, 9, 31):  # the first, the last of an epoch, the first of the next, the last
        with pytest.raises(Killed):
            trained(make_recipe(tmp_path, **settings), killer(step))
        torch.rand(3)  # chance elsewhere in the process must not matter
    found, history = trained(make_recipe(tmp_path, **settings))
    assert history.told["resumed_from"] == 30
    assert same(found, expected)
    assert curve(history) == curve(whole)


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    expected, first = trained(make_recipe(tmp_path))
    found, second = trained(make_recipe(tmp_path))
    assert same(found, expected)
    assert second.epochs == first.epochs
    assert second.told["resumed_from"] == second.steps == first.steps
    assert (second.best, second.stopped_early) == (first.best, first.stopped_early)


def test_a_training_that_dies_after_its_last_step_ends_as_another(tmp_path: Path) -> None:
    """The checkpoint of the last step still has its moments; that of the end has not."""
    expected, whole = trained(make_recipe())

    def die(event: Event) -> None:
        if event.text == "valid_loss" and event.done == whole.steps:
            raise Killed

    with pytest.raises(Killed):
        trained(make_recipe(tmp_path), Events((die,)))
    large = (tmp_path / FILE).stat().st_size
    for _ in range(2):
        found, history = trained(make_recipe(tmp_path))
        assert same(found, expected)
        assert curve(history) == curve(whole)
        assert history.told["resumed_from"] == whole.steps
        assert (tmp_path / FILE).stat().st_size < large / 2


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    one, _ = trained(make_recipe(seed=3))
    assert same(one, trained(make_recipe(seed=3))[0])
    assert not same(one, trained(make_recipe(seed=4))[0])


def test_the_callers_chance_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(make_recipe(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_accumulated_batches_are_one_step() -> None:
    """Two batches of half the rows give what one gives; dropout and batch norm are off."""
    net = {"dropout": 0.0, "norm": False}
    rows = [list(range(begin, begin + 16)) for begin in range(0, ROWS, 16)]
    halves = [half for batch in rows for half in (batch[:8], batch[8:])]
    results = []
    for cut, accumulate in ((rows, 1), (halves, 2)):
        batches = make_batches()
        object.__setattr__(batches, "of_epoch", lambda *_, cut=cut: cut)
        module = make_net(**net)
        recipe = make_recipe(precision="float32", accumulate=accumulate)
        history = fit(module, batches, loss, watch, recipe, Events())
        results.append((weights_of(module), curve(history), history.steps))
    (one, first_curve, steps), (two, second_curve, steps_too) = results
    assert steps == steps_too == 60
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    for ours, theirs in zip(first_curve, second_curve, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_best_epoch_is_kept_and_patience_ends_the_training() -> None:
    module = make_net()
    seen: list[dict[str, Any]] = []
    losses = [1.0, 0.5, 0.7, 0.6, 0.4]

    def judge(net: nn.Module) -> Watched:
        assert not net.training
        assert not torch.is_grad_enabled()
        seen.append(weights_of(net))
        return Watched(losses[len(seen) - 1], 0.5)

    recipe = make_recipe(epochs=5, patience=2)
    history = fit(module, make_batches(), loss, judge, recipe, Events())
    assert (history.best, history.stopped_early, len(history.epochs)) == (1, True, 4)
    assert same(weights_of(module), seen[1])
    assert not module.training


def test_without_patience_the_last_weights_stay() -> None:
    module, judged = make_net(), []

    def judge(net: nn.Module) -> Watched:
        judged.append(weights_of(net))
        return Watched(float(len(judged)), 0.5)

    history = fit(module, make_batches(), loss, judge, make_recipe(patience=0), Events())
    assert (history.best, history.stopped_early, len(judged)) == (3, False, 4)
    assert same(weights_of(module), judged[-1])


def test_nothing_needs_to_watch() -> None:
    module = make_net()
    history = fit(module, make_batches(), loss, None, make_recipe(epochs=2), Events())
    assert (history.best, len(history.epochs)) == (1, 2)
    assert math.isnan(history.epochs[0].valid_loss)
    assert history.epochs[1].train_loss < history.epochs[0].train_loss


def test_half_an_epoch_is_half_the_steps() -> None:
    assert trained(make_recipe(epochs=0.5))[1].steps == 8
    assert trained(make_recipe(epochs=1.5))[1].steps == 23


def test_part_of_an_epoch_has_a_whole_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(loop_fit, "set_rate", lambda _, share: seen.append(share))
    assert trained(make_recipe(epochs=0.22, warmup=0.0))[1].steps == 4
    assert seen == pytest.approx([7 / 8, 5 / 8, 3 / 8, 1 / 8])


@pytest.mark.parametrize("clip", [0.0, 0.5, 1e6])
def test_a_gradient_is_cut_to_the_length_that_is_named(clip: float) -> None:
    """One step of plain SGD, against the same by hand."""
    x = torch.arange(64.0).reshape(16, 4)
    net = nn.ModuleDict({"head": nn.Linear(4, 3)})

    def steep(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        return module["head"](batch["x"]).square().sum()  # type: ignore[index]

    expected = {}
    (steep(net, {"x": x}) / 16).backward()
    grads = {name: weight.grad for name, weight in net.named_parameters()}
    length = torch.cat([grad.flatten() for grad in grads.values() if grad is not None]).norm()
    assert length > 100
    for name, weight in net.named_parameters():
        share = min(1.0, clip / float(length)) if clip else 1.0
        expected[name] = weight.detach() - 0.01 * share * grads[name]  # type: ignore[operator]
        weight.grad = None
    batches = replace(
        make_batches(), lengths_N=make_batches().lengths_N[:16], collate=lambda r: {"x": x[list(r)]}
    )
    plain = {"name": "sgd", "lr": 0.01, "warmup": 0.0, "schedule": "constant", "weight_decay": 0.0}
    recipe = make_recipe(epochs=1, clip=clip, precision="float32", **plain)
    assert fit(net, batches, steep, None, recipe, Events()).steps == 1
    for name, weight in net.named_parameters():
        torch.testing.assert_close(weight.detach(), expected[name], rtol=1e-4, atol=1e-5)


def test_frozen_weights_stay_as_they_are() -> None:
    module = make_net()
    module.body[0].requires_grad_(False)
    before = weights_of(module)
    train(module, make_recipe(epochs=1, weight_decay=0.5))
    after = weights_of(module)
    assert torch.equal(after["body.0.weight"], before["body.0.weight"])
    assert not torch.equal(after["body.4.weight"], before["body.4.weight"])


def test_any_module_will_do() -> None:
    """A recurrent network that answers one number for each row; nothing here is a transformer."""
    x = torch.randn(64, 5, 3)
    net = nn.ModuleDict({"rnn": nn.GRU(3, 8, batch_first=True), "head": nn.Linear(8, 1)})

    def squared(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        states = module["rnn"](batch["x"])[0][:, -1]  # type: ignore[index]
        return (module["head"](states).float().squeeze(1) - batch["x"].sum((1, 2))).square().sum()  # type: ignore[index]

    batches = replace(
        make_batches(), lengths_N=make_batches().lengths_N[:64], collate=lambda r: {"x": x[list(r)]}
    )
    history = fit(net, batches, squared, None, make_recipe(epochs=30), Events())
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss


def test_the_curve_is_told_while_it_is_drawn() -> None:
    events: list[Event] = []
    _, history = trained(make_recipe(), Events((events.append,), "train"))
    points = {
        name: [(event.done, event.value) for event in events if event.text == name]
        for name in ("loss", "valid_loss", "valid_score", "epoch")
    }
    assert len(points["loss"]) == history.steps == 60
    assert points["valid_loss"] == [
        (15 * (epoch.number + 1), epoch.valid_loss) for epoch in history.epochs
    ]
    assert len(points["valid_score"]) == 4
    steps = [(event.done, event.total) for event in events if event.kind == "progress"]
    assert steps == [(step, 60) for step in range(1, 61)]
    assert history.told["tokens_per_second"] > 0
    assert {"precision", "route", "threads", "processes"} <= history.told.keys()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_leaves_the_numbers_says_what_to_lower(value: float) -> None:
    def broken(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        return loss(module, batch) * value

    with pytest.raises(ConfigError, match=r"the loss became (nan|inf) in step 1 \(epoch 1\)") as e:
        fit(make_net(), make_batches(), broken, watch, make_recipe(), Events())
    assert e.value.where == "train.optimizer.lr"
    assert "float32" in e.value.fix


def test_a_gradient_that_leaves_the_numbers_is_found_before_the_step() -> None:
    def steep(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        value = loss(module, batch)
        return value + (value - value.detach()).abs().sqrt()  # its slope at 0 is infinite

    module = make_net()
    before = weights_of(module)["head.weight"]
    with pytest.raises(ConfigError, match="the gradient became"):
        fit(module, make_batches(), steep, watch, make_recipe(clip=0), Events())
    assert torch.equal(weights_of(module)["head.weight"], before)


def test_too_little_memory_names_what_to_lower() -> None:
    def greedy(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        return loss(module, batch) + torch.empty(2**60).sum()

    with pytest.raises(ConfigError, match="too little memory") as caught:
        fit(make_net(), make_batches(), greedy, watch, make_recipe(), Events())
    assert caught.value.where == "train.loop.batch_tokens"


def test_moments_that_do_not_fit_are_told_of_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device it is the first step of the optimiser that runs out: moments begin there."""

    def greedy(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", greedy)
    with pytest.raises(ConfigError, match="too little memory"):
        trained(make_recipe())


def test_a_mistake_of_the_caller_is_not_taken_for_little_memory() -> None:
    def broken(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fit(make_net(), make_batches(), broken, watch, make_recipe(), Events())


def test_ctrl_c_leaves_a_checkpoint_at_the_end_of_the_step(tmp_path: Path) -> None:
    expected, _ = trained(make_recipe())

    def press(event: Event) -> None:
        if event.kind == "progress" and event.done == 20:
            signal.raise_signal(signal.SIGINT)  # to this thread, as no other may hear it

    recipe = make_recipe(tmp_path, checkpoint_seconds=3600.0)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, Events((press,)))
    assert signal.getsignal(signal.SIGINT) is handler
    found, history = trained(recipe)
    assert history.told["resumed_from"] == 21
    assert same(found, expected)


def test_a_network_that_cannot_recompute_says_so() -> None:
    with pytest.raises(ConfigError, match="cannot recompute") as caught:
        trained(make_recipe(gradient_checkpointing=True))
    assert caught.value.where == "train.loop.gradient_checkpointing"


def test_layers_that_are_computed_again_give_the_same_training(tmp_path: Path) -> None:
    from tests.tiny_encoder import tiny_encoder
    from transformers import AutoModel

    folder = tmp_path / "base"
    tiny_encoder(folder)
    x = torch.randint(5, 50, (ROWS, 12), generator=torch.Generator().manual_seed(0))
    batches = replace(make_batches(), collate=lambda rows: {"input_ids": x[list(rows)]})

    def to_zero(module: nn.Module, batch: Mapping[str, Any]) -> Any:
        return module(**batch).last_hidden_state.float().square().mean((1, 2)).sum()

    found, runs = [], []
    for again in (False, True):
        calls: list[Any] = []
        body = AutoModel.from_pretrained(folder)
        part = body.encoder.layer[0].attention
        part.register_forward_pre_hook(lambda *given, calls=calls: calls.append(given))
        recipe = make_recipe(epochs=0.3, precision="float32", gradient_checkpointing=again, lr=1e-3)
        fit(body, batches, to_zero, None, recipe, Events())
        runs.append(len(calls))
        found.append(weights_of(body))
    assert runs[1] == 2 * runs[0]
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-6) for name in found[0])
