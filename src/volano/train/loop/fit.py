"""The training loop: plain PyTorch, for any module, any batches and any loss.

It can be killed at any moment and goes on from its last checkpoint to the same weights, bit by bit:
the order of rows depends on the seed and the epoch alone, dropout on the seed, the step and the
process, and all else is in the checkpoint. Importing this file imports torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from volano.core.errors import Term
from volano.core.events import Events
from volano.core.hashing import hash_bytes, hash_json
from volano.core.seeds import derive_seed
from volano.train.loop.checkpoints import Keeper
from volano.train.loop.curve import Curve, Epoch, Place
from volano.train.loop.faults import (
    Stop,
    check_finite,
    recompute_layers,
    stoppable,
    telling_memory,
)
from volano.train.loop.optimizers import add_penalties, make_optimizer, rate, set_rate
from volano.train.loop.precision import Arithmetic, bound_threads, choose_arithmetic
from volano.train.loop.processes import Team
from volano.train.loop.state import State, hash_module

if TYPE_CHECKING:
    from pathlib import Path

    from volano.train.loop.batches import Batches
    from volano.train.loop.config import LoopConfig, OptimizerConfig

__all__ = ["Epoch", "History", "Loss", "Recipe", "Watch", "Watched", "fit"]


@dataclass(frozen=True)
class Recipe:
    """How a module is trained.

    Attributes:
        loop: with ``epochs`` as a number.
        optimizer: with ``lr`` as a number.
        seed: of the order of rows, and of dropout.
        scratch: a folder of this very training for its checkpoint; None keeps none.
        head: weights whose names begin with one of these are new: they learn at ``lr * head_lr``.
        content: a hash of the rows; a checkpoint of a training on others is not used.
    """

    loop: LoopConfig
    optimizer: OptimizerConfig
    seed: int
    scratch: Path | None = None
    head: tuple[str, ...] = ("head.",)
    content: str = ""


@dataclass(frozen=True)
class Watched:
    """What validation rows say after an epoch: lower losses and higher scores are better."""

    loss: float
    score: float


@dataclass(frozen=True)
class History:
    """What a training was.

    Attributes:
        epochs: those that ran.
        best: number of the epoch whose weights the module now holds.
        stopped_early: whether patience ran out before the epochs did.
        steps: of the optimiser.
        told: ``precision``, ``route``, ``processes``, ``threads``, ``tokens_per_second`` (of this
            life of the process), ``stall_ms`` (what each checkpoint that it wrote made the
            training wait) and ``resumed_from`` (a step; None where it ran in one go).
    """

    epochs: tuple[Epoch, ...]
    best: int
    stopped_early: bool
    steps: int
    told: Mapping[str, Any]


Loss = Callable[[nn.Module, Mapping[str, Tensor]], Tensor]
Watch = Callable[[nn.Module], Watched]


def fit(
    module: nn.Module,
    batches: Batches,
    loss: Loss,
    watch: Watch | None,
    recipe: Recipe,
    log: Events,
) -> History:
    """Train ``module`` in place.

    Args:
        module: any module; weights that require no gradient stay as they are.
        batches: the rows.
        loss: from the module and a batch on its device to the sum (not the mean) of losses over
            the batch's rows; autocast is on. It may not change weights in place.
        watch: judges the module on validation rows after each epoch; called with the module in
            ``eval`` mode on its device, without gradients, in the first process only.
        recipe: how.
        log: hears ``progress("steps")`` and the scalars ``loss``, ``valid_loss``, ``valid_score``,
            ``epoch`` and ``tokens_per_second``.

    Returns:
        How it went. The module is in ``eval`` mode and holds the weights of the epoch with the
        least validation loss where something watches and ``patience`` is not 0, else the last.

    Raises:
        ConfigError: the loss left the numbers, memory is too little, or a setting does not fit.
        KeyboardInterrupt: somebody stopped it; a checkpoint is left.
    """
    run = _begin(module, batches, recipe, log)
    place, loop = run.place, recipe.loop
    with (
        closing(run.keeper),
        stoppable() as stop,
        run.arithmetic.routed(),
        run.own_chance(),
        telling_memory(loop.batch_tokens),
    ):
        was_finished = place.finished  # in an earlier life
        while not place.finished:
            _train_epoch(run, loss, stop)
            _judge_epoch(run, watch)
            waited = place.epoch - 1 - place.best
            place.stopped_early = watch is not None and 0 < loop.patience <= waited
            place.finished = place.stopped_early or place.epoch >= _epochs(loop)
        run.end(stop, was_finished)
    return run.history()


def _train_epoch(run: _Run, loss: Loss, stop: Stop) -> None:
    """Steps to the end of the epoch, from where the run stands."""
    place, recipe, optimizer = run.place, run.recipe, run.state.optimizer
    steps = _steps(run.batches, recipe, place.epoch)
    epochs = _epochs(recipe.loop)
    num_steps = min(len(steps), math.ceil((epochs - place.epoch) * len(steps)))
    weights = [weight for weight in run.module.parameters() if weight.requires_grad]
    run.module.train()
    for step in steps[place.step : num_steps]:
        begun = time.perf_counter()
        set_rate(optimizer, rate(recipe.optimizer, place.done(epochs, num_steps)))
        # Chance goes by step, not by history: who goes on from a checkpoint draws the same.
        _seed(run.team.device, derive_seed(recipe.seed, "step", place.steps, run.team.number))
        num_rows, total = sum(map(len, step)), 0.0
        for rows in map(run.team.share, step):
            total += run.add_gradients(loss, rows, num_rows)
        total, num_asked = run.team.add_up(weights, [total, stop.asked])
        check_finite(Term("the loss"), total, place, _lr(recipe.optimizer))
        add_penalties(weights, recipe.optimizer)
        length = _clip(weights, recipe.optimizer.clip)
        check_finite(Term("the gradient"), length, place, _lr(recipe.optimizer))
        run.keeper.settle()
        optimizer.step()
        optimizer.zero_grad()
        run.note_step(step, total, len(steps), time.perf_counter() - begun)
        if num_asked:
            run.leave()


def _seed(device: torch.device, seed: int) -> None:
    if device.type == "cpu":
        # The same draws as after torch.manual_seed, which also takes note, for devices that are not
        # there, of where it was called: longer than a step of a small network.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _judge_epoch(run: _Run, watch: Watch | None) -> None:
    """Validate in the first process, tell the others, and keep the weights if they are the best."""
    begun = time.perf_counter()
    watched = Watched(math.nan, math.nan)
    run.module.eval()
    if watch is not None and run.team.is_first:
        with torch.no_grad(), run.arithmetic.forward():
            watched = watch(run.module)
    valid_loss, valid_score = run.team.hear([watched.loss, watched.score])
    if watch is not None:
        check_finite(Term("the validation loss"), valid_loss, run.place, _lr(run.recipe.optimizer))
    is_best = run.place.end_epoch(valid_loss, valid_score, time.perf_counter() - begun)
    if is_best and watch is not None and run.recipe.loop.patience:
        run.state.keep_best()
    run.curve.tell_epoch(run.place)


def _steps(batches: Batches, recipe: Recipe, epoch: int) -> list[list[list[int]]]:
    """The steps of an epoch: each some batches of rows."""
    cut = batches.of_epoch(recipe.loop, recipe.seed, epoch)
    size = recipe.loop.accumulate
    return [cut[begin : begin + size] for begin in range(0, len(cut), size)]


def _clip(weights: Sequence[Tensor], longest: float) -> float:
    """Scale gradients down to a length; the length that they had."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    length = torch.nn.utils.get_total_norm(grads)
    if longest:
        torch.nn.utils.clip_grads_with_norm_(weights, longest, length)
    return float(length)


def _epochs(loop: LoopConfig) -> float:
    return float(loop.epochs)


def _lr(optimizer: OptimizerConfig) -> float:
    return float(optimizer.lr)


@dataclass
class _Run:
    """All that a training holds."""

    module: nn.Module
    batches: Batches
    recipe: Recipe
    team: Team
    arithmetic: Arithmetic
    state: State
    keeper: Keeper
    place: Place
    curve: Curve
    resumed_from: int | None

    def own_chance(self) -> Any:
        """Leave the caller's random state as it was."""
        devices = [self.team.device] if self.team.device.type == "cuda" else []
        return torch.random.fork_rng(devices)

    def add_gradients(self, loss: Loss, rows: Sequence[int], num_rows: int) -> float:
        """Add the gradients of the step's mean loss over these rows; the sum of their losses."""
        if not rows:
            return 0.0
        found = self.batches.collate(rows)
        batch = {name: tensor.to(self.team.device) for name, tensor in found.items()}
        with self.arithmetic.forward():
            value = loss(self.module, batch)
        (value / num_rows).backward()  # type: ignore[no-untyped-call]
        return value.item()

    def note_step(
        self, step: Sequence[Sequence[int]], loss: float, in_epoch: int, seconds: float
    ) -> None:
        """Tell the step, and keep a checkpoint where one is due."""
        self.place.note_step(loss, sum(map(len, step)), seconds)
        self.curve.tokens += sum(int(self.batches.lengths_N[rows].sum()) for rows in step)
        self.curve.seconds += seconds
        self.curve.tell_step(self.place, in_epoch)
        if self.team.is_first:
            self.keeper.prepare(self.state.changing)
            if self.keeper.is_due:
                self.save()

    def save(self) -> None:
        """Keep a checkpoint of now."""
        self.keeper.save(self.state.changing, self.state.kept, self.place.to_dict())

    def leave(self) -> None:
        """Write a checkpoint and stop, as somebody asked.

        Raises:
            KeyboardInterrupt: always.
        """
        if self.team.is_first:
            self.save()
        raise KeyboardInterrupt

    def end(self, stop: Stop, was_finished: bool) -> None:
        """Take the best weights and keep them: a stage that dies later need not train again.

        They alone: moments and the weights of other epochs are of no use any more.
        """
        self.module.eval()
        self.keeper.settle()  # the best weights overwrite those of the last step
        if self.state.best:
            self.state.take_best()
        if self.team.is_first and not was_finished:
            self.keeper.save({}, self.state.final, self.place.to_dict())
        if stop.asked:
            raise KeyboardInterrupt

    def history(self) -> History:
        """How it went."""
        watches = bool(self.recipe.loop.patience) and not math.isnan(
            self.place.epochs[-1].valid_loss
        )
        return History(
            epochs=tuple(self.place.epochs),
            best=self.place.best if watches else self.place.epochs[-1].number,
            stopped_early=self.place.stopped_early,
            steps=self.place.steps,
            told={
                "precision": self.arithmetic.precision,
                "route": self.arithmetic.route,
                "processes": self.team.size,
                "threads": torch.get_num_threads(),
                "tokens_per_second": round(self.curve.tokens_per_second),
                "stall_ms": [round(stall, 1) for stall in self.keeper.stalls],
                "resumed_from": self.resumed_from,
            },
        )


def _begin(module: nn.Module, batches: Batches, recipe: Recipe, log: Events) -> _Run:
    """Everything in place, at the first step or where the last checkpoint stands."""
    loop = recipe.loop
    team = Team.join()
    if team.size != loop.processes:
        log.warn(f"{team.size} processes train, and not {loop.processes} (train.loop.processes)")
    log = log if team.is_first else Events()
    bound_threads()
    arithmetic = choose_arithmetic(loop.precision, team.device)
    if loop.gradient_checkpointing:
        recompute_layers(module)
    module.to(team.device)
    state = State(module, make_optimizer(module, recipe.optimizer, recipe.head))
    team.copy(state.learned.values())
    fingerprint = _fingerprint(module, batches, recipe, arithmetic)
    keeper = Keeper(recipe.scratch, fingerprint, loop.checkpoint_seconds, log)
    place, found = Place(), keeper.find()
    if found is not None:
        place = Place.from_dict(found.told)
        state.load(found.tensors)
    resumed_from = place.steps if found is not None else None
    curve = Curve(log, _epochs(loop))
    return _Run(
        module, batches, recipe, team, arithmetic, state, keeper, place, curve, resumed_from
    )


def _fingerprint(
    module: nn.Module, batches: Batches, recipe: Recipe, arithmetic: Arithmetic
) -> str:
    """A hash of all that shapes a training, to the last bit."""
    if recipe.scratch is None:
        return ""
    return hash_json(
        {
            "loop": recipe.loop.model_dump(exclude={"checkpoint_seconds"}),
            "optimizer": recipe.optimizer.model_dump(),
            "seed": recipe.seed,
            "head": list(recipe.head),
            "content": recipe.content,
            "lengths": hash_bytes(batches.lengths_N.tobytes()),
            "module": hash_module(module),
            "arithmetic": [arithmetic.precision, arithmetic.route],
            "torch": torch.__version__,
        }
    )
