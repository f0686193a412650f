"""Leases of parts: several landers share a log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for table, name in (("stream", "leases"), ("position", "lease"), ("batch", "lease")):
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column(table, column)
