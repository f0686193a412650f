"""The ledger: streams, positions, batches; versions of tables; notes.

A migration is history: it spells its tables out and never imports `schema`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBERED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _stream()
    _batch()
    _position()
    op.create_table(
        "table_version",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_table_version"),
    )
    op.create_table(
        "note",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_note"),
    )


def _stream() -> None:
    op.create_table(
        "stream",
        sa.Column("id", _NUMBERED, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("good", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("last_ingested_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stream"),
        sa.UniqueConstraint("domain", "source", name="uq_stream_domain_source"),
        sqlite_autoincrement=True,
    )


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("batch", _NUMBERED, nullable=False),
        sa.Column("stream_id", _NUMBERED, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("spans", sa.JSON(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("ingested_ms", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("good", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("closed_no", sa.BigInteger()),
        sa.Column("closed_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("batch", name="pk_batch"),
        sa.ForeignKeyConstraint(["stream_id"], ["stream.id"], name="fk_batch_stream_id"),
        sa.UniqueConstraint("closed_no", name="uq_batch_closed_no"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batch_stream_id_batch", "batch", ["stream_id", "batch"])


def _position() -> None:
    op.create_table(
        "position",
        sa.Column("stream_id", _NUMBERED, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_row", sa.BigInteger(), nullable=False),
        sa.Column("open_batch", _NUMBERED),
        sa.PrimaryKeyConstraint("stream_id", "part", name="pk_position"),
        sa.ForeignKeyConstraint(["stream_id"], ["stream.id"], name="fk_position_stream_id"),
        sa.ForeignKeyConstraint(["open_batch"], ["batch.batch"], name="fk_position_open_batch"),
    )
