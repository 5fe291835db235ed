"""``distil``: a smaller encoder learns from what the fine-tuned one answers.

Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531). The pupil starts from some of the
base's own layers (Sanh et al. 2019, arXiv:1910.01108), or from another base that the project names.
The teacher's weights have learnt from rows that the pupil is held out on, so none is taken over.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from volano.train.learners.encoder import DEEP, start_from_base

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.models.encoder import Encoder
    from volano.tasks.task import Task
    from volano.train.config import TrainConfig
    from volano.train.encoders.classifier import Start
    from volano.train.encoders.config import DistilConfig
    from volano.train.learner import Fitted, Lesson

__all__ = ["DISTIL", "Distil"]

_TEACHER = "finetune"


@dataclass(frozen=True)
class Distil:
    """A learner whose teacher is the model of another."""

    name: str = "distil"
    parts: tuple[str, ...] = (_TEACHER,)
    reads: frozenset[str] = DEEP | {"distil"}
    needs_base: bool = True
    input: Literal["text", "columns"] = "text"

    def fits(self, task: Task) -> bool:
        """Texts with one label or with several."""
        return task.answers == "labels"

    def fit(self, lesson: Lesson, config: TrainConfig, log: Events) -> Fitted:
        """Train the pupil on the labels and on the teacher's answers to the training rows."""
        from volano.train.encoders.classifier import fit_classifier
        from volano.train.encoders.native import answer_native

        teacher = lesson.parts[_TEACHER].folder
        log.progress("the teacher answers", 0, len(lesson.rows))
        taught_NC = answer_native(teacher, lesson.rows.texts).astype(np.float32)
        log.progress("the teacher answers", len(lesson.rows), len(lesson.rows))
        start = start_from_base(lesson, config, "full", log)
        if config.distil.base == "layers":
            start = _with_fewer_layers(start, config.distil)
        start = replace(start, rows=replace(start.rows, teacher_NC=taught_NC))
        return fit_classifier(self.name, start, lesson, config, log)


DISTIL = Distil()


def _with_fewer_layers(start: Start, config: DistilConfig) -> Start:
    """The same start with some of its layers, evenly spread."""
    from transformers import AutoConfig

    told = json.loads(start.config)
    whole = AutoConfig.for_model(told.pop("model_type"), **told)
    num = int(whole.num_hidden_layers)
    kept = spread(num, max(1, num // 2) if config.layers == "auto" else min(config.layers, num))
    fewer = _fewer_layers(whole, kept)

    def make(seed: int) -> Encoder:
        return _pupil(start.make(seed), fewer, kept)

    layers = ", ".join(str(layer + 1) for layer in kept)
    base = f"{start.told['base']}, layers {layers} of {num}"
    return replace(start, make=make, config=fewer, told={**start.told, "base": base})


def spread(num: int, kept: int) -> tuple[int, ...]:
    """Places of ``kept`` of ``num`` layers, evenly spread, the first and the last among them.

    >>> spread(6, 3)
    (0, 2, 5)
    """
    return tuple(int(place) for place in np.linspace(0, num - 1, kept).round())


def _fewer_layers(kind: Any, kept: tuple[int, ...]) -> bytes:
    """The content of a ``config.json`` with only these layers."""
    told = json.loads(kind.to_json_string(use_diff=True))
    told.pop("_name_or_path", None)
    name = kind.attribute_map.get("num_hidden_layers", "num_hidden_layers")
    told[name] = len(kept)
    kinds = getattr(kind, "layer_types", None)
    if kinds:
        told["layer_types"] = [kinds[place] for place in kept]
    return json.dumps(told, indent=1, sort_keys=True).encode()


def _pupil(whole: Encoder, kind: bytes, kept: tuple[int, ...]) -> Encoder:
    """The encoder with only these layers, renumbered."""
    from torch import nn

    from volano.models.encoder import load_encoder

    num = int(cast("Any", whole.body).config.num_hidden_layers)
    stacks = [
        name
        for name, layers in whole.named_modules()
        if isinstance(layers, nn.ModuleList) and len(layers) == num
    ]
    numbered = re.compile(rf"({'|'.join(map(re.escape, stacks))})\.(\d+)(\..*)")
    place = {layer: number for number, layer in enumerate(kept)}
    state = {}
    for name, found in whole.state_dict().items():
        layer = numbered.fullmatch(name) if stacks else None
        if layer is None:
            state[name] = found
        elif int(layer[2]) in place:
            state[f"{layer[1]}.{place[int(layer[2])]}{layer[3]}"] = found
    pupil = load_encoder(kind, whole.shape)
    pupil.load_state_dict(state)
    return pupil.eval()
