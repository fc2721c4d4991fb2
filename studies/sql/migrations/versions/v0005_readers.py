"""Keys that read the studies of others: of which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a key that is there reads its own studies alone, as before."""
    op.add_column("api_keys", sa.Column("owners", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("api_keys", "owners")
