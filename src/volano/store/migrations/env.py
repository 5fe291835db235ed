"""What alembic runs: the steps, inside the caller's transaction, so that all happen or none do."""

from __future__ import annotations

from alembic import context

from volano.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
