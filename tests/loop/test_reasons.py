"""Sentences: each reads in both languages, with the same values."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from volano.core.nouns import Verdict
from volano.loop import reasons
from volano.loop.reasons import Reason, because, few, figure, percent, signed

TEXTS = {
    name: text for name, text in vars(reasons).items() if name.isupper() and isinstance(text, str)
}


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"TYPE_CHECKING"}))
def test_every_sentence_has_a_chinese_one_with_the_same_values(name: str) -> None:
    catalogue = json.loads((Path(reasons.__file__).parent / "zh.json").read_text("utf-8"))
    assert blanks(catalogue[TEXTS[name]]) <= blanks(TEXTS[name])
    assert blanks(TEXTS[name]) == blanks(catalogue[TEXTS[name]])


def test_the_catalogue_holds_nothing_else() -> None:
    catalogue = json.loads((Path(reasons.__file__).parent / "zh.json").read_text("utf-8"))
    assert set(catalogue) == {text for name, text in TEXTS.items() if name != "TYPE_CHECKING"}


def test_what_a_person_added_stays_as_written() -> None:
    reason = Reason(reasons.ALIKE, {"num": "5"})
    verdict = Verdict("HOLD", (str(reason), "Ana insists"), checks={"reasons": [reason.to_dict()]})
    assert because(verdict) == verdict.because
    assert because(verdict, "zh") == (
        "候选模型与现役模型在全部 5 个固定测试样本上的回答完全相同",
        "Ana insists",
    )


def test_braces_in_a_label_are_shown_as_they_are() -> None:
    reason = Reason(reasons.UNLEARNED, {"labels": few(["{x}"]), "num": "3"})
    assert "'{x}'" in str(reason)


def test_one_example_is_said_in_the_singular() -> None:
    few_units = Reason(reasons.TOO_FEW, {"num": "1", "least": "5", "level": "95%"})
    assert str(few_units).startswith("1 independent example cannot decide")
    assert "11 frozen examples" in str(Reason(reasons.ALIKE, {"num": "11"}))
    assert "answer alike on 1 frozen example" in str(Reason(reasons.ALIKE, {"num": "1"}))


def test_figures_read_well() -> None:
    assert signed(0.0214) == "+0.021"
    assert [percent(level) for level in (0.95, 0.8, 0.998, 0.9995)] == [
        "95%",
        "80%",
        "99.8%",
        "99.95%",
    ]
    assert few([str(n) for n in range(7)], most=2) == "'0', '1' (+5)"


def test_a_figure_has_the_digits_of_its_size() -> None:
    assert [figure(0.8712), figure(49123.4, 47_000), figure(0.000123, 0.0002)] == [
        "0.871",
        "49,123",
        "0.0001230",
    ]
    assert figure(-12.3, 5000, is_signed=True) == "-12"
