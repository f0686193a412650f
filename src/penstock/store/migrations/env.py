"""Runs the migrations on the connection and in the transaction that `Store.open` hands over.

There is no alembic.ini: `penstock.store.database` configures Alembic in the process.
"""

from __future__ import annotations

from alembic import context

from penstock.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter most things of a table in place
)
context.run_migrations()
