from __future__ import annotations

import pytest

from volano.core import errors
from volano.core.errors import RefusedError, UnknownNameError, VolanoError


@pytest.mark.parametrize(
    ("name", "exit_code", "http_status"),
    [
        ("VolanoError", 1, 500),
        ("UserError", 2, 422),
        ("ConfigError", 2, 422),
        ("DataError", 2, 422),
        ("UnknownNameError", 2, 404),
        ("MissingExtraError", 2, 422),
        ("BusyError", 2, 409),
        ("StageError", 1, 500),
        ("RefusedError", 3, 409),
        ("StoreError", 4, 500),
    ],
)
def test_the_tree_in_the_docstring_is_the_tree(name: str, exit_code: int, http_status: int) -> None:
    kind = getattr(errors, name)
    assert (kind.exit_code, kind.http_status) == (exit_code, http_status)
    assert name in str(errors.__doc__) and name in errors.__all__


def test_an_error_says_what_where_and_what_to_try() -> None:
    error = VolanoError("it broke", where="volano.yaml:3", fix="volano doctor")
    assert str(error) == "it broke\n  at   volano.yaml:3\n  try  volano doctor"
    assert error.to_dict() == {"what": "it broke", "where": "volano.yaml:3", "try": "volano doctor"}
    assert str(VolanoError("alone")) == "alone"


def test_an_unknown_name_suggests_the_nearest_or_lists_what_there_is() -> None:
    assert UnknownNameError.among("learner", "lroa", ["lora"]).fix == "did you mean 'lora'?"
    assert UnknownNameError.among("learner", "x", ["b", "a"]).fix == "one of 'a', 'b'"
    assert UnknownNameError.among("turn", "7", []).fix == "make a turn first"


def test_a_refusal_carries_its_reasons() -> None:
    assert RefusedError("no", because=("worse",)).because == ("worse",)
