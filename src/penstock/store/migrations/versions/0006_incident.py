"""Alerts: incidents, and who is to be told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NUMBERED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "incident",
        sa.Column("id", _NUMBERED, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("row", sa.JSON(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("fired_ms", sa.BigInteger()),
        sa.Column("resolved_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_domain_alert_state", "incident", ["domain", "alert", "state"])
    op.create_index(
        "uq_incident_open",
        "incident",
        ["domain", "alert", "key"],
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", _NUMBERED, nullable=False),
        sa.Column("incident_id", _NUMBERED, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name="fk_delivery_incident_id"),
        sa.UniqueConstraint(
            "incident_id", "channel", "event", name="uq_delivery_incident_id_channel_event"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_state_next_ms", "delivery", ["state", "next_ms"])
