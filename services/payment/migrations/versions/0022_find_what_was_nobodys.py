"""Finds the evidence that came before anybody knew whose it was: the payment's timeline tells it as well."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of evidence without a payment alone, so that all other pays nothing for it."""
    op.execute("CREATE INDEX evidence_nobodys ON evidence (object_id) WHERE payment_id IS NULL")
