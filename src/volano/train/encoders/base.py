"""The pretrained encoder that a learner starts from: a folder, or a name on the Hugging Face hub.

Only open formats are read (``config.json``, safetensors, ``tokenizer.json``): a pickle or a model's
own Python code could do anything on this machine. What the hub sends lies in the hub's own cache;
what is there is used without asking the network, so a base moves only when its name does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from volano.core.errors import ConfigError, MissingExtraError, Term, reason_of
from volano.models.tokens import TOKENIZER, Tokens
from volano.train.encoders.hub import NotDownloadedError, fetch
from volano.train.learner import Base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.core.events import Events

__all__ = [
    "WHERE",
    "NotDownloadedError",
    "default_base",
    "licence_of",
    "most_tokens",
    "need_packages",
    "open_base",
    "read_config",
    "stated_pooling",
    "tokenizer_bytes",
]

WHERE = "train.base"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
_INDEX = f"{WEIGHTS}.index.json"
# The export's too: a turn is not to train for minutes and then lack them.
_NEEDS = ("torch", "transformers", "tokenizers", "accelerate", "peft", "onnx", "onnxscript", "nncf",
          "openvino", "onnxruntime")  # fmt: skip
_SLOW = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "spm.model", "tokenizer.model",
         "sentencepiece.bpe.model")  # fmt: skip
_SHAPING = (CONFIG, TOKENIZER, "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "modules.json", "sentence_bert_config.json", *_SLOW)  # fmt: skip
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?(@[\w./-]+)?")
_LICENCE = re.compile(r"^licen[cs]e:[ \t]*(?:\n[ \t]*-[ \t]*)?[\"']?([^\s\"'\[\]]+)", re.MULTILINE)
_NOT_FOR_SALE = re.compile(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial|research", re.IGNORECASE)
# These number positions from behind the padding token's own number.
_SHIFTED = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "data2vec-text",
            "roberta-prelayernorm", "longformer", "xmod"}  # fmt: skip

_AGAIN = "copy or download the file again (a pointer of git-lfs is not the file itself)"
_ANY_LENGTH = 512  # nothing is read by it
_MODE = re.compile(r"pooling_mode_(\w+?)(_tokens?)?")

Pooling = Literal["mean", "cls", "max"]


def open_base(
    name: str, language: str, root: Path, log: Events, *, may_download: bool = True
) -> Base:
    """Find a pretrained encoder, or fetch it, and check that it can be used; torch is not loaded.

    Args:
        name: a folder (relative ones count from ``root``), a name on the hub, with ``@revision``
            behind it where one version is meant, or ``auto``: a small one for the language.
        language: of the texts: ``en``, ``zh``, ``mixed`` or ``other``.
        root: the project's folder.
        log: hears of a download, and of a licence that forbids commercial use.
        may_download: or only folders and what is in the hub's cache counts.

    Raises:
        MissingExtraError: the packages that deep learners need are not installed.
        NotDownloadedError: it is on the hub and may not be downloaded.
        ConfigError: there is no such encoder, or it cannot be used; says why and what to do.
    """
    need_packages()
    if name == "auto":
        name = default_base(language)
    folder = _local(name, root) or fetch(name, log, may_download=may_download)
    _check(folder)
    base = Base(name, folder, _hash(folder))
    licence = licence_of(base)
    if _NOT_FOR_SALE.search(licence):
        log.warn(f"the base {name} is under {licence}: what is made of it may not be sold or used "
                 "for trade")  # fmt: skip
    return base


def default_base(language: str) -> str:
    """A small encoder under a free licence for texts of this language; else one of many."""
    known = json.loads(Path(__file__).with_name("bases.json").read_text("utf-8"))
    found: str = known.get(language, known["other"])["name"]
    return found


def read_config(base: Base) -> dict[str, Any]:
    """What ``config.json`` says."""
    return _read_json(base.folder / CONFIG)


def tokenizer_bytes(base: Base) -> bytes:
    """The content of ``tokenizer.json``; made from the older files where there is none.

    Raises:
        ConfigError: transformers cannot make one of what is there.
    """
    path = base.folder / TOKENIZER
    if path.exists():
        return path.read_bytes()
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(
            base.folder, local_files_only=True, trust_remote_code=False
        )
        text: str = made.backend_tokenizer.to_str()
    except (OSError, ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
        raise ConfigError(
            "the base has no tokenizer.json, and none can be made of its older files: {reason}",
            where=str(base.folder),
            fix="put the encoder's tokenizer.json into the folder, or name another encoder",
            reason=str(error).partition("\n")[0],
        ) from None
    content = text.encode("utf-8")
    _check_tokenizer(base.folder, content)
    return content


def stated_pooling(base: Base) -> tuple[str, ...]:
    """How the base's makers pool token vectors, in the words of sentence-transformers.

    Mostly one of ``Pooling``; another (``lasttoken``), several at once, or nothing at all.
    """
    told = _pooling_file(base.folder)
    if told is None:
        return ()
    found = _read_json(told)
    stated = found.get("pooling_mode")  # since sentence-transformers 5.4
    if stated:
        return tuple(map(str, stated)) if isinstance(stated, list) else (str(stated),)
    modes = [_MODE.fullmatch(key) for key, is_on in found.items() if is_on]
    return tuple(mode[1] for mode in modes if mode)


def most_tokens(base: Base) -> int:
    """The longest text that the base has positions for, special tokens included."""
    told = read_config(base)
    positions = int(told.get("max_position_embeddings") or 512)
    if told.get("model_type") in _SHIFTED:
        positions -= int(told.get("pad_token_id") or 0) + 1
    return positions


def licence_of(base: Base) -> str:
    """What its README states, or the first line of its LICENSE; empty where nothing is stated."""
    try:
        readme = (base.folder / "README.md").read_text("utf-8", errors="replace")
    except OSError:
        readme = ""
    head = readme.split("\n---", 1)[0] if readme.startswith("---") else ""
    found = _LICENCE.search(head)
    if found:
        return found[1]
    for path in sorted(base.folder.glob("LICEN[CS]E*")):
        lines = path.read_text("utf-8", errors="replace").split("\n")
        return next((line.strip() for line in lines if line.strip()), "")
    return ""


def need_packages(names: Sequence[str] = (), where: str = WHERE) -> None:
    """Refuse to go on without these packages; none named are those that encoders need.

    Raises:
        MissingExtraError: some are not installed.
    """
    missing = [name for name in names or _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            "deep learners need {packages}, which this installation does not have",
            where=where,
            fix="pip install 'volano[deep]'",
            packages=", ".join(missing),
        )


def _local(name: str, root: Path) -> Path | None:
    """The folder that ``name`` means; None where it can only be a name on the hub."""
    try:
        folder = root / Path(name).expanduser()
        is_folder, is_there = folder.is_dir(), folder.exists()
    except (OSError, RuntimeError, ValueError):  # a name that no file can have
        is_folder = is_there = False
    if is_folder:
        return folder.resolve()
    if is_there:
        raise ConfigError(
            "{name!r} is a file; a base is a folder with config.json, tokenizer.json and weights",
            where=WHERE,
            fix="name the folder that it lies in",
            name=name,
        )
    if _HUB_NAME.fullmatch(name):
        return None
    raise ConfigError(
        "there is no folder {name!r}, and it is no name on the Hugging Face hub",
        where=WHERE,
        fix="name a folder, or OWNER/NAME as on the hub; relative folders count from {root}",
        name=name,
        root=root,
    )


def _check(folder: Path) -> None:
    """Refuse what is no encoder, or what cannot be read without running somebody's code."""
    if not (folder / CONFIG).is_file():
        raise _unusable(folder, Term("it has no config.json"))
    told = _read_json(folder / CONFIG)
    if "auto_map" in told:
        raise ConfigError(
            "the base brings Python code of its own (auto_map), which is never run",
            where=str(folder / CONFIG),
            fix="name an encoder of a family that transformers itself knows",
        )
    kind = told.get("model_type")
    if not isinstance(kind, str):
        raise _unusable(folder, Term("its config.json states no model_type"))
    names = told.get("architectures") or [""]
    if told.get("is_encoder_decoder") or str(names[0]).endswith(("ForCausalLM", "LMHeadModel")):
        raise _unusable(folder, Term("{kind} is a model that writes text", kind=kind))
    _check_weights(folder)
    if not any((folder / name).is_file() for name in (TOKENIZER, *_SLOW)):
        raise ConfigError(
            "the base has no tokenizer: neither tokenizer.json nor a vocabulary",
            where=str(folder),
            fix="put the encoder's tokenizer.json into the folder, or name another encoder",
        )
    if (folder / TOKENIZER).is_file():
        _check_tokenizer(folder, (folder / TOKENIZER).read_bytes())


def _check_tokenizer(folder: Path, content: bytes) -> None:
    """Refuse what no text can be read by, or what names tokens that have no vector."""
    where = str(folder / TOKENIZER)
    try:
        largest = Tokens.load(content, _ANY_LENGTH).largest
    except ValueError as error:
        raise ConfigError(
            "the tokenizer of the base is damaged, or of a kind that is not known: {reason}",
            where=where,
            fix=_AGAIN,
            reason=str(error),
        ) from None
    size = _read_json(folder / CONFIG).get("vocab_size")
    if isinstance(size, int) and largest >= size:
        raise ConfigError(
            "the tokenizer of the base numbers tokens up to {largest}; its config.json speaks of "
            "{size} tokens, numbered from 0",
            where=where,
            fix="copy or download config.json, model.safetensors and tokenizer.json of the same "
            "encoder",
            largest=largest,
            size=size,
        )


def _check_weights(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    paths = _weights(folder)
    if not paths:
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        if not pickles:
            raise _unusable(folder, Term("it has no model.safetensors"))
        raise ConfigError(
            "the base has its weights only as a pickle ({file}), which is never opened",
            where=str(folder),
            fix="on the hub, name a revision with model.safetensors (often NAME@refs/pr/1), or "
            "another encoder",
            file=pickles[0],
        )
    for path in paths:
        try:
            with safe_open(path, framework="np"):
                pass
        except (OSError, SafetensorError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise ConfigError(
                "weights of the base are damaged or missing: {reason}",
                where=str(path),
                fix=_AGAIN,
                reason=reason,
            ) from None


def _unusable(folder: Path, reason: Term) -> ConfigError:
    return ConfigError(
        "this is no encoder of text: {reason}",
        where=str(folder),
        fix="name the folder of an encoder such as BERT, RoBERTa or MiniLM",
        reason=reason,
    )


def _weights(folder: Path) -> list[Path]:
    """The files with its weights: one, or those that the index lists."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if (folder / _INDEX).exists():
        parts = _read_json(folder / _INDEX).get("weight_map", {}).values()
        return [folder / Path(str(name)).name for name in sorted(set(parts))]
    return []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict):
            return found
        reason: object = Term("it is no JSON object")
    except OSError as error:
        reason = reason_of(error)
    except ValueError as error:
        reason = str(error)
    raise ConfigError(
        "a file of the base cannot be read: {reason}",
        where=str(path),
        fix="copy or download the file again",
        reason=reason,
    )


def _pooling_file(folder: Path) -> Path | None:
    """The Pooling module's settings, where ``modules.json`` lists one."""
    if not (folder / "modules.json").is_file():
        return None
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        parts = [module["path"] for module in modules if module["type"].endswith("Pooling")]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    paths = [path for part in parts if (path := folder / Path(part).name / CONFIG).is_file()]
    return paths[0] if paths else None


def _hash(folder: Path) -> str:
    """Of the names and the content of all files that shape what the base computes."""
    paths = [folder / name for name in _SHAPING if (folder / name).is_file()]
    paths += _weights(folder)
    pooling = _pooling_file(folder)
    whole = hashlib.sha256()
    for path in [*paths, *([pooling] if pooling else [])]:
        found = path.stat()
        digest = _digest(str(path.resolve()), found.st_size, found.st_mtime_ns)
        whole.update(f"{path.relative_to(folder)}\0{digest}\n".encode())
    return whole.hexdigest()


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:
    """Of one file; a process that opens a base twice reads it once."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
