"""One way to write down whose row it is, wherever the row came from."""

from __future__ import annotations

__all__ = ["subject_name"]


def subject_name(value: object) -> str | None:
    """A cell as a name (of a subject, a group, a key); None where it is empty.

    A column of whole numbers becomes one of floats as soon as a cell of it is empty, so 7.0 is 7;
    erasing customer 7 has to find all of them.

    >>> subject_name(7.0), subject_name(" cust-7 "), subject_name("")
    ('7', 'cust-7', None)
    """
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None
