"""What encoders are trained to lower: log loss of the truth, of a teacher, of moved words.

Importing this file imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that all of torch's users know)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Loss", "RowLoss", "fooled"]

Loss = Callable[[nn.Module, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class RowLoss:
    """Log loss of each row, times its weight, summed over the batch.

    Attributes:
        is_multiple: labels of a row are told apart from the others one by one (binary cross
            entropy), instead of all against each other (cross entropy).
        smoothing: share of a row's truth that is spread over all labels (Szegedy et al. 2015,
            arXiv:1512.00567).
        share: of the loss that goes by the teacher.
        temperature: softens pupil and teacher alike; the gradient is scaled back by its square.
    """

    is_multiple: bool
    smoothing: float = 0.0
    share: float = 0.0
    temperature: float = 1.0

    def __call__(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of a batch as ``Rows.collate`` makes it."""
        values = module(batch["input_ids"], batch["attention_mask"]).float()
        loss_B = self._against(values, self._smoothed(batch["truth"]))
        if "teacher" in batch:
            t = self.temperature
            taught_B = self._against(values / t, self._chances(batch["teacher"] / t)) * t * t
            loss_B = self.share * taught_B + (1.0 - self.share) * loss_B
        return (loss_B * batch["weight"]).sum()

    def _smoothed(self, truth_BC: Tensor) -> Tensor:
        spread = truth_BC.sum(dim=1, keepdim=True) / truth_BC.shape[1]
        return (1.0 - self.smoothing) * truth_BC + self.smoothing * spread

    def _chances(self, values_BC: Tensor) -> Tensor:
        return values_BC.sigmoid() if self.is_multiple else values_BC.softmax(dim=1)

    def _against(self, values_BC: Tensor, target_BC: Tensor) -> Tensor:
        if self.is_multiple:
            return F.binary_cross_entropy_with_logits(values_BC, target_BC, reduction="none").sum(
                dim=1
            )
        return F.cross_entropy(values_BC, target_BC, reduction="none")


def fooled(loss: Loss, words: nn.Module, length: float) -> Loss:
    """A loss that also counts rows whose word vectors are moved to where the loss rises fastest.

    Fast gradient method (Miyato et al. 2017, arXiv:1605.07725): each text's word vectors together
    move by ``length``; both losses count half. It costs about twice the time.

    Args:
        loss: of the rows as they are.
        words: the module whose output are the word vectors, shape (texts, tokens, width).
        length: of the step.
    """

    def both(module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        with _seen(words) as seen:
            plain = loss(module, batch)
        (vectors,) = seen
        # Only towards the words: the gradients of weights come with the sum of both.
        (slope,) = torch.autograd.grad(plain, vectors, retain_graph=True)
        slope = slope * batch["attention_mask"].unsqueeze(-1)
        norm = slope.flatten(1).norm(dim=1).clamp_min(1e-12)
        with _moved(words, slope * (length / norm)[:, None, None]):
            return (plain + loss(module, batch)) / 2.0

    return both


@contextmanager
def _seen(words: nn.Module) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []

    def look(_: nn.Module, __: Any, vectors: Tensor) -> Tensor:
        # Where word vectors are frozen, as in LoRA, the gradient has to be asked for.
        seen.append(vectors if vectors.requires_grad else vectors.requires_grad_())
        return seen[-1]

    hook = words.register_forward_hook(look)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _moved(words: nn.Module, step: Tensor) -> Iterator[None]:
    def move(_: nn.Module, __: Any, vectors: Tensor) -> Tensor:
        return vectors + step.detach()

    hook = words.register_forward_hook(move)
    try:
        yield
    finally:
        hook.remove()
