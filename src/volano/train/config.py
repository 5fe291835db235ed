"""How candidates are trained; one dial (``effort``) derives what is not said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from volano.core.config import Config, Derived, Effort
from volano.core.errors import ConfigError
from volano.train.encoders.config import DistilConfig, EncoderConfig, LoraConfig
from volano.train.loop.config import LoopConfig, OptimizerConfig
from volano.train.suspects import MOST_SUSPECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.tasks.task import Task
    from volano.train.learner import Learner

__all__ = ["TrainConfig", "plan_learners", "resolve_train"]


class TrainConfig(Config):
    """How candidates are trained.

    Attributes:
        learner: one learner by name; ``auto`` trains those of the task and takes the best.
        base: the pretrained encoder of deep learners: a folder, or a name on the Hugging Face hub;
            ``auto`` leaves them out unless one is named, and then takes a small one for the
            project's language.
        folds: parts that training rows are cut into; each is answered by a model of the others.
        settings_tried: how many strengths of regularisation are compared.
        unknown_false_alarms: share of known texts that may be taken for unknown.
        suspects: most rows that are filed for review as likely wrong labels.
        seed: of folds and solvers; ``auto`` is the project's.
        encoder: how an encoder becomes a classifier.
        loop: how long and in what pieces networks are trained.
        optimizer: how their weights move.
        lora: of the learner ``lora``.
        distil: of the learner ``distil``.
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


_BY_EFFORT = {"quick": (3, 1), "normal": (5, 3), "thorough": (10, 5)}


def resolve_train(
    config: TrainConfig, effort: Effort, seed: int
) -> tuple[TrainConfig, tuple[Derived, ...]]:
    """Every ``auto`` replaced, and why each became what it is."""
    folds, settings = _BY_EFFORT[effort]
    derived = (
        Derived("train.folds", folds, f"effort is {effort}"),
        Derived("train.settings_tried", settings, f"effort is {effort}"),
        Derived("train.seed", seed, "the project's seed"),
    )
    told = {fact.key.partition(".")[2]: fact for fact in derived}
    values = config.model_dump()
    used = [fact for name, fact in told.items() if values[name] == "auto"]
    values |= {fact.key.partition(".")[2]: fact.value for fact in used}
    return TrainConfig.model_validate(values), tuple(used)


def plan_learners(config: TrainConfig, task: Task, known: Mapping[str, Learner]) -> tuple[str, ...]:
    """The learners to train, the baseline first, each after the learners that it builds on.

    Raises:
        ConfigError: the project names a learner that does not exist or cannot do this task.
    """
    if config.learner == "auto":
        fitting = [name for name in task.learners if known[name].fits(task)]
        return tuple(fitting)
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
    parts = known[config.learner].parts
    return tuple(dict.fromkeys((task.learners[0], *parts, config.learner)))
