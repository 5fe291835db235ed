from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.train.loop.tiny_training import Net, make_net
from torch import nn

from volano.core.errors import ConfigError
from volano.train.loop.config import OptimizerConfig
from volano.train.loop.curve import Place
from volano.train.loop.optimizers import add_penalties, make_optimizer, rate, set_rate

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


def test_the_rate_rises_and_then_falls_to_nothing() -> None:
    for schedule in ("linear", "cosine"):
        config = OptimizerConfig(warmup=0.1, schedule=schedule)
        rates = [rate(config, (step + 0.5) / 100) for step in range(100)]
        assert 0 < rates[0] < rates[5] < rates[9] < 1
        assert rates[10:] == sorted(rates[10:], reverse=True)
        assert 0 <= rates[-1] < 0.01
    assert rate(OptimizerConfig(warmup=0.0, schedule="constant"), 0.99) == 1.0
    assert rate(OptimizerConfig(warmup=1.0), 0.5) == 0.5
    half = rate(OptimizerConfig(warmup=0.0, schedule="cosine"), 0.5)
    assert half == pytest.approx(0.5)


@given(
    st.floats(0.01, 12) | st.sampled_from([0.2, 1.0, 1.5, 4.0]),
    st.integers(1, 60),
    st.floats(0, 1) | st.sampled_from([0.0, 1.0]),
    st.sampled_from(["linear", "cosine", "constant"]),
)
def test_no_step_learns_backwards_however_short_the_last_epoch_is(
    epochs: float, in_epoch: int, warmup: float, schedule: str
) -> None:
    config = OptimizerConfig(warmup=warmup, schedule=schedule)  # type: ignore[arg-type]
    rates = []
    for epoch in range(math.ceil(epochs)):
        num_steps = min(in_epoch, math.ceil((epochs - epoch) * in_epoch))
        places = [Place(epoch=epoch, step=step) for step in range(num_steps)]
        rates += [rate(config, place.done(epochs, num_steps)) for place in places]
    assert all(0 <= one <= 1 for one in rates)
    assert rate(config, 1.0) >= 0


def test_new_weights_learn_faster_and_biases_do_not_decay() -> None:
    net = make_net()
    config = OptimizerConfig(lr=0.1, head_lr=5, weight_decay=0.3)
    optimizer = make_optimizer(net, config, ("head.",))
    set_rate(optimizer, 0.5)
    told = {
        name: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for name, weight in net.named_parameters()
        if any(weight is one for one in group["params"])
    }
    assert told["head.weight"] == (0.25, 0.3)
    assert told["head.bias"] == (0.25, 0.0)
    assert told["body.0.weight"] == (0.05, 0.3)
    assert told["body.1.weight"] == (0.05, 0.0)  # of a norm
    assert len(told) == len(list(net.parameters()))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw"])
def test_each_optimiser_moves_weights_as_torch_does(name: str) -> None:
    expected: dict[str, Any] = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.0),
    }
    ours, theirs = nn.Linear(4, 2), nn.Linear(4, 2)
    theirs.load_state_dict(ours.state_dict())
    config = OptimizerConfig(name=name, lr=0.1, momentum=0.8, weight_decay=0.0)  # type: ignore[arg-type]
    pairs = (ours, make_optimizer(ours, config)), (theirs, expected[name](theirs.parameters()))
    for step in range(5):
        for net, optimizer in pairs:
            x = torch.arange(8.0).reshape(2, 4) + step
            net(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


def test_penalties_are_the_gradients_of_their_terms() -> None:
    net = Net(norm=False)
    weights = list(net.parameters())
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    add_penalties(weights, OptimizerConfig(l1=0.1, l2=0.2))
    matrices = [weight for weight in weights if weight.ndim > 1]
    terms = sum(0.1 * w.abs().sum() + 0.2 * w.square().sum() for w in matrices)
    for weight, grad in zip(matrices, torch.autograd.grad(terms, matrices), strict=True):
        assert weight.grad is not None
        assert torch.allclose(weight.grad, grad)
    assert all(not w.grad.any() for w in weights if w.ndim == 1 and w.grad is not None)


def test_a_network_without_weights_that_learn_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no weight of this network learns"):
        make_optimizer(make_net().requires_grad_(False), OptimizerConfig(lr=0.1))


def test_a_learning_rate_that_nobody_said_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nobody has said the learning rate"):
        make_optimizer(make_net(), OptimizerConfig())
