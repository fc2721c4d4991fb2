"""The revision of the last write that a front is computed from, beside that of the last write at all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what is there, any write may have been one."""
    op.add_column("studies", sa.Column("results_revision", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE studies SET results_revision = revision")


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("studies", "results_revision")
