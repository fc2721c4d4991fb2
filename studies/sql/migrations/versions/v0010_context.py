"""The context of a job: what the request that made it is called in logs and traces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty for the jobs that there are."""
    op.add_column("jobs", sa.Column("context", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "context")
