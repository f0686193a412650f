"""Replays: dead letters that are landed again, by a stored list of positions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBERED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "replay",
        sa.Column("id", _NUMBERED, nullable=False),
        sa.Column("stream_id", _NUMBERED, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("spans", sa.JSON(), nullable=False),
        sa.Column("batches", sa.JSON(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("newest_batch", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_replay"),
        sa.ForeignKeyConstraint(["stream_id"], ["stream.id"], name="fk_replay_stream_id"),
        sqlite_autoincrement=True,
    )
