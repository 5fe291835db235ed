from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from volano.core.hooks import Hub
from volano.data import (
    DataConfig,
    FieldsConfig,
    PrepareConfig,
    SourceConfig,
    SplitConfig,
    register,
)
from volano.data.config import Kind
from volano.models.column_kinds import KINDS

CONFIGS = [DataConfig, FieldsConfig, PrepareConfig, SourceConfig, SplitConfig]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_is_documented_and_few(config: type[Any]) -> None:
    # A file has as many ways to be written: a source may say one thing more than others.
    assert len(config.model_fields) <= 12 + (config is SourceConfig)
    for name in config.model_fields:
        assert f"\n        {name}: " in config.__doc__


@pytest.mark.parametrize(
    ("config", "values", "what"),
    [
        (SourceConfig, {"path": ""}, "at least 1 character"),
        (SourceConfig, {"path": "a.csv", "delimiter": "::"}, "one character"),
        (SourceConfig, {"path": "a.csv", "columns": ["a"]}, "header: false"),
        (SourceConfig, {"path": "a.csv", "header": False, "columns": ["a", "a"]}, "twice"),
        (DataConfig, {"sources": []}, "at least 1 item"),
        (DataConfig, {"sources": [{"path": "a"}, {"path": "a"}]}, "a source twice"),
        (SplitConfig, {"test": 0.6, "validation": 0.5}, "training has rows"),
        (PrepareConfig, {"near_duplicates": 0.2}, "at least 0.5"),
        (PrepareConfig, {"near_duplicate": 0.8}, "Extra inputs"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    config: type[Any], values: dict[str, Any], what: str
) -> None:
    with pytest.raises(ValidationError, match=what):
        config.model_validate(values)


def test_a_delimiter_may_be_named() -> None:
    assert SourceConfig(path="a.txt", delimiter="tab").delimiter == "\t"


def test_the_room_registers_its_readers_and_loads_nothing_heavy() -> None:
    hub = Hub()
    register(hub)
    assert {".csv", ".tsv", ".jsonl", ".parquet"} <= hub.readers.keys()
    code = (
        "import sys, volano.data, volano.core.hooks as h; volano.data.register(h.Hub());"
        "assert not {'pyarrow', 'numpy', 'daft'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_kinds_of_columns_are_those_that_models_know() -> None:
    assert get_args(Kind) == KINDS


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"target": "y", "columns": ("x", "y")}, "target 'y' cannot be among the columns"),
        ({"columns": ("x",), "ignore": ("x",)}, "'x' cannot be both read and ignored"),
        ({"text": "x", "ignore": ("x",)}, "'x' cannot be both read and ignored"),
        ({"kinds": {"x": "numbr"}}, "'number', 'category'"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        FieldsConfig(**settings)


def test_a_model_reads_all_columns_but_those_with_another_part() -> None:
    names = ("id", "who", "age", "sex", "when", "y", "note")
    fields = FieldsConfig(target="y", subject="who", group="sex", time="when", ignore=("note",))
    assert fields.reads(names, {"id"}) == ("age", "sex", "when")
    named = fields.model_copy(update={"columns": ("age",)})
    assert named.reads(names, {"id"}) == ("age",)
