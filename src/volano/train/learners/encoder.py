"""``finetune`` moves all weights of a pretrained encoder, ``lora`` low-rank changes to them.

Both leave the same bundle: LoRA's changes are merged into the weights, so an answer costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.encoders.classifier import Start
    from volano.train.learner import Fitted, Lesson

__all__ = ["FINETUNE", "LORA", "EncoderLearner"]

DEEP = frozenset({"encoder", "loop", "optimizer", "seed", "folds", "unknown_false_alarms"})


@dataclass(frozen=True)
class EncoderLearner:
    """A learner that trains an encoder and a head together."""

    name: str
    way: Literal["full", "lora"]
    reads: frozenset[str] = DEEP
    parts: tuple[str, ...] = ()
    needs_base: bool = True
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label or with several."""
        return task.answers == "labels"

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Train from the base; pooling, head, length and learning rate by stated rules."""
        from volano.train.encoders.classifier import fit_classifier

        start = start_from_base(lesson, config, self.way, log)
        return fit_classifier(self.name, start, lesson, config, log)


FINETUNE = EncoderLearner("finetune", "full")
LORA = EncoderLearner("lora", "lora", DEEP | {"lora"})


def start_from_base(
    lesson: Lesson, config: TrainConfig, way: Literal["full", "lora"], log: Events
) -> Start:
    """What a training from the lesson's base begins with.

    Raises:
        ConfigError: the base cannot be read, or has too few positions for ``max_tokens``.
    """
    import torch

    from volano.models.encoder import CONFIG, Shape
    from volano.train.encoders import shaping
    from volano.train.encoders.base import (
        licence_of,
        most_tokens,
        stated_pooling,
        tokenizer_bytes,
    )
    from volano.train.encoders.classifier import Start
    from volano.train.encoders.pretrained import load_pretrained, width_of
    from volano.train.encoders.rows import Rows

    base, rows = lesson.base, lesson.rows
    assert base is not None, "learners that need a base are planned with one"
    pooling, pooling_why = shaping.choose_pooling(config.encoder, stated_pooling(base), log)
    head, head_why = shaping.choose_head(config.encoder)
    content = tokenizer_bytes(base)
    tokens = shaping.tokenise(content, rows.texts, config.encoder, most_tokens(base), log)
    shape = Shape(pooling, head, len(rows.labels), tokens.max_tokens, config.encoder.dropout)
    lr, lr_why = shaping.choose_lr(config.optimizer, width_of(base))

    def make(seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return load_pretrained(base, shape)

    told = {
        "base": base.name,
        "base_hash": base.hash,
        "base_licence": licence_of(base),
        "pooling": pooling,
        "pooling_why": pooling_why,
        "head": head,
        "head_why": head_why,
        "lr": lr,
        "lr_why": lr_why,
        **tokens.told(),
    }
    weight_N = shaping.weigh(rows.weight_N, rows.truth_NC, config.encoder.class_weights)
    numbers = Rows(tokens.ids_N, rows.truth_NC, weight_N)
    config_json = (base.folder / CONFIG).read_bytes()
    return Start(make, shape, config_json, content, numbers, lr, told, way)
