"""Lets a match that was told be taken back: a further row of ``told_matches`` that names nothing of ours."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TAKEN_BACK = """
ALTER TABLE told_matches
    ALTER COLUMN payment_id DROP NOT NULL,
    ALTER COLUMN object_id DROP NOT NULL,
    ALTER COLUMN rule DROP NOT NULL,
    ADD CONSTRAINT told_matches_whole_or_nothing CHECK (
        num_nulls(payment_id, object_id, rule) IN (0, 3));
"""


def upgrade() -> None:
    """Nothing is told anew: what was told so far stands until a run finds it otherwise."""
    op.execute(TAKEN_BACK)
