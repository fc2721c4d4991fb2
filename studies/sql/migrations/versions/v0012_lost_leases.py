"""An index of the few events that tell of lost leases: they are counted whenever figures are asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
NAME, LOST = "ix_events_lost_leases", sa.text("kind = 'lease'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(NAME, "events", ["created_at"], sqlite_where=LOST, postgresql_where=LOST)


def downgrade() -> None:
    """Drop it."""
    op.drop_index(NAME, "events")
