"""Lets an attempt carry an answer to a dispute, which has no amount."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = """
ALTER TABLE attempts DROP CONSTRAINT attempts_kind_check;
ALTER TABLE attempts ADD CONSTRAINT attempts_kind_check CHECK (
    kind IN ('authorize', 'capture', 'cancel', 'refund', 'dispute_evidence', 'dispute_accept'));
ALTER TABLE attempts DROP CONSTRAINT attempts_check1;
ALTER TABLE attempts ADD CONSTRAINT attempts_amount_where_money_moves CHECK (
    (kind IN ('cancel', 'dispute_evidence', 'dispute_accept')) = (amount_minor IS NULL)
    AND (amount_minor IS NULL) = (currency IS NULL));
"""


def upgrade() -> None:
    """Widen the checks; every row there is stays valid."""
    op.execute(KINDS)
