"""Encoders from the Hugging Face hub, by its own client and into its own cache.

The client waits for ever where a network swallows packets, so the first question has a limit of its
own; only when the hub answers is anything else asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import ConfigError, reason_of
from volano.store.disk import disk_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volano.core.events import Events

__all__ = ["NotDownloadedError", "fetch"]

# Neither pickles (*.bin) nor Python code; a star of these patterns goes over folders too.
FILES = [
    "config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "modules.json",
    "sentence_bert_config.json",
    "?_Pooling/config.json",
    "README.md",
    "LICENSE*",
]
_WHERE = "train.base"
_SECONDS = 5.0  # for the hub's first answer


class NotDownloadedError(ConfigError):
    """An encoder that would have to be downloaded first."""


def fetch(name: str, log: Events, *, may_download: bool = True) -> Path:
    """The folder of an encoder on the hub; downloaded only where the cache has not got it.

    Args:
        name: ``owner/name``, with ``@revision`` behind it where one version is meant.
        log: hears of the download.
        may_download: or only what is in the cache counts.

    Raises:
        NotDownloadedError: it is not in the cache, and may not be downloaded.
        ConfigError: the hub has no such encoder, or cannot be reached, or the disk refuses.
    """
    with _telling_disk(name):
        return _fetch(name, log, may_download)


def _fetch(name: str, log: Events, may_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    revision = revision or "main"
    try:
        found = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=FILES, local_files_only=True
            )
        )
        # Others may have put a part of it there.
        if (found / "config.json").exists() and any(found.glob("*.safetensors")):
            return found
    except (LocalEntryNotFoundError, HFValidationError):
        pass  # the hub says more
    if may_download:
        return _download(name, repository, revision, log)
    raise NotDownloadedError(
        "{name!r} has to be downloaded from the Hugging Face hub first",
        where=_WHERE,
        fix="volano turn downloads it",
        name=name,
    )


def _download(name: str, repository: str, revision: str, log: Events) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The errors of the client's own HTTP library, which is another one in other versions.
    network: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)
    try:
        HfApi().model_info(repository, revision=revision, timeout=_SECONDS)
        log.note(f"{name} is downloaded from the Hugging Face hub")
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=FILES, tqdm_class=_telling(log)
            )
        )
    except GatedRepoError:
        raise ConfigError(
            "the hub gives {name!r} only to those who accepted its terms",
            where=_WHERE,
            fix="accept them on its page and run hf auth login, or name another encoder",
            name=name,
        ) from None
    except RevisionNotFoundError:
        raise ConfigError(
            "the hub has no such revision: {name!r}",
            where=_WHERE,
            fix="its page lists branches and commits; without @ the newest is meant",
            name=name,
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise ConfigError(
            "there is no folder {name!r}, and no such name on the Hugging Face hub",
            where=_WHERE,
            fix="name a folder, or an encoder as on its page; private ones need hf auth login",
            name=name,
        ) from None
    except OfflineModeIsEnabled:
        raise ConfigError(
            "{name!r} was never downloaded, and HF_HUB_OFFLINE forbids to ask the hub",
            where=_WHERE,
            fix="unset HF_HUB_OFFLINE once, or name the folder of an encoder: train.base=FOLDER",
            name=name,
        ) from None
    except network as error:
        if isinstance(error, OSError) and disk_fault(error) is not None:
            raise
        raise ConfigError(
            "{name!r} was never downloaded, and the Hugging Face hub cannot be reached: {reason}",
            where=_WHERE,
            fix="name the folder of an encoder, train.base=FOLDER, or turn without one: "
            "train.learner=blend",
            name=name,
            reason=f"{type(error).__name__}: {error}".partition("\n")[0],
        ) from None


@contextmanager
def _telling_disk(name: str) -> Iterator[None]:
    """Say that it was the disk of the cache that refused, and no hub."""
    try:
        yield
    except OSError as error:
        if disk_fault(error) is None:
            raise
        from huggingface_hub.constants import HF_HUB_CACHE

        raise ConfigError(
            "{name!r} cannot be kept in the cache of the Hugging Face hub, or read there: {reason}",
            where=HF_HUB_CACHE,
            fix="free space on that disk or mend the folder's rights, or set HF_HOME to a folder "
            "elsewhere",
            name=name,
            reason=reason_of(error),
        ) from None


def _telling(log: Events) -> type[Any]:
    """A progress bar that shows nothing, as the terminal is the turn's, and tells of megabytes."""
    from huggingface_hub import utils

    # The hub tells bars of this class, and of no other, what they count.
    bar: Any = utils.tqdm  # type: ignore[attr-defined]

    class Telling(bar):  # type: ignore[misc]
        n: float

        def __init__(self, *args: Any, **named: Any) -> None:
            # Of several bars it is the one that counts what has been written.
            self.tells = named.pop("name", "") == "huggingface_hub.snapshot_download"
            super().__init__(*args, **{**named, "disable": True})

        def update(self, n: float | None = 1) -> None:
            before, self.n = self.n, self.n + (n or 0)
            done, total = int(self.n / 1e6), int((self.total or 0) / 1e6)
            if self.tells and int(before / 1e6) < done <= total:
                log.progress("megabytes", done, total)

    return Telling
