"""Every error message of the product is in ``errors.txt``, and reads well in both languages."""

from __future__ import annotations

import ast
import re
import string
from collections import defaultdict

import pytest
from tests.error_texts import LIST, ROOMS, Source, Use, catalogue, listed, names, words

from volano.core.errors import DataError, RefusedError, Term, UserError, VolanoError, reason_of

SOURCE = Source()
USES = tuple(SOURCE.uses())
ROOM_NAMES = sorted(path.name for path in ROOMS.iterdir() if path.is_dir() and path.name[0] != "_")
REWRITE = "if this is meant, write the list again: python -m tests.error_texts"

CHINESE = re.compile("[\u4e00-\u9fff]")
HALF_WIDTH = re.compile("[\u4e00-\u9fff][,;:?!()]|[,;?!()][\u4e00-\u9fff]|。$|\\.$(?<!\\.\\.\\.)")
# What may begin a message besides a lower-case word: a name, a number, a quote, an acronym.
NAMES = ("SQLite", "Excel", "Parquet", "PostgreSQL", "Content-Type", "Authorization", "Hugging")
BEGINNING = re.compile(r"[a-z0-9{'\"<-]|[A-Z][A-Z0-9_-]+\b|" + "|".join(NAMES))
# Blame, alarm and empty politeness say nothing that helps.
BANNED = re.compile(
    r"\b(invalid|illegal|fail(s|ed)? to|please|sorry|oops|error:|unable to|bad)\b", re.I
)
LONGEST = 160
# A text that is a command, an option, a key or a value is the same in every language.
AS_TYPED = re.compile(r"(volano|{command}|export|pip|python|git) |--|[\w.:{}-]+(=|: )?\S*$|POST /")
WITHOUT_FIX: set[str] = set()  # facts for which there is nothing to try


def place(use: Use) -> str:
    return f"{use.file}:{use.line}"


def test_every_text_of_an_error_can_be_read_from_the_source() -> None:
    told = [f"{place(use)}: {use.fault}" for use in USES if use.fault]
    assert not told, "what and fix are plain texts with {names}; values are keywords\n" + "\n".join(
        told
    )


def test_the_list_of_all_errors_changes_only_on_purpose() -> None:
    assert listed() == LIST.read_text("utf-8"), REWRITE


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_every_text_has_its_chinese_and_no_translation_is_left_over(room: str) -> None:
    known, core = catalogue(room), catalogue("core")
    needed = {text for use in USES if use.room == room for text in use.texts}
    # A word such as a noun is made into a Term in core, wherever it was named.
    used = {
        text
        for use in USES
        if use.room == room or room == "core"
        for text in (*use.whats, *use.fixes)
    }
    assert not sorted(needed - {*known, *core}), f"write them into {room}/errors.zh.json"
    assert not sorted(set(known) - used), f"nobody says this any more: {room}/errors.zh.json"


def test_one_text_has_one_translation() -> None:
    said: dict[str, set[str]] = defaultdict(set)
    for room in ROOM_NAMES:
        for text, chinese in catalogue(room).items():
            said[text].add(chinese)
    assert not {text: found for text, found in said.items() if len(found) > 1}


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_catalogues_are_sorted_and_fill_the_same_names(room: str) -> None:
    known = catalogue(room)
    assert list(known) == sorted(known)
    assert not {text for text, chinese in known.items() if names(text) != names(chinese)}
    for text in (*known, *known.values()):
        for _, name, shape, _ in string.Formatter().parse(text):
            assert name is None or name.isidentifier(), text
            assert not shape or re.fullmatch(r",|\.\d[f%]|,?\.?\d?[dfg%]", shape), text


def test_every_name_in_a_text_is_given_its_value() -> None:
    told = [
        f"{place(use)}: {sorted(needed - use.given)}"
        for use in USES
        if use.given is not None
        and (needed := {name for text in (*use.whats, *use.fixes) for name in names(text)})
        and use.kind not in {"among"}
        and needed - use.given
    ]
    assert not told, "\n".join(told)


def test_braces_are_doubled_only_where_values_are_given() -> None:
    """Without values a text stands as it is, and would show both."""
    told = [
        f"{place(use)}: {text}"
        for use in USES
        for text in (*use.whats, *use.fixes)
        if "{{" in text and use.given == frozenset()
    ]
    assert not told, "\n".join(told)


def test_every_error_says_what_to_try() -> None:
    told = [
        f"{place(use)}: {use.whats}"
        for use in USES
        if use.kind not in {"Term", "among", "WrongValueError"}  # core/config.py says what to try
        and use.whats
        and not use.fault
        and not use.has_fix
        and not set(use.whats) & WITHOUT_FIX
    ]
    assert not told, "\n".join(told)


def faults_of_english(text: str) -> list[str]:
    told = []
    if not BEGINNING.match(text):
        told.append("it begins with a capital")
    if text.endswith((".", "!")) and not text.endswith("..."):
        told.append("it ends with a full stop")
    if found := BANNED.search(text):
        told.append(f"it says {found[0]!r}")
    if len(text) > LONGEST:
        told.append(f"it has {len(text)} characters")
    return told


def test_every_english_text_reads_well() -> None:
    told = {
        text: (place(use), faults)
        for use in USES
        for text in use.texts
        if (faults := faults_of_english(text))
    }
    assert not told, "\n".join(f"{text!r}: {found}" for text, found in told.items())


def faults_of_chinese(text: str, chinese: str) -> list[str]:
    if chinese == text:
        return [] if AS_TYPED.match(text) or not words(text) else ["it is still English"]
    told = []
    if words(text) and not CHINESE.search(chinese):
        told.append("it holds no Chinese")
    # What stands between quotes, braces or brackets is typed as it is.
    bare = re.sub(r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]", "", chinese)
    if found := HALF_WIDTH.search(bare):
        told.append(f"it holds half-width punctuation: {found[0]!r}")
    if re.search("[\u3400-\u9fff] [\u3400-\u9fff]", chinese):
        told.append("it holds a space between Chinese characters")
    return told


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_every_chinese_text_reads_well(room: str) -> None:
    told = {
        text: (chinese, faults)
        for text, chinese in catalogue(room).items()
        if (faults := faults_of_chinese(text, chinese))
    }
    assert not told, "\n".join(f"{text!r}: {found}" for text, found in told.items())


def test_validators_of_settings_say_what_is_wrong_in_both_languages() -> None:
    """Pydantic takes any ValueError; only one of ours can be said in Chinese."""
    told = []
    for name, file in SOURCE.files.items():
        for node in ast.walk(file.tree):
            validates = isinstance(node, ast.FunctionDef) and any(
                "validator" in ast.unparse(by) for by in node.decorator_list
            )
            for inner in ast.walk(node) if validates else ():
                if isinstance(inner, ast.Raise) and re.search(
                    r"\bValueError\(", ast.unparse(inner)
                ):
                    told.append(f"{name}:{inner.lineno}: raise WrongValueError")
    assert not told, "\n".join(told)


def test_an_error_is_said_in_both_languages() -> None:
    error = UserError.among("learner", "liner", ["linear", "bayes"], where="train.learner")
    assert error.to_dict("zh") == {
        "what": "没有名为 'liner' 的学习器",
        "where": "train.learner",
        "try": "是不是想写 'linear'？",
    }
    assert error.text("zh").splitlines()[1:] == [
        "  位置 train.learner",
        "  建议 是不是想写 'linear'？",
    ]
    assert str(error).startswith("there is no learner named 'liner'\n  at   train.learner\n  try  ")


def test_parts_of_an_error_are_said_in_its_language_too() -> None:
    inner = DataError("no training row has a label")
    where = Term("turn {turn}, stage {stage}", turn=3, stage="train")
    error = VolanoError("{faults} (and {count} more)", where=where, faults=(inner, inner), count=2)
    assert error.what == "no training row has a label; no training row has a label (and 2 more)"
    said = error.to_dict("zh")
    assert said["what"] == "没有一个训练行带标签；没有一个训练行带标签（另有 2 处）"
    assert said["where"] == "第 3 轮，train 阶段"


def test_a_refusal_of_the_system_is_said_in_words() -> None:
    refused = UserError("{why}", why=reason_of(PermissionError(13, "Permission denied")))
    assert (refused.what, refused.to_dict("zh")["what"]) == ("you have no right to it", "没有权限")
    strange = reason_of(OSError(9999, "a strange thing"))
    assert (strange, strange.said("zh")) == ("a strange thing", "a strange thing")


def test_braces_in_a_text_without_values_and_in_values_are_left_alone() -> None:
    assert VolanoError("{as it is}").text("zh") == "{as it is}"
    assert UserError("{given!r} is not key=value", given="{a}").what == "'{a}' is not key=value"
    assert RefusedError("no", because=("worse",)).to_dict("zh")["what"] == "no"


def test_the_scanner_finds_what_it_is_there_for() -> None:
    assert {"UserError", "WrongValueError", "TooLargeError", "BusyError"} <= SOURCE.classes
    kinds = {use.kind for use in USES}
    assert {"ConfigError", "Term", "among", "BadJsonError"} <= kinds
    assert faults_of_english("Invalid value.") and not faults_of_english("there is no 'x'")
    assert faults_of_chinese("a text", "a text") and faults_of_chinese("a, b", "甲, 乙")
