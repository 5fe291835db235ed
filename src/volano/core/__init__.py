"""What every room shares: nouns, settings, errors, references, hashing, seeds, events, the hub.

In: nothing. Out: small frozen objects and pure functions. Never: torch, the web, SQL, numerics, or
an import of another room. ``core.pages`` (reports as typed objects) is imported by those who draw.
"""

__all__: list[str] = []
