"""What a cell holds: nothing, a number, yes or no, in the spellings of people and of systems.

One rule for features, for targets and for what is sent to a model.
"""

from __future__ import annotations

import math
import re
from datetime import time, timedelta
from decimal import Decimal

__all__ = ["MISSING", "is_missing", "is_unlabelled", "read_boolean", "read_number"]

MISSING = frozenset({
    "", "?", "-", "--", "—", "——", "/", ".", "na", "n/a", "n.a.", "#n/a", "#na", "nan", "null",
    "none", "nil", "missing", "(null)", "<na>", "\\n",
    "缺失", "空", "空值", "无", "暂无", "无数据", "未填写", "未填",
})  # fmt: skip
# The class "-" of a credit approval, "none" beside "mild", a parcel that is "missing".
_MAY_BE_LABELS = frozenset({"-", "--", "—", "——", "/", ".", "none", "nil", "missing", "空", "无"})
_YES = frozenset({"yes", "y", "true", "t", "on", "1", "1.0", "是", "真", "对", "有"})
_NO = frozenset({"no", "n", "false", "f", "off", "0", "0.0", "否", "假", "错", "没有"})
_BOOLEANS = {
    spelt: value
    for words, value in ((_YES, 1.0), (_NO, 0.0))
    for word in words
    for spelt in (word, word.capitalize(), word.upper())
}
_CURRENCY = "$€£¥￥"
# Ways to write one measure: square metres, and a price of one. Of years and months, or of metres
# and kilometres, the same column may hold both, so these are no numbers.
_MEASURE = re.compile(r"(?:(?:元?[/每])?(?:平方米|平米|㎡|m²)|元?[/每]平)$")
_ENDS_MEASURE = frozenset("米平㎡²")
# As exponents: what Python reads then is the nearest number, and 0.07万 is 700 to the digit.
_UNITS = {"%": "e-2", "％": "e-2", "万": "e4", "萬": "e4", "亿": "e8", "億": "e8"}
_GROUPING = ",，'’ \u00a0\u2009\u202f"
_GROUPED = re.compile(
    rf"[+-]?(?!0)\d{{1,3}}([{_GROUPING}])\d{{3}}(?:\1\d{{3}})*(?:\.\d*)?(?:[eE][+-]?\d+)?"
)
_OWED = re.compile(rf"([{_CURRENCY}]?)\s*\(\s*((?:[{_CURRENCY}]\s*)?\d.*)\)")
_CLOCK = re.compile(r"(?:(\d{1,6}) days?, )?(\d{1,4}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6}))?)?")


def is_missing(cell: object) -> bool:
    """Whether a cell holds nothing, in any of the ways that people and systems write this.

    "unknown" is no such way: it may well be what somebody answered.

    >>> is_missing(" N/A "), is_missing("缺失"), is_missing(0)
    (True, True, False)
    """
    if cell is None:
        return True
    if isinstance(cell, str):
        return cell.strip().casefold() in MISSING
    return isinstance(cell, float) and cell != cell  # NaN alone differs from itself


def is_unlabelled(cell: object) -> bool:
    """Whether a cell that is to hold a label holds none; "-" and "none" may be labels.

    >>> is_unlabelled("?"), is_unlabelled("none")
    (True, False)
    """
    is_said = isinstance(cell, str) and cell.strip().casefold() in _MAY_BE_LABELS
    return is_missing(cell) and not is_said


def read_number(cell: object) -> float:
    """The number in a cell; NaN where there is none, or none that is finite.

    True is 1; thousands may be grouped; a currency sign is left out; "5 %" is 0.05, "(5)" is -5,
    "3.5万" is 35,000, "89平米" is 89. A length of time, or a time of day such as 9:30, is in
    seconds.

    >>> read_number(" 1,250.50 "), read_number("5%"), read_number("1.5亿元"), read_number("89㎡")
    (1250.5, 0.05, 150000000.0, 89.0)
    """
    if isinstance(cell, float | int):
        try:
            number = float(cell)
        except OverflowError:
            return math.nan
        return number if math.isfinite(number) else math.nan
    if isinstance(cell, str):
        return _number_of_text(cell)
    if isinstance(cell, Decimal):
        return float(cell) if cell.is_finite() else math.nan
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, time) or hasattr(cell, "dtype"):  # numpy's, of which core knows nothing
        return _number_of_text(str(cell))
    return math.nan


def _number_of_text(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return _number_with_signs(text.strip())
    # Python reads 1_000 and "infinity" too; in a table these are a code and a word.
    return number if math.isfinite(number) and "_" not in text else math.nan


def _number_with_signs(text: str) -> float:
    """As people write: a clock, thousands, a currency, a percentage, 1.2万, (5) for -5."""
    found = _CLOCK.fullmatch(text)
    if found is not None:
        days, hours, minutes, seconds = (int(found[place] or 0) for place in range(1, 5))
        parts = timedelta(microseconds=int((found[5] or "").ljust(6, "0")))
        whole = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return (whole + parts).total_seconds()
    text = text.replace("−", "-")
    owed = _OWED.fullmatch(text)
    if owed is not None:
        text = f"-{owed[1]}{owed[2]}"  # as bookkeepers write what is owed
    sign = text[0] if text[:1] in ("+", "-") else ""
    bare = text[len(sign) :].lstrip(_CURRENCY).strip() if text else ""
    if bare[-1:] in _ENDS_MEASURE and owed is None:
        bare = _MEASURE.sub("", bare)
    bare = bare.rstrip(_CURRENCY + "元").rstrip()
    unit = _UNITS.get(bare[-1:], "")
    bare = sign + (bare[:-1].rstrip() if unit else bare)
    if _GROUPED.fullmatch(bare):
        bare = "".join(letter for letter in bare if letter not in _GROUPING)
    elif "," in bare or "，" in bare:
        return math.nan
    try:
        number = float(bare + unit)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) and "_" not in bare else math.nan


def read_boolean(cell: object) -> float:
    """1 for yes, 0 for no, NaN for neither.

    >>> read_boolean("Yes"), read_boolean("否"), read_boolean(1)
    (1.0, 0.0, 1.0)
    """
    if isinstance(cell, str):
        found = _BOOLEANS.get(cell)
        return found if found is not None else _BOOLEANS.get(cell.strip().casefold(), math.nan)
    number = read_number(cell)
    return number if number in (0.0, 1.0) else math.nan
