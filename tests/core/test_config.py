from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import Field, field_validator

from volano.core.config import Config, WrongValueError, build_config
from volano.core.errors import ConfigError
from volano.core.settings import Settings, override, read_settings

if TYPE_CHECKING:
    from pathlib import Path


class Source(Config):
    path: str = Field(min_length=1)
    split: Literal["", "test"] = ""


class Part(Config):
    folds: int | Literal["auto"] = Field("auto", ge=2)
    text: str | tuple[str, ...] = ""

    @field_validator("text")
    @classmethod
    def _named(cls, text: object) -> object:
        if text == "forbidden":
            raise WrongValueError("another name")
        return text


class Whole(Config):
    task: str
    train: Part = Part()
    sources: tuple[Source, ...] = ()
    names: dict[str, str] = {}


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "volano.yaml"
    path.write_text(text, "utf-8")
    return read_settings(path)


def refused(tmp_path: Path, text: str, *laid: str) -> ConfigError:
    with pytest.raises(ConfigError) as told:
        build_config(Whole, override(settings(tmp_path, text), laid))
    return told.value


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\ntrain:\n  text: a\n  fold: 3\n")
    assert told.what == "'train.fold' is not a setting"
    assert told.where == "volano.yaml:4, train.fold"
    assert told.fix == "did you mean 'train.folds'?"


def test_an_unknown_key_inside_a_list_is_found_too(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\nsources:\n  - path: a\n  - path: b\n    splitt: test\n")
    assert told.where == "volano.yaml:5, sources.1.splitt"
    assert told.fix == "did you mean 'sources.1.split'?"


def test_a_value_of_no_kind_that_fits_is_told_once_with_every_kind(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\ntrain: {text: 5, folds: 1}\n")
    assert "'train.text' is 5; it should be a text or a list" in told.what
    assert "'train.folds' is 1; it should be at least 2" in told.what
    assert told.where.startswith("volano.yaml:2, train.")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, "train: {}\n").what == "'task' is missing"
    assert "'sources.0.path' is missing" in refused(tmp_path, "task: x\nsources: [{}]\n").what
    assert refused(tmp_path, "").what == "'task' is missing"


def test_a_validators_own_words_are_kept(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\ntrain: {text: forbidden}\n")
    assert told.what == "'train.text' is 'forbidden'; it should be another name"


def test_a_long_wrong_value_is_cut(tmp_path: Path) -> None:
    assert len(refused(tmp_path, f"task: [{'x, ' * 200}]\n").what) < 150


def test_many_mistakes_become_one_error(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\na: 1\nb: 2\nc: 3\nd: 4\ne: 5\n")
    assert told.what.count("is not a setting") == 3
    assert told.what.endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("task: [x\n", "a bracket or a brace is not closed"),
        ("task: a\ntask: b\n", "the key 'task' stands twice"),
        ("- a\n- b\n", "holds a list"),
        ("just words\n", "holds one value"),
        ("task: x\n\ttrain: 1\n", "a tab stands where YAML wants spaces"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused_with_its_place(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        settings(tmp_path, text)
    assert "volano.yaml" in told.value.where


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "volano.yaml").write_bytes("task: 文本".encode("gb18030"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_settings(tmp_path / "volano.yaml")


def test_anchors_and_merged_keys_are_understood(tmp_path: Path) -> None:
    text = "task: x\nsources:\n  - &a {path: a, split: test}\n  - {<<: *a, path: b}\n"
    built = build_config(Whole, settings(tmp_path, text))
    assert [(s.path, s.split) for s in built.sources] == [("a", "test"), ("b", "test")]


def test_what_is_set_is_laid_over_the_file_and_validated(tmp_path: Path) -> None:
    file = settings(tmp_path, "task: x\ntrain: {folds: 3}\nsources: [{path: a}]\n")
    laid = ["train.folds=5", "train.text=[a, b]", "sources.0.split=test", "names.old=new"]
    built = build_config(Whole, override(file, laid))
    assert built.train == Part(folds=5, text=("a", "b"))
    assert built.sources == (Source(path="a", split="test"),)
    assert built.names == {"old": "new"}
    assert build_config(Whole, override(file, ["train.text="])).train.text == ""
    assert file.values["train"] == {"folds": 3}


def test_a_mistake_in_what_is_set_says_set_and_not_a_line(tmp_path: Path) -> None:
    told = refused(tmp_path, "task: x\ntrain: {folds: 3}\n", "train.folds=one")
    assert told.where == "--set train.folds"
    assert refused(tmp_path, "task: x\n", "train.fold=3").where == "--set train.fold"
    assert "a list of 1" in refused(tmp_path, "task: x\nsources: [{path: a}]\n", "sources.7=b").what
    for wrong in ("folds", "=3", "  =3"):
        assert "is not key=value" in refused(tmp_path, "task: x\n", wrong).what


def test_settings_are_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        Part().folds = 3  # type: ignore[misc]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@limits(deadline=None, max_examples=50)
@given(values=st.dictionaries(st.text(min_size=1, max_size=6), plain, max_size=4))
def test_no_values_make_the_error_message_fail(values: dict[str, Any]) -> None:
    try:
        build_config(Whole, Settings("volano.yaml", values))
    except ConfigError as error:
        assert error.what and error.where and error.fix


@limits(deadline=None, max_examples=50)
@given(folds=st.integers(2, 50), text=st.lists(st.text(max_size=6), max_size=3), task=st.text())
def test_a_config_reads_back_equal_from_its_json(folds: int, text: list[str], task: str) -> None:
    made = Whole(task=task, train=Part(folds=folds, text=tuple(text)))
    assert build_config(Whole, Settings("volano.yaml", made.model_dump(mode="json"))) == made
