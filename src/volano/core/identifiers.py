"""What names a person in a text: e-mail, phone, resident ID, card, IBAN, IP address, US SSN.

Patterns find candidates, checksums and length tables refuse most of what only looks alike (order
numbers, prices, dates). Words are not needed: Chinese text has no spaces, so a boundary is "no
ASCII letter or digit here". Full-width digits count as digits. Names and street addresses are not
found: no pattern can.
"""

from __future__ import annotations

import re
from datetime import date
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Identifier", "Kind", "find_identifiers", "mask", "mask_values"]

Kind = Literal["email", "iban", "id", "card", "ip", "ssn", "phone"]


class Identifier(NamedTuple):
    """One identifier in a text, from ``start`` up to ``end``."""

    kind: Kind
    start: int
    end: int


def mask(text: str) -> str:
    """The text with each identifier replaced by its kind.

    >>> mask("请打13812345678，或写信给 li@qq.com谢谢")
    '请打<phone>，或写信给 <email>谢谢'
    """
    found = find_identifiers(text)
    if not found:
        return text
    pieces, end = [], 0
    for identifier in found:
        pieces += [text[end : identifier.start], f"<{identifier.kind}>"]
        end = identifier.end
    return "".join([*pieces, text[end:]])


def mask_values(value: Any) -> Any:
    """JSON with every string masked; a number that is an identifier becomes its kind.

    >>> mask_values({"body": "call 415-555-0132", "phone": 13812345678, "n": 3})
    {'body': 'call <phone>', 'phone': '<phone>', 'n': 3}
    """
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: mask_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        masked = mask(str(value))
        return value if masked == str(value) else masked
    return value


def find_identifiers(text: str) -> tuple[Identifier, ...]:
    """Every identifier, in the order of the text; where two overlap, the stricter kind stays.

    >>> find_identifiers("IBAN DE89 3704 0044 0532 0130 00.")
    (Identifier(kind='iban', start=5, end=32),)
    """
    if _FULL_WIDTH.search(text):
        text = text.translate(_NARROW)
    found: list[Identifier] = []
    for kind, pattern, check in _patterns(text):
        for match in pattern.finditer(text):
            start, end = check(match)
            if end and not any(start < f.end and f.start < end for f in found):
                found.append(Identifier(kind, start, end))
    return tuple(sorted(found, key=lambda identifier: identifier.start))


_FULL_WIDTH = re.compile(r"[０-９＠]")
_NARROW = {code: code - 0xFEE0 for code in map(ord, "０１２３４５６７８９＠．－＋（）：")}
_DIGIT = re.compile(r"[0-9]")
_SEVEN_DIGITS = re.compile(r"[0-9](?:[ ().-]{0,3}[0-9]){6}")

_NONE = (0, 0)


def _patterns(text: str) -> Iterator[tuple[Kind, re.Pattern[str], Callable[..., tuple[int, int]]]]:
    """The patterns worth trying, strictest first: most texts hold no @ and no long number."""
    if "@" in text:
        yield "email", _EMAIL, _email
    is_long = _SEVEN_DIGITS.search(text) is not None
    if is_long or _IBAN_START.search(text):
        yield "iban", _IBAN, _iban
    if is_long:
        yield "id", _RESIDENT, _resident
        yield "card", _CARD, _card
    if text.count(".") > 2:
        yield "ip", _IPV4, _ip
    if text.count(":") > 1:
        yield "ip", _IPV6, _ip
    if is_long:
        yield "ssn", _SSN, re.Match.span
        yield "phone", _PHONE, _phone
        yield "phone", _TOLD, _told


# Patterns begin with the first character itself and look back after it: the search then jumps from
# one possible beginning to the next. A digit or an ASCII letter beside a number makes it part of
# something longer.
_START = r"(?<![0-9A-Za-z].)(?<![0-9][.,].)"
_END = r"(?![0-9A-Za-z])"

# At most 64 characters stand before the @ (RFC 5321), which also bounds the work on hostile input.
_EMAIL = re.compile(r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}+)\.){1,8}[A-Za-z]{2,24}")
_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+'-"


def _email(match: re.Match[str]) -> tuple[int, int]:
    before = match.string[max(0, match.start() - 64) : match.start()]
    size = len(before) - len(before.rstrip(_LOCAL))
    return (match.start() - size, match.end()) if size else _NONE


_RESIDENT = re.compile(
    rf"[1-9]{_START}\d{{5}}([ -]?)((?:19|20)\d\d)(\d\d)(\d\d)\1\d{{3}}[0-9Xx]{_END}", re.ASCII
)
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _resident(match: re.Match[str]) -> tuple[int, int]:
    """Chinese resident ID (GB 11643-1999): a real birth date and the check character."""
    text = match.group().replace(" ", "").replace("-", "")
    try:
        date(int(match[2]), int(match[3]), int(match[4]))
    except ValueError:
        return _NONE
    total = sum(int(d) * w for d, w in zip(text[:17], _RESIDENT_WEIGHTS, strict=True))
    return match.span() if "10X98765432"[total % 11] == text[17].upper() else _NONE


_CARD = re.compile(
    rf"[1-6]{_START}(?:\d{{11,18}}|\d{{3}}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1?\d{{3}})?"
    rf"|(?<=3)\d{{3}}([ -])\d{{6}}\2\d{{4,5}}){_END}",
    re.ASCII,
)
_CARD_LENGTHS = (  # issuer prefixes (ISO/IEC 7812) and the lengths they use
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"3[0689]"), {14, 16}),
    (re.compile(r"6011|64[4-9]|65"), {16, 19}),
    (re.compile(r"6[0237]"), {16, 17, 18, 19}),
    (re.compile(r"50|5[678]|6[37]"), {12, 13, 14, 15, 16, 17, 18, 19}),
    (re.compile(r"1800|2131"), {15}),
)
_LUHN = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _card(match: re.Match[str]) -> tuple[int, int]:
    """Bank cards: a known issuer, a length it uses, and the Luhn digit."""
    digits = _DIGIT.findall(match.group())
    number = "".join(digits)
    if not any(p.match(number) and len(number) in sizes for p, sizes in _CARD_LENGTHS):
        return _NONE
    total = sum(map(int, digits[-1::-2])) + sum(_LUHN[int(d)] for d in digits[-2::-2])
    return match.span() if total % 10 == 0 else _NONE


# It begins at the check digits; the two letters of the country stand before them.
_IBAN_START = re.compile(r"[0-9](?<=[A-Za-z]{2}.)(?<![0-9A-Za-z]...)[0-9]")
_IBAN = re.compile(_IBAN_START.pattern + r"(?:[ -]?[0-9A-Za-z]{1,4}){2,8}")
_IBAN_LENGTHS = {
    place: int(length)
    for place, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
        "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
        "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
        "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 "
        "TN24 TR26 UA29 VA22 VG24 XK20",
    )
}


def _iban(match: re.Match[str]) -> tuple[int, int]:
    """The country's length, then ISO 7064 mod 97; the pattern may have run into the next word."""
    start, end = match.start() - 2, match.start() - 2
    text = match.string
    wanted = _IBAN_LENGTHS.get(text[start:][:2].upper(), 0)
    letters = ""
    while end < match.end() and len(letters) < wanted:
        letters += text[end] if text[end] not in " -" else ""
        end += 1
    after = text[end : end + 1]
    if not wanted or len(letters) != wanted or (after.isascii() and after.isalnum()):
        return _NONE
    moved = letters[4:] + letters[:4]
    is_right = int("".join(str(int(char, 36)) for char in moved)) % 97 == 1
    return (start, end) if is_right else _NONE


_IPV4 = re.compile(
    rf"[0-9]{_START}(?<![:.].)\d{{0,2}}(?:\.\d{{1,3}}){{3}}(?!\.?[0-9]){_END}", re.ASCII
)
_IPV6 = re.compile(
    r"[0-9A-Fa-f:](?<![0-9A-Za-z:.].)[0-9A-Fa-f]{0,3}(?::[0-9A-Fa-f]{0,4}){1,7}"
    rf"(?::(?:[0-9A-Fa-f]{{1,4}}(?:\.\d{{1,3}}){{0,3}})?|(?:\.\d{{1,3}}){{3}})?{_END}",
    re.ASCII,
)
_VERSION = re.compile(r"(?:version|ver\.?|release|build|版本号?|版)\s*[:：]?\s*$", re.IGNORECASE)


def _ip(match: re.Match[str]) -> tuple[int, int]:
    """IPv4 and IPv6 addresses; four numbers after the word "version" are none."""
    text = match.group()
    if text.endswith(":") and not text.endswith("::"):
        text = text[:-1]
    try:
        ip_address(text)
    except ValueError:
        return _NONE
    before = match.string[max(0, match.start() - 12) : match.start()]
    if not _DIGIT.search(text) or _VERSION.search(before):
        return _NONE
    return match.start(), match.start() + len(text)


_SSN = re.compile(
    rf"[0-8]{_START}(?<!-.)(?<!000)\d\d(?<!000)(?<!666)([- ])(?!00)\d\d\1(?!0000)\d{{4}}"
    rf"{_END}(?!-\d)",
    re.ASCII,
)

_PHONE = re.compile(
    rf"[0-9+(]{_START}(?<![0-9]-.)(?:"
    # written with a plus or 00: any country, 8 to 15 digits (E.164)
    r"(?:(?<=\+)|(?<=0)0(?=[1-9]))\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){1,6}"
    # China: mobile, then landline or other numbers that begin with 0 (UK and many more)
    r"|(?:(?<=8)6[ -]?1|(?<=1))[3-9]\d([ -]?)\d{4}\1\d{4}"
    r"|(?<=\()0[1-9]\d{1,3}\)[ -]?\d{3,4}[ -]?\d{3,4}"
    r"|(?<=0)[1-9]\d{1,3}[ -]\d{3,4}[ -]?\d{3,4}|(?<=0)[1-9]\d{8,9}"
    r"|(?<=0)[1-9]\d{0,2}([ .-])\d{2,3}(?:\2\d\d){2,3}"
    # North America, and 400/800 numbers in China
    r"|(?:(?<=1)[ .-]\(?[2-9]|(?<=\()[2-9]|(?<=[2-9]))\d\d(?:\)[ .-]?|[ .-])\d{3}[ .-]\d{4})"
    r"(?: ?(?:x|ext\.?|转) ?\d{1,6})?"
    rf"{_END}(?![.,-]?[0-9])",
    re.ASCII,
)
_EXTENSION = re.compile("[xe转]")


def _phone(match: re.Match[str]) -> tuple[int, int]:
    """Phones have 8 to 15 digits; one dot makes a decimal number, not a phone."""
    text = _EXTENSION.split(match.group())[0]
    is_phone = 8 <= len(_DIGIT.findall(text)) <= 15 and text.count(".") != 1
    return match.span() if is_phone else _NONE


# After a word for phone, what else has the digits of one.
_TOLD = re.compile(
    rf"[0-9(]{_START}(?<![0-9]-.)\d{{1,12}}\)?(?:[ .-]?\d{{2,4}}){{0,4}}{_END}(?![.,-]?[0-9])",
    re.ASCII,
)
_PHONE_WORD = re.compile(
    r"(?:phone|call|tel|mobile|cell|fax|whatsapp|text|dial|ring|number is|电话|手机|联系|致电|号码|"
    r"拨打|热线|传真)[^0-9]{0,12}$",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)\d\d[ ./-]?\d\d?[ ./-]?\d\d?|\d\d?[./-]\d\d?[./-](?:19|20)\d\d")


def _told(match: re.Match[str]) -> tuple[int, int]:
    text = match.group()
    if not 7 <= len(_DIGIT.findall(text)) <= 12 or text.count(".") == 1 or _DATE.fullmatch(text):
        return _NONE
    before = match.string[max(0, match.start() - 24) : match.start()]
    return match.span() if _PHONE_WORD.search(before) else _NONE
