"""Dates and times as people and systems write them, in English and Chinese.

ISO 8601 (2024-03-05, 2024-03-05T09:30:00Z), year first with other marks (2024/3/5, 2024.3.5,
2024年3月5日 9:30), day and month first (5/3/2024, 3/5/2024; 5.3.2024 is in March), months by name
(5 Mar 2024, March 5, 2024, Mar-2024). A time with an offset is read as UTC, one without as it
stands.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

__all__ = ["EPOCH", "read_date", "says_day_first"]

EPOCH = datetime(1970, 1, 1)

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_CLOCK = (
    r"(?:[T ,]*(?P<noon>上午|下午|中午|晚上|凌晨)?\s*(?P<hour>\d{1,2})[:：时点]"
    r"(?P<minute>\d{1,2})?分?"
    r"(?:[:：]?(?P<second>\d{1,2})秒?(?:[.,](?P<part>\d{1,9}))?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?"
_DAY, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>\d{4}|\d{2})"
_FORMS = tuple(
    re.compile(form + _CLOCK + r"\s*(?:星期.|周.)?", re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})"
        r"(?:\s*[-/.月]\s*(?P<day>\d{1,2})\s*[日号]?|月)?",
        r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<other>\d{1,2})[-/.]" + _YEAR,
        _WEEKDAY + _DAY + r"[-/ ,]*" + _NAME + r"[-/ ,]*" + _YEAR,
        _WEEKDAY + _NAME + r"[-/ ]*(?:" + _DAY + r"[,\s]\s*)?[-/ ,]*(?P<year>\d{4})",
    )
)
_COMPACT = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DAY_MONTH = re.compile(r"\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d")
_PIVOT = 70  # a year of two digits below it is of this century
_LONGEST = 48


def read_date(cell: object, *, is_day_first: bool = False) -> datetime | None:
    """The moment that a cell names, without an offset; None where it names none.

    Args:
        cell: a date, a text, or a whole number written as YYYYMMDD.
        is_day_first: whether 5/3/2024 is the fifth of March, as most of the world writes it.

    >>> read_date("2024年3月5日")
    datetime.datetime(2024, 3, 5, 0, 0)
    >>> read_date("2024-03-05T09:30:00+08:00")
    datetime.datetime(2024, 3, 5, 1, 30)
    """
    if isinstance(cell, datetime):
        return _plain(cell)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        cell = str(int(cell)) if cell == cell and abs(cell) < 1e9 and cell == int(cell) else ""
    if not isinstance(cell, str) or len(cell) > _LONGEST:
        return None
    text = cell.strip()
    try:
        if text[4:5] == "-":
            return _plain(datetime.fromisoformat(text))
        if len(text) == 8 and _COMPACT.fullmatch(text):
            return datetime(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        pass
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return _of_parts(found.groupdict(), is_day_first=is_day_first)
    return None


def says_day_first(texts: list[str]) -> bool:
    """Whether the dates of a column put the day before the month: one that must, decides.

    >>> says_day_first(["3/5/2024", "25/3/2024"])
    True
    """
    found = [match for match in map(_DAY_MONTH.match, texts) if match]
    return any(int(match[1]) > 12 >= int(match[2]) for match in found)


def _of_parts(parts: dict[str, str | None], *, is_day_first: bool) -> datetime | None:
    year = int(parts["year"] or 0)
    if year < 100:
        year += 2000 if year < _PIVOT else 1900
    if parts.get("first"):
        first, other = int(parts["first"] or 0), int(parts["other"] or 0)
        # A thirteenth month can only be a day, whatever the column's habit.
        # Whoever puts points between them puts the day first.
        is_usual = is_day_first or parts["mark"] == "."
        turned = (is_usual and other <= 12) or first > 12
        day, month = (first, other) if turned else (other, first)
    elif parts.get("name"):
        month = _MONTHS.get((parts["name"] or "")[:3].lower(), 0)
        day = int(parts["day"] or 1)
    else:
        month, day = int(parts["month"] or 0), int(parts["day"] or 1)
    try:
        whole = datetime(year, month, day)
        if not parts["hour"]:
            return whole
        part = (parts["part"] or "0")[:6].ljust(6, "0")
        clock = (int(parts["minute"] or 0), int(parts["second"] or 0), int(part))
        whole = whole.replace(year, month, day, _hour(parts), *clock)
        return whole - _offset(parts["zone"] or "")
    except (OverflowError, ValueError):
        return None


def _hour(parts: dict[str, str | None]) -> int:
    hour, noon = int(parts["hour"] or 0), parts["noon"]
    half = (parts["half"] or "").lower()[:1]
    if half == "a":
        return hour % 12
    if half == "p" or noon in ("下午", "晚上"):
        return hour % 12 + 12
    return hour + 12 if noon == "中午" and hour < 3 else hour


def _offset(zone: str) -> timedelta:
    if zone[:1] not in ("+", "-"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return away if zone[0] == "+" else -away


def _plain(moment: datetime) -> datetime:
    """In UTC; at the ends of the calendar, where there is no such time, as it stands."""
    if moment.tzinfo is None:
        return moment
    bare, offset = moment.replace(tzinfo=None), moment.utcoffset() or timedelta()
    try:
        return bare - offset
    except OverflowError:
        return bare
