"""Quotas of API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
QUOTAS = ("most_queued", "most_running", "most_candidates")


def upgrade() -> None:
    """Add the columns, without quotas for existing keys, and the table of what is used."""
    for name in QUOTAS:
        op.add_column("api_keys", sa.Column(name, sa.Integer(), nullable=True))
    op.create_table(
        "quota_uses",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.String(length=32), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "study_uid", name="pk_quota_uses"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("quota_uses")
    for name in QUOTAS:
        op.drop_column("api_keys", name)
