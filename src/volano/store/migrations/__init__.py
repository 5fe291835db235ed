"""How a ledger of an earlier version becomes one of this version, step by step.

To change a table: edit ``schema.py``, copy the latest file of ``versions/`` under the next number,
write the change there by hand, and add the number to ``KNOWN_REVISIONS``. A test compares both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

__all__ = ["configure", "migrate"]


def configure() -> Config:
    """Alembic's settings, without an ini file."""
    from alembic.config import Config

    config = Config()
    # ConfigParser reads a percent sign as the start of a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def migrate(connection: Connection) -> None:
    """Bring the tables up to date within the transaction of ``connection``."""
    from alembic import command

    config = configure()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
