"""Labels: tags and a note that people give to studies; and the workers that have reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the tables."""
    op.add_column("studies", sa.Column("note", sa.Text(), nullable=True))
    op.create_table(
        "study_tags",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_tags_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "tag", name="pk_study_tags"),
    )
    op.create_index("ix_study_tags_tag", "study_tags", ["tag"])
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("workers")
    op.drop_index("ix_study_tags_tag", "study_tags")
    op.drop_table("study_tags")
    op.drop_column("studies", "note")
