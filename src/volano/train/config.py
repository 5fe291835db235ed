"""How candidates are trained; one dial (``effort``) derives what is not said."""

from __future__ import annotations

import importlib.util
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from volano.core.config import Config, Derived, Effort
from volano.core.errors import ConfigError
from volano.train.encoders.config import DistilConfig, EncoderConfig, LoraConfig
from volano.train.loop.config import LoopConfig, OptimizerConfig
from volano.train.mitigation import MitigationConfig
from volano.train.suspects import MOST_SUSPECTS
from volano.train.tables.config import MlpConfig, TreesConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.tasks.task import Task
    from volano.train.learner import Learner

__all__ = [
    "NEEDS",
    "TrainConfig",
    "base_name",
    "is_dear",
    "plan_learners",
    "resolve_train",
    "why_not_here",
]


class TrainConfig(Config):
    """How candidates are trained.

    Attributes:
        learner: one learner by name; ``auto`` trains those of the task and takes the best.
        base: the pretrained encoder of deep learners: a folder, or a name on the Hugging Face hub;
            ``auto`` leaves deep learners out, but for one that ``learner`` names: it starts from a
            small one for the language of the texts.
        folds: parts that training rows are cut into; each is answered by a model of the others;
            encoders that are trained need them only where rows are few.
        settings_tried: how many strengths of regularisation are compared.
        unknown_false_alarms: share of known texts that may be taken for unknown; of rows of a table
            only where ``labels.unknown`` names a label.
        suspects: most rows that are filed for review as likely wrong labels.
        seed: of folds and solvers; ``auto`` is the project's.
        encoder: how an encoder becomes a classifier.
        loop: how long and in what pieces networks are trained.
        optimizer: how their weights move.
        lora: of the learner ``lora``.
        distil: of the learner ``distil``.
        trees: of the learner ``trees``.
        mlp: of the learner ``mlp``.
        mitigation: what is done so that groups of people fare alike.
    """

    learner: str = "auto"
    base: str = "auto"
    folds: Annotated[int, Field(ge=2, le=20)] | Literal["auto"] = "auto"
    settings_tried: Annotated[int, Field(ge=1, le=5)] | Literal["auto"] = "auto"
    unknown_false_alarms: float = Field(0.05, ge=0, le=0.5)
    suspects: int = Field(100, ge=0, le=MOST_SUSPECTS)
    seed: int | Literal["auto"] = "auto"
    encoder: EncoderConfig = EncoderConfig()
    loop: LoopConfig = LoopConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    lora: LoraConfig = LoraConfig()
    distil: DistilConfig = DistilConfig()
    trees: TreesConfig = TreesConfig()
    mlp: MlpConfig = MlpConfig()
    mitigation: MitigationConfig = MitigationConfig()


# Folds, settings, epochs; and of trees most rounds and seeds.
_BY_EFFORT = {
    "quick": (3, 1, 4, 500, 1),
    "normal": (5, 3, 8, 1000, 4),
    "thorough": (10, 5, 12, 2000, 8),
}
# Dear learners, and the efforts that try them; what is not named here takes about a minute at most.
_DEAR: Mapping[str, tuple[Effort, ...]] = {
    "finetune": ("normal", "thorough"),
    "lora": ("thorough",),
    "ensemble": ("thorough",),
    "mlp": ("thorough",),
    "autoencoder": ("thorough",),
}
# Packages of the extra ``deep``, of learners that start from no base.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "mlp": ("torch", "accelerate"),
    "autoencoder": ("torch", "accelerate"),
}


def resolve_train(
    config: TrainConfig, effort: Effort, seed: int
) -> tuple[TrainConfig, tuple[Derived, ...]]:
    """Every ``auto`` that goes by effort or project replaced, and why each became what it is."""
    folds, settings, epochs, rounds, seeds = _BY_EFFORT[effort]
    derived = (
        Derived("train.folds", folds, f"effort is {effort}"),
        Derived("train.settings_tried", settings, f"effort is {effort}"),
        Derived("train.seed", seed, "the project's seed"),
        Derived("train.loop.epochs", epochs, f"effort is {effort}"),
        Derived("train.trees.rounds", rounds, f"effort is {effort}"),
        Derived("train.trees.seeds", seeds, f"effort is {effort}"),
    )
    values = config.model_dump()
    used = []
    for fact in derived:
        _, *path, last = fact.key.split(".")
        section = reduce(getitem, path, values)
        if section[last] == "auto":
            section[last] = fact.value
            used.append(fact)
    return TrainConfig.model_validate(values), tuple(used)


def plan_learners(
    config: TrainConfig, task: Task, known: Mapping[str, Learner], effort: Effort = "normal"
) -> tuple[str, ...]:
    """The learners to train, the baseline first, each after the learners that it builds on.

    Without a named base these are the light ones. With one, ``quick`` adds ``probe``, ``normal``
    also ``finetune``, ``thorough`` also ``lora`` and ``ensemble``. Of tables, ``mlp`` comes with
    ``thorough``.

    Raises:
        ConfigError: the project names a learner that does not exist or cannot do this task.
    """
    if config.learner == "auto":
        planned: list[str] = []
        for name in task.learners:
            learner = known[name]
            is_wanted = effort in _DEAR.get(name, (effort,)) and learner.fits(task)
            has_base = config.base != "auto" or not learner.needs_base
            if is_wanted and has_base and set(learner.parts) <= set(planned):
                planned.append(name)
        return tuple(planned)
    if config.learner not in known:
        raise ConfigError.among("learner", config.learner, known, where="train.learner")
    if not known[config.learner].fits(task):
        fits = ", ".join(name for name in known if known[name].fits(task))
        raise ConfigError(
            "the learner {learner!r} cannot do this {task}",
            where="train.learner",
            fix="one of {known}, or auto",
            learner=config.learner,
            task=task.name,
            known=fits,
        )
    return tuple(dict.fromkeys((task.learners[0], *_with_parts(config.learner, known))))


def is_dear(learner: str) -> bool:
    """Whether it trains a whole encoder, so that it is tried only where that can pay."""
    return learner in _DEAR


def why_not_here(learner: str) -> str:
    """Why this installation cannot train a learner that was planned; empty where it can.

    Learners that start from a base say it when the base is opened.
    """
    missing = [name for name in NEEDS.get(learner, ()) if importlib.util.find_spec(name) is None]
    return (
        f"as {', '.join(missing)} is not installed: pip install 'volano[deep]'" if missing else ""
    )


def base_name(config: TrainConfig, learner: str) -> str:
    """What the project calls the encoder that this learner starts from; ``auto`` is the default."""
    own = config.distil.base if learner == "distil" else "layers"
    return config.base if own == "layers" else own


def _with_parts(name: str, known: Mapping[str, Learner]) -> list[str]:
    """All that it builds on, however indirectly, and then itself."""
    return [*(one for part in known[name].parts for one in _with_parts(part, known)), name]
