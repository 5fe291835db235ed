from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from volano.train.loop.precision import Arithmetic, choose_arithmetic

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
BY_ONEDNN = Arithmetic("float32", "a test", "cpu", by_onednn=True)
BFLOAT16 = Arithmetic("bfloat16", "a test", "cpu")


def gradients(arithmetic: Arithmetic, net: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    leaf = x.clone().requires_grad_()
    with arithmetic.routed():
        with arithmetic.forward():
            value = net(leaf).float().square().sum()
        value.backward()  # type: ignore[no-untyped-call]
    grads = [weight.grad.clone() for weight in net.parameters() if weight.grad is not None]
    net.zero_grad()
    assert leaf.grad is not None
    return [value.detach(), leaf.grad, *grads]


@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7), (1, 7), (7,)])
@pytest.mark.parametrize("bias", [True, False])
def test_onednn_gives_the_same_products_and_gradients(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(7, 6, bias=bias), nn.GELU(), nn.Linear(6, 3, bias=bias))
    x = torch.randn(shape)
    plain = Arithmetic("float32", "a test", "cpu")
    found, expected = gradients(BY_ONEDNN, net, x), gradients(plain, net, x)
    assert len(found) == len(expected) == (6 if bias else 4)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_frozen_layers_get_no_gradient_by_onednn() -> None:
    frozen, learning = nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2)
    found = gradients(BY_ONEDNN, nn.Sequential(frozen, learning), torch.randn(3, 4))
    assert frozen.weight.grad is None
    assert len(found) == 4


def test_other_numbers_than_float32_go_their_own_way() -> None:
    with BY_ONEDNN.routed():
        x = torch.randn(3, 4, dtype=torch.float64)
        assert F.linear(x, x).dtype == torch.float64


def test_bfloat16_is_for_products_and_sums_are_in_float32() -> None:
    torch.manual_seed(0)
    layer, norm = nn.Linear(64, 64), nn.LayerNorm(64)
    with BFLOAT16.forward():
        product = layer(torch.randn(8, 64))
        truth = torch.arange(8)
        # Norms and softmax leave bfloat16 behind; what they sum on the way is float32.
        found = [norm(product), F.softmax(product, dim=-1), F.cross_entropy(product, truth)]
    expected = [
        norm(product.float()),
        F.softmax(product.float(), dim=-1),
        F.cross_entropy(product.float(), truth),
    ]
    assert product.dtype == torch.bfloat16
    assert layer.weight.dtype == torch.float32
    for ours, exact in zip(found, expected, strict=True):
        assert torch.equal(ours, exact.to(ours.dtype))
    assert found[-1].dtype == torch.float32


def test_a_weight_is_cast_once_in_a_forward_pass() -> None:
    casts: list[Any] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.ops.aten._to_copy.default and args[0].shape == (4, 4):
                casts.append(args[0])
            return func(*args, **(kwargs or {}))

    layer = nn.Linear(4, 4)
    with BFLOAT16.forward(), Count():
        layer(layer(torch.randn(2, 4)))
    assert len(casts) == 1


def test_the_route_is_told_and_the_wish_is_obeyed() -> None:
    assert choose_arithmetic("float32", CPU).precision == "float32"
    assert choose_arithmetic("bfloat16", CPU).precision == "bfloat16"
    chosen = choose_arithmetic("auto", CPU)
    assert chosen.precision in chosen.route
