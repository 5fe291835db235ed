"""Rows: from files and feedback to a Dataset that can be trained on and trusted.

In: the project's source files, the Dataset of the turn before, reviewed feedback. Out: a collected
Dataset (raw fields, stable ids, broken rows kept aside), then a prepared one (duplicates and
conflicts gone with their reasons, near-duplicates clustered, split by the law), its report, and a
guess of how an unknown file is to be read. Never: a field changed, a row lost in silence, a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volano.data.config import DataConfig, FieldsConfig, PrepareConfig, SourceConfig, SplitConfig

if TYPE_CHECKING:
    from volano.core.hooks import Hub

# The stages are imported from their own files, ``volano.data.collect`` and ``volano.data.prepare``:
# reading a project file should not have to load Arrow.
__all__ = [
    "DataConfig",
    "FieldsConfig",
    "PrepareConfig",
    "SourceConfig",
    "SplitConfig",
    "register",
]


def register(hub: Hub) -> None:
    """The built-in readers."""
    from volano.data.sources import READERS

    for suffix, reader in READERS.items():
        hub.add_reader(suffix, reader)
