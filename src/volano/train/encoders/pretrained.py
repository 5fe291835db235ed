"""The weights of a base in the module that is trained. Importing this file imports torch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from volano.core.errors import ConfigError
from volano.models.encoder import Encoder
from volano.train.encoders.base import WHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.models.encoder import Shape
    from volano.train.learner import Base

__all__ = ["load_pretrained", "width_of"]

_ERRORS = 40  # the level of Python's logging


def load_pretrained(base: Base, shape: Shape) -> Encoder:
    """An encoder with the base's weights in float32 and a random head, in evaluation mode.

    The head's weights come from torch's generator: seed it before.

    Raises:
        ConfigError: transformers cannot read the base, or weights that answers need are missing.
    """
    from transformers import AutoModel

    with _telling(base), _quiet():
        body, told = AutoModel.from_pretrained(
            base.folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        width = int(body.config.hidden_size)
    _refuse_gaps(base, told)
    if isinstance(getattr(body, "pooler", None), torch.nn.Module):
        body.pooler = None  # as in load_encoder
    return Encoder(body, shape, width).eval()


def width_of(base: Base) -> int:
    """How many numbers its token vectors have, by whatever name its family calls that.

    Raises:
        ConfigError: transformers cannot read the base.
    """
    from transformers import AutoConfig

    with _telling(base):
        told = AutoConfig.from_pretrained(
            base.folder, local_files_only=True, trust_remote_code=False
        )
        return int(told.hidden_size)


@contextmanager
def _telling(base: Base) -> Iterator[None]:
    """Say what to do where transformers cannot read a base."""
    from safetensors import SafetensorError

    try:
        yield
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError,
    ) as error:  # fmt: skip
        raise ConfigError(
            "transformers cannot read the base {name!r}: {reason}",
            where=WHERE,
            fix="name an encoder of a family that this version of transformers knows, or upgrade "
            "it: pip install -U transformers",
            name=base.name,
            reason=str(error).strip().partition("\n")[0],
        ) from None


def _refuse_gaps(base: Base, told: dict[str, Any]) -> None:
    # The pooler is never used, and many bases come without it.
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))
    missing += [str(found[0]) for found in told["mismatched_keys"]]
    if missing:
        raise ConfigError(
            "weights of the base {name!r} do not fit its config.json: {count} are missing or of "
            "another shape, among them {first}",
            where=str(base.folder),
            fix="copy or download config.json and model.safetensors of the same encoder",
            name=base.name,
            count=len(missing),
            first=missing[0],
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without bars and tables on the terminal: what matters is checked and said here."""
    from transformers.utils import logging

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(_ERRORS)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
