"""One training of one encoder, in this process or in several. Importing this file imports torch."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from volano.models.encoder import Encoder, Shape, load_encoder
from volano.train.calibrate import tempered_loss
from volano.train.config import TrainConfig
from volano.train.encoders.losses import RowLoss, fooled
from volano.train.encoders.rows import Rows, answer
from volano.train.encoders.vocabulary import only_words
from volano.train.learners.text_heads import best_f1
from volano.train.loop.batches import Batches
from volano.train.loop.fit import Epoch, History, Recipe, Watched, fit
from volano.train.loop.precision import choose_arithmetic

if TYPE_CHECKING:
    from volano.core.events import Events
    from volano.train.encoders.config import LoraConfig

__all__ = ["Job", "Way", "train_encoder", "work"]

Way = Literal["full", "lora"]

_JOB, _ROWS, _START, _END, _TOLD = (
    "job.json", "rows.safetensors", "start.safetensors", "end.safetensors", "history.json",
)  # fmt: skip
_HEAD = ("head.",)
_ALL_NEW = ("head.", "body.")  # of LoRA: what it trains of the body is new as well
_IN_ATTENTION = re.compile(r"(^|\.)(attention|attn|self_attn)(\.|$)")


@dataclass(frozen=True)
class Job:
    """What is trained on what, all numbers, so that each process can be given it.

    Attributes:
        rows: to learn from.
        watched: rows by which epochs are compared; none where there are none.
        config: with the learning rate as a number.
        is_multiple: whether a row may carry several labels.
        way: all weights, or low-rank changes to them.
        seed: of the order of rows, of dropout and of new weights.
        keeps_best: whether the epoch that the watched rows like best is kept.
    """

    rows: Rows
    watched: Rows | None
    config: TrainConfig
    is_multiple: bool
    way: Way
    seed: int
    keeps_best: bool = True


def train_encoder(
    job: Job, module: Encoder, scratch: Path | None, log: Events
) -> tuple[Encoder, History]:
    """Train the module, in place where one process does it all.

    Args:
        job: what is trained on what.
        module: with the weights to start from; LoRA is merged into it at the end.
        scratch: a folder of this very training; None keeps no checkpoint.
        log: gets the live curve.
    """
    if job.config.loop.processes == 1:
        return _run(job, module, scratch, log)
    from volano.train.loop.launch import launch

    with ExitStack() as stack:
        folder = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        _write_job(job, module, folder)
        launch(f"{__name__}:work", folder, job.config.loop.processes, log)
        module.load_state_dict(load_file(folder / _END))
        found = json.loads((folder / _TOLD).read_text("utf-8"))
    epochs = tuple(Epoch(**epoch) for epoch in found.pop("epochs"))
    return module.eval(), History(epochs=epochs, **found)


def work(folder: Path, log: Events) -> None:
    """What each process of a training does; the first one leaves the result in the folder."""
    from volano.train.loop.processes import Team

    told, arrays = json.loads((folder / _JOB).read_text("utf-8")), load_file(folder / _ROWS)
    rows, watched = _unpack(arrays, "rows."), _unpack(arrays, "watched.")
    config = TrainConfig.model_validate(told.pop("config"))
    body, shape = told.pop("body"), Shape(**told.pop("shape"))
    assert rows is not None
    module = load_encoder(json.dumps(body).encode(), shape)
    module.load_state_dict(load_file(folder / _START))
    trained, history = _run(Job(rows, watched, config, **told), module, folder, log)
    if Team.join().is_first:
        state = {name: found.contiguous() for name, found in trained.state_dict().items()}
        save_file(state, folder / _END)
        (folder / _TOLD).write_text(json.dumps(asdict(history)), "utf-8")


def _run(job: Job, module: Encoder, scratch: Path | None, log: Events) -> tuple[Encoder, History]:
    config = job.config
    if job.way == "lora":
        _add_lora(module, config.lora, job.seed)
    loop = config.loop if job.keeps_best else config.loop.model_copy(update={"patience": 0})
    recipe = Recipe(
        loop=loop,
        optimizer=config.optimizer,
        seed=job.seed,
        scratch=scratch,
        head=_ALL_NEW if job.way == "lora" else _HEAD,
        content=_digest(job),
    )

    def watch(trained: nn.Module) -> Watched:
        assert job.watched is not None
        device = next(trained.parameters()).device
        arithmetic = choose_arithmetic(loop.precision, device)
        values, truth = answer(trained, job.watched.ids_N, arithmetic), job.watched.truth_NC
        if job.is_multiple:
            score = best_f1(values, truth)
        else:
            score = float(truth[np.arange(len(values)), values.argmax(axis=1)].mean())
        return Watched(tempered_loss(values, truth, is_multiple=job.is_multiple), score)

    batches = Batches(job.rows.lengths_N, job.rows.collate)
    watching = watch if job.watched is not None and len(job.watched) else None
    read = [*job.rows.ids_N, *(job.watched.ids_N if job.watched is not None else ())]
    with only_words(module, read):
        history = fit(module, batches, _loss_of(job, module), watching, recipe, log)
    if job.way == "lora":
        module.body = cast("Any", module.body).merge_and_unload()
    return module.cpu().eval(), history


def _loss_of(job: Job, module: Encoder) -> Any:
    encoder, distil = job.config.encoder, job.config.distil
    loss = RowLoss(job.is_multiple, encoder.label_smoothing, distil.share, distil.temperature)
    if not encoder.adversarial:
        return loss
    words = cast("Any", module.body).get_input_embeddings()
    return fooled(loss, words, encoder.adversarial)


def _add_lora(module: Encoder, config: LoraConfig, seed: int) -> None:
    """Freeze the body, and put low-rank changes beside its linear layers."""
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    layers = [
        name
        for name, layer in module.body.named_modules()
        if isinstance(layer, nn.Linear) and (config.layers == "all" or _IN_ATTENTION.search(name))
    ]
    told = PeftConfig(
        r=config.rank,
        lora_alpha=cast("Any", config.alpha),  # peft takes any number
        lora_dropout=config.dropout,
        target_modules=layers,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        # peft asks transformers 5 by a name that version 6 will drop.
        warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated")
        module.body = get_peft_model(cast("Any", module.body), told)


def _digest(job: Job) -> str:
    """Of everything that is trained on, and of settings that the loop does not know."""
    found = sha256(job.config.model_dump_json(include={"encoder", "distil", "lora"}).encode())
    for rows in (job.rows, job.watched):
        for name, tensor in _pack(rows, "").items():
            found.update(name.encode())
            found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def _write_job(job: Job, module: Encoder, folder: Path) -> None:
    told = {
        "config": job.config.model_dump(mode="json"),
        "is_multiple": job.is_multiple,
        "way": job.way,
        "seed": job.seed,
        "keeps_best": job.keeps_best,
        "body": json.loads(cast("Any", module.body).config.to_json_string(use_diff=True)),
        "shape": module.shape.to_dict(),
    }
    (folder / _JOB).write_text(json.dumps(told), "utf-8")
    save_file(_pack(job.rows, "rows.") | _pack(job.watched, "watched."), folder / _ROWS)
    save_file({n: t.contiguous() for n, t in module.state_dict().items()}, folder / _START)


def _pack(rows: Rows | None, prefix: str) -> dict[str, torch.Tensor]:
    if rows is None or not len(rows):
        return {}
    arrays = {
        "ids": np.concatenate(list(rows.ids_N)),
        "lengths": rows.lengths_N,
        "truth": rows.truth_NC,
        "weight": rows.weight_N,
    }
    if rows.teacher_NC is not None:
        arrays["teacher"] = rows.teacher_NC
    return {
        f"{prefix}{name}": torch.from_numpy(np.ascontiguousarray(found))
        for name, found in arrays.items()
    }


def _unpack(arrays: dict[str, torch.Tensor], prefix: str) -> Rows | None:
    if f"{prefix}ids" not in arrays:
        return None
    lengths = arrays[f"{prefix}lengths"].numpy()
    found = Rows(
        np.split(arrays[f"{prefix}ids"].numpy(), np.cumsum(lengths)[:-1]),
        arrays[f"{prefix}truth"].numpy(),
        arrays[f"{prefix}weight"].numpy(),
    )
    teacher = arrays.get(f"{prefix}teacher")
    return found if teacher is None else replace(found, teacher_NC=teacher.numpy())
