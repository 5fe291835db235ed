"""In what numbers products are computed, and by whose kernels. Importing this file imports torch.

bfloat16 halves the bits of the factors of matrix products and keeps sums, losses, norms and
weights in float32. Without it, MKL's float32 kernels treat AMD's processors as older ones than
they are, and oneDNN's do not: there linear layers go by oneDNN.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that all of torch's users know)

from volano.compute.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Arithmetic", "bound_threads", "choose_arithmetic"]

Precision = Literal["bfloat16", "float32"]
_LINEAR = F.linear


@dataclass(frozen=True)
class Arithmetic:
    """How products are computed.

    Attributes:
        precision: of the factors of matrix products.
        route: whose kernels, and why, in words.
        device: where: ``cpu``, ``cuda``.
        by_onednn: whether linear layers in float32 are handed to oneDNN.
    """

    precision: Precision
    route: str
    device: str
    by_onednn: bool = False

    def forward(self) -> AbstractContextManager[Any]:
        """Around the forward pass and the loss, never around ``backward``."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device, torch.bfloat16)

    def routed(self) -> AbstractContextManager[Any]:
        """Around a whole training, or anything else that runs the module."""
        return _linear_by_onednn() if self.by_onednn else nullcontext()


def bound_threads() -> None:
    """No more threads of torch than cores: it does not see the quota of a container."""
    if torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())


def choose_arithmetic(wanted: Precision | Literal["auto"], device: torch.device) -> Arithmetic:
    """bfloat16 where the device computes it natively and nobody wants otherwise."""
    name = _bfloat16_unit(device)
    if wanted == "bfloat16" or (wanted == "auto" and name):
        told = f"bfloat16 by {name}" if name else "bfloat16, which this processor only emulates"
        return Arithmetic("bfloat16", told, device.type)
    if device.type != "cpu":
        return Arithmetic("float32", f"float32 on {device.type}", device.type)
    if "AuthenticAMD" in _cpuinfo() and _has_onednn():
        told = "float32 by oneDNN: MKL is slower on this AMD processor"
        return Arithmetic("float32", told, "cpu", by_onednn=True)
    return Arithmetic("float32", "float32 by torch's own choice of kernels", "cpu")


def _bfloat16_unit(device: torch.device) -> str:
    """What computes bfloat16 natively there; empty where nothing does."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cuda.get_device_name(device) if native else ""
    if device.type != "cpu":
        return ""
    units = ("amx_bf16", "avx512_bf16", "svebf16", "bf16")
    return next((unit for unit in units if unit in _cpuinfo()), "")


@lru_cache
def _cpuinfo() -> frozenset[str]:
    """All words that Linux says of the processor; none elsewhere."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text("utf-8").split())
    except OSError:
        return frozenset()


def _has_onednn() -> bool:
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


@contextmanager
def _linear_by_onednn() -> Iterator[None]:
    """Every linear layer in float32, in any module, goes by oneDNN.

    The function that all of them call is replaced: torch's modes for this are switched off inside
    ``backward``, where layers that are computed again would go another way than before.
    """
    before = F.linear
    F.linear = _linear
    try:
        yield
    finally:
        F.linear = before


def _is_plain(tensors: Iterable[Tensor | None]) -> bool:
    """Whether oneDNN's kernel takes them: float32 on the processor, and not autocast."""
    return not torch.is_autocast_enabled("cpu") and all(
        tensor is None
        or (tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.numel() > 0)
        for tensor in tensors
    )


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not _is_plain((input, weight, bias)):
        return _LINEAR(input, weight, bias)
    product: Tensor = _Linear.apply(input, weight, bias)  # type: ignore[no-untyped-call]
    return product


class _Linear(torch.autograd.Function):
    """``x @ w.T + b`` and its three gradients (of x: g @ w; of w: g.T @ x; of b: sums of g)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        grad_RO = grad.reshape(-1, grad.shape[-1])
        return (
            _product(grad, weight.t()) if of_x else None,
            _product(grad_RO.t(), x.reshape(-1, x.shape[-1]).t()) if of_weight else None,
            grad_RO.sum(dim=0) if of_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product
