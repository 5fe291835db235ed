"""``volano forget`` as it is typed: what it says, as text and as JSON, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.erasure import occurrences
from tests.tiny import tiny_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.app.conftest import Ran

    Volano = Callable[..., Ran]

pytestmark = pytest.mark.slow  # each turns or erases


def test_a_person_is_forgotten_listed_and_may_return(tickets: Path, volano: Volano) -> None:
    would = volano("forget", "--subject", "C03", "--dry-run")
    assert would.code == 0
    assert "would be erased" in would.out and "dataset:" in would.out
    texts = [row["body"] for row in tiny_rows() if row["customer"] == "C03"]
    assert occurrences(tickets / ".volano", texts)
    done = volano("forget", "--subject", "C03", "--because", "C03 asked", "--by", "me")
    assert (done.code, done.out.strip().splitlines()[-1]) == (0, "next: volano turn")
    assert "not reached: your source files, backups" in done.out
    assert occurrences(tickets / ".volano", texts) == []
    listed = volano("forget", "--list", "--json").json["forgotten"]
    assert [(one["by"], one["is_finished"], one["is_suppressed"]) for one in listed] == [
        ("me", True, True)
    ]
    assert "C03" not in volano("forget", "--list").out
    status = volano("status").out
    if volano("status", "--json").json["champion"]["erased"]:
        assert "trained on a person who was erased" in status
    assert volano("doctor").code == 0
    assert volano("turn", "--json").json["dataset"]
    assert occurrences(tickets / ".volano", texts) == []
    assert volano("forget", "--allow", "C03", "--dry-run").out.startswith("data of this subject")
    assert volano("forget", "--allow", "C03", "--json").json["allowed"] is True
    assert "is not kept out" in volano("forget", "--allow", "C03").out
    assert volano("forget", "--list").out.count("may return") == 1


def test_somebody_unknown_is_told_and_suppressed(tickets: Path, volano: Volano) -> None:
    would = volano("forget", "--subject", "nobody", "--dry-run")
    assert "nothing of this subject is here" in would.out
    assert volano("forget", "--list", "--json").json == {"forgotten": []}
    done = volano("forget", "--subject", "nobody")
    assert done.code == 0
    assert "nothing of this subject is here; it is suppressed from now on" in done.out
    assert len(volano("forget", "--list", "--json").json["forgotten"]) == 1


@pytest.mark.parametrize(
    "words", [(), ("--subject", "a", "--list"), ("--subject", "  "), ("--allow", "a", "--list")]
)
def test_what_is_not_clear_is_refused(
    words: tuple[str, ...], tickets: Path, volano: Volano
) -> None:
    assert volano("forget", *words).code == 2
