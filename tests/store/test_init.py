from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import volano.store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


def test_every_public_name_is_there() -> None:
    for name in volano.store.__all__:
        assert getattr(volano.store, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Leger'"):
        _ = volano.store.Leger  # type: ignore[attr-defined]


def test_importing_the_room_loads_nothing_heavy(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    code = """
        import sys
        import volano.store, volano.store.artifacts, volano.store.locks

        heavy = {"sqlalchemy", "alembic", "fsspec", "filelock", "pyarrow", "numpy"}
        print(sorted(heavy & sys.modules.keys()))
    """
    assert start(code).communicate() == ("[]\n", "")
