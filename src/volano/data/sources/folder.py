"""Folders: files of text, each of them a row; or the parts of one table, one after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from volano.core.encoding import decode
from volano.core.errors import DataError
from volano.data.sources.batch import Batch, BrokenRow
from volano.data.sources.files import LONGEST_ROW, files_below, read_pieces, suffix_of, unchanging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from volano.data.config import SourceConfig
    from volano.data.sources.batch import Reader

__all__ = ["TEXTS", "read_folder", "read_texts"]

TEXTS = "/"  # where the reader of a folder of texts stands among those for endings
_TEXTS = ("", ".txt", ".md")
_NOTES = ("readme", "license", "licence", "notice", "citation", "changelog")
_FILES, _CHARACTERS = 4096, 2**22  # of a batch


def read_folder(path: Path, config: SourceConfig, readers: Mapping[str, Reader]) -> Iterator[Batch]:
    """Read a folder; notes such as a README are left out, and named in the facts.

    Files of text become rows with ``text``, ``file`` and, where they lie in sub-folders, the name
    of the first of them as ``label``; a row's line is the number of its file. Parts of a table are
    read by name, part-10 after part-9, and their lines are counted on.

    Raises:
        DataError: the folder holds nothing to read, or files of several kinds.
    """
    files = files_below(path)
    kinds = {file: suffix_of(file) for file in files}
    tables = [file for file in files if kinds[file] in readers and kinds[file] not in _TEXTS]
    if tables:
        found = Counter(kinds[file] for file in tables)
        if len(found) > 1:
            raise _several_kinds(path, found)
        yield from _parts(path, tables, _beside(path, files, tables), config, readers)
    else:
        yield from readers[TEXTS](path, config)


def read_texts(path: Path, config: SourceConfig) -> Iterator[Batch]:
    """Read a folder of texts, each file a row.

    Raises:
        DataError: the folder holds nothing to read, or files of several kinds.
    """
    files = files_below(path)
    kinds = {file: suffix_of(file) for file in files}
    texts = [file for file in files if kinds[file] in _TEXTS]
    texts = [file for file in texts if file.stem.casefold() not in _NOTES or len(texts) == 1]
    others = Counter(kinds[file] for file in files if kinds[file] not in _TEXTS)
    if not texts:
        raise DataError(
            "{name!r} holds no file that can be read",
            where=str(path),
            fix="files of text (.txt, .md or no ending), or parts of one table",
            name=path.name,
        )
    if others:
        raise _several_kinds(path, Counter({"text": len(texts)}) + others)
    yield from _texts(path, texts, _beside(path, files, texts))


def _several_kinds(path: Path, found: Counter[str]) -> DataError:
    return DataError(
        "{name!r} holds files of several kinds: {kinds}",
        where=str(path),
        fix="a folder of one kind, or each file as a source of its own",
        name=path.name,
        kinds=", ".join(f"{count} {kind}" for kind, count in found.most_common(6)),
    )


def _beside(path: Path, files: Sequence[Path], read: Sequence[Path]) -> dict[str, str]:
    """What lies there and is not read."""
    known = set(read)
    left = [file.relative_to(path).as_posix() for file in files if file not in known]
    return {"left_out": ", ".join(left[:20])} if left else {}


def _parts(
    path: Path,
    files: Sequence[Path],
    facts: Mapping[str, str],
    config: SourceConfig,
    readers: Mapping[str, Reader],
) -> Iterator[Batch]:
    before = 0
    for file in files:
        name, last = file.relative_to(path).as_posix(), 0
        with unchanging(file):
            for batch in readers[suffix_of(file)](file, config):
                broken = tuple(
                    BrokenRow(row.line + before, f"{name}:{row.line}: {row.reason}", row.raw)
                    for row in batch.broken
                )
                last = max([last, *batch.lines[-1:].tolist(), *(row.line for row in batch.broken)])
                yield replace(
                    batch,
                    lines=batch.lines + before,
                    broken=broken,
                    facts={**batch.facts, **facts, "files": str(len(files))},
                )
        before += last


def _texts(path: Path, files: Sequence[Path], facts: dict[str, str]) -> Iterator[Batch]:
    are_labelled = any(file.parent != path for file in files)
    encodings: dict[str, None] = {}
    guessed: dict[str, None] = {}
    begin, num_characters = 0, 0
    rows: list[tuple[int, str, str]] = []
    broken: list[BrokenRow] = []
    facts = {"format": "folder of texts", "files": str(len(files)), **facts}
    for number, file in enumerate(files, start=1):
        name = file.relative_to(path).as_posix()
        try:
            text, encoding, is_guessed = _read_text(file)
        except DataError as error:
            broken.append(BrokenRow(number, f"{name}: {error.what}", _raw(file)))
        else:
            rows.append((number, text, name))
            num_characters += len(text)
            encodings[encoding] = None
            facts["encoding"] = ", ".join(encodings)
            if is_guessed:
                guessed[encoding] = None
                facts["guessed_encoding"] = ", ".join(guessed)
        is_full = number - begin >= _FILES or num_characters >= _CHARACTERS
        if is_full or number == len(files):
            yield _text_batch(rows, broken, facts, are_labelled=are_labelled)
            rows, broken, begin, num_characters = [], [], number, 0


def _read_text(file: Path) -> tuple[str, str, bool]:
    """The text of one file, its encoding, and whether that is a guess.

    Raises:
        DataError: it is no file, too long, or holds what is no text.
    """
    with unchanging(file):
        if not file.is_file():
            raise DataError("a link to a folder", where=str(file), fix="leave it out")
        if file.stat().st_size > LONGEST_ROW:
            raise DataError(
                "longer than {limit} bytes",
                where=str(file),
                fix="cut it into several files",
                limit=LONGEST_ROW,
            )
        content = b"".join(read_pieces(file))
    decoded = decode(content, str(file))
    if "\0" in decoded.text:
        raise DataError("a NUL, which no text holds", where=str(file), fix="leave it out")
    if decoded.is_damaged:
        raise DataError(
            "bytes that are not text in the file's encoding",
            where=str(file),
            fix="save it as UTF-8",
        )
    return decoded.text.removeprefix("\ufeff"), decoded.encoding, decoded.is_guessed


def _raw(file: Path) -> str:
    """What can be shown of a file that is no text."""
    if not file.is_file():
        return ""  # opening a pipe would wait for somebody to write
    try:
        piece = next(read_pieces(file), b"")
    except DataError:
        return ""
    return piece.decode("utf-8", errors="replace")


def _text_batch(
    rows: Sequence[tuple[int, str, str]],
    broken: Sequence[BrokenRow],
    facts: Mapping[str, str],
    *,
    are_labelled: bool,
) -> Batch:
    import numpy as np
    import pyarrow as pa

    columns = {"text": [text for _, text, _ in rows], "file": [name for _, _, name in rows]}
    if are_labelled:
        columns["label"] = [name.partition("/")[0] if "/" in name else "" for _, _, name in rows]
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    lines = np.array([number for number, _, _ in rows], np.int64)
    return Batch(table, lines, tuple(broken), dict(facts))
