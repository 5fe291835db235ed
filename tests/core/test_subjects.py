from __future__ import annotations

import math

import pytest

from volano.core.errors import UserError
from volano.core.subjects import subject_name
from volano.serve.rows import Columns, read_request

SAME = [(7.0, "7"), (7, "7"), ("7", "7"), (" cust-7 ", "cust-7"), (7.5, "7.5"), ("  ", None)]


@pytest.mark.parametrize(("value", "name"), [*SAME, (None, None), (math.nan, None)])
def test_a_subject_has_one_name_however_it_is_written(value: object, name: str | None) -> None:
    assert subject_name(value) == name


@pytest.mark.parametrize(("value", "name"), SAME)
def test_a_request_names_a_subject_as_a_file_does(value: object, name: str | None) -> None:
    body = {"inputs": [{"text": "hi", "who": value}], "group": value}
    request = read_request(body, Columns(("text",), "who"), 1)
    assert (request.subjects, request.groups) == ((name,), (name,))


@pytest.mark.parametrize("value", [True, ["7"], {"a": 1}])
def test_what_is_no_name_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="not a name"):
        read_request({"inputs": [{"text": "hi", "who": value}]}, Columns(("text",), "who"), 1)
