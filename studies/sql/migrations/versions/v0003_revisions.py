"""More revisions: that of the last write that changes a front, and that of every candidate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; for existing rows, any write may have been the last of its kind."""
    op.add_column("studies", sa.Column("results_revision", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE studies SET results_revision = revision")
    op.add_column("candidates", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE candidates SET revision = (SELECT revision FROM studies WHERE studies.id = candidates.study_id)")
    op.create_index("ix_candidates_study_id_revision", "candidates", ["study_id", "revision"])


def downgrade() -> None:
    """Drop the columns."""
    op.drop_index("ix_candidates_study_id_revision", "candidates")
    op.drop_column("candidates", "revision")
    op.drop_column("studies", "results_revision")
