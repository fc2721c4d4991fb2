"""Claims, which distinguish a late writer from the present one; and a study's progress when its job was leased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (("studies", "claims"), ("jobs", "claims"), ("jobs", "progress"))


def upgrade() -> None:
    """Add the columns, and the index that finds the owner served last."""
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_jobs_owner_started_at", "jobs", ["owner", "started_at"])


def downgrade() -> None:
    """Drop the index and the columns."""
    op.drop_index("ix_jobs_owner_started_at", "jobs")
    for table, column in _COLUMNS:
        op.drop_column(table, column)
