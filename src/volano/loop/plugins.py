"""Loading what can be plugged in: built-ins first, then installed plugins, by the same door."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata

from volano import data, tasks, train
from volano.core.errors import UserError, VolanoError
from volano.core.hooks import Hub

__all__ = ["load_hub"]

_GROUP = "volano.plugins"


@lru_cache(maxsize=1)
def load_hub() -> Hub:
    """The hub with every built-in and every installed plugin.

    Raises:
        UserError: a plugin cannot be loaded; names it.
    """
    hub = Hub()
    for room in (tasks, data, train):
        room.register(hub)
    for entry in sorted(metadata.entry_points(group=_GROUP), key=lambda found: found.name):
        _load(entry, hub)
    return hub


def _load(entry: metadata.EntryPoint, hub: Hub) -> None:
    try:
        entry.load().register(hub)
    except Exception as error:  # a plugin is other people's code: whatever it raises, name it
        raise UserError(
            "the plugin {name!r} cannot be loaded: {error}",
            where=entry.value,
            fix="uninstall it, or ask its author for a release that fits this volano",
            name=entry.name,
            error=error if isinstance(error, VolanoError) else f"{type(error).__name__}: {error}",
        ) from error
    hub.plugins[entry.name] = entry.dist.version if entry.dist else ""
