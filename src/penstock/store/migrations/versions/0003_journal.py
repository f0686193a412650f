"""The journal of apply: runs and their steps, and what was applied last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBERED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "apply_run",
        sa.Column("id", _NUMBERED, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_apply_run"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "apply_step",
        sa.Column("run_id", _NUMBERED, nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "no", name="pk_apply_step"),
        sa.ForeignKeyConstraint(["run_id"], ["apply_run.id"], name="fk_apply_step_run_id"),
    )
    op.create_table(
        "applied_form",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_applied_form"),
    )
