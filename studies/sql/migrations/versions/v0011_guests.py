"""Guests: models that were pruned elsewhere, beside the front of a study."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "guests",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("examples", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Double(), nullable=False),
        sa.Column("drop", sa.Double(), nullable=False),
        sa.Column("lower", sa.Double(), nullable=False),
        sa.Column("upper", sa.Double(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=True),
        sa.Column("gained", sa.Integer(), nullable=True),
        sa.Column("measurements", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_guests_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "digest", name="pk_guests"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("guests")
