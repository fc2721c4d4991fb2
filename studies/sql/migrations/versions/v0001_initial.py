"""The first tables: studies, candidates, measurements, verifications and their uses, seconds by stage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_WORD = sa.String(16)


def upgrade() -> None:
    """Create everything, parents first."""
    _create_studies()
    _create_candidates()
    _create_measurements()
    _create_verifications()
    _create_verification_uses()
    _create_stage_seconds()


def downgrade() -> None:
    """Drop everything, children first."""
    for table in (
        "stage_seconds",
        "verification_uses",
        "verifications",
        "measurements",
        "candidates",
        "studies",
    ):
        op.drop_table(table)


def _belongs_to(table: str, *, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def _create_studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(80), nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("owner_host", sa.Text()),
        sa.Column("owner_pid", sa.Integer()),
        sa.Column("owner_started", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("slug", name="uq_studies_slug"),
        sa.UniqueConstraint("uid", name="uq_studies_uid"),
        sqlite_autoincrement=True,
    )


def _create_candidates() -> None:
    op.create_table(
        "candidates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("group_order", sa.JSON()),
        sa.Column("origin", _WORD, nullable=False),
        sa.Column("parent", sa.Integer()),
        sa.Column("coordinates", sa.JSON()),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("drop", sa.Double()),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer()),
        sa.Column("gained", sa.Integer()),
        sa.Column("reason", sa.Text()),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("shortlisted", sa.Boolean(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
        sa.UniqueConstraint("study_id", "number", name="uq_candidates_study_id_number"),
        sa.UniqueConstraint("study_id", "config", name="uq_candidates_study_id_config"),
        _belongs_to("candidates", column="study_id", parent="studies"),
        sqlite_autoincrement=True,
    )


def _create_measurements() -> None:
    op.create_table(
        "measurements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.Integer()),
        sa.Column("later", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("source", _WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("lower", sa.Double()),
        sa.Column("upper", sa.Double()),
        sa.Column("level", sa.Double()),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("samples", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_measurements"),
        _belongs_to("measurements", column="study_id", parent="studies"),
        _belongs_to("measurements", column="candidate_id", parent="candidates"),
    )
    op.create_index("ix_measurements_study_id", "measurements", ["study_id"])
    op.create_index("ix_measurements_candidate_id", "measurements", ["candidate_id"])


def _create_verifications() -> None:
    op.create_table(
        "verifications",
        sa.Column("candidate_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("examples", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Double(), nullable=False),
        sa.Column("drop", sa.Double(), nullable=False),
        sa.Column("lower", sa.Double(), nullable=False),
        sa.Column("upper", sa.Double(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("lost", sa.Integer()),
        sa.Column("gained", sa.Integer()),
        sa.Column("predictions", sa.LargeBinary()),
        sa.Column("shortlist_size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("candidate_id", name="pk_verifications"),
        _belongs_to("verifications", column="candidate_id", parent="candidates"),
    )


def _create_verification_uses() -> None:
    op.create_table(
        "verification_uses",
        sa.Column("examples", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.String(32), nullable=False),
        sa.Column("study_slug", sa.String(80), nullable=False),
        sa.Column("used_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("examples", "study_uid", name="pk_verification_uses"),
    )


def _create_stage_seconds() -> None:
    op.create_table(
        "stage_seconds",
        sa.Column("study_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "stage", name="pk_stage_seconds"),
        _belongs_to("stage_seconds", column="study_id", parent="studies"),
    )
